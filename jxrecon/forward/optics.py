"""Illuminations of a ptychographic microscope: complex fields in the plane of the specimen, on the host in float64.

Waves travel as exp(+ikz). `defocus_m` is where the specimen stands, counted along the beam from the focus: positive is
downstream, in the diverging beam, where the phase grows outwards as +pi r^2 / (lambda R).

A lens with pupil A(rho) and focal length f gives at its focus and at the distance z behind it (Fresnel)

    U(x, 0) = exp(i pi x^2 / (lambda f)) FT[A](x / (lambda f))
    U(x, z) = IFT{ FT[U(., 0)] exp(-i pi lambda z k^2) }

Without the curvature of a cone beam of radius R (near field, scaled coordinates) the same wave is the pupil's image, R/f times as
large, propagated by -R (f + R) / f. For a zone plate of diameter D and outermost zone width dr, f = D dr / lambda.
Every field has unit power, sum |P|^2 = 1, with the optical axis on pixel n//2; `with_power` scales it to photons.

Goodman, Introduction to Fourier Optics, 3rd ed., sections 4.2 and 5.2; Attwood & Sakdinawat, X-Rays and Extreme Ultraviolet
Radiation, 2nd ed. (2016), chapter 10 (zone plates).
"""

import numpy as np
from jaxtyping import Complex, Float, Num

Shape = tuple[int, int]
Pitch = tuple[float, float]  # along v, along u


def axes(shape: Shape, step: Pitch) -> tuple[np.ndarray, np.ndarray]:
    """Coordinates along v and u, zero on pixel n//2."""
    v, u = ((np.arange(n) - n // 2) * d for n, d in zip(shape, step, strict=True))
    return v, u


def annulus(shape: Shape, step: Pitch, outer: float, inner: float = 0.0) -> Float[np.ndarray, "v u"]:
    """Disc of diameter `outer` with a stop of diameter `inner`; the rim is one pixel soft."""
    v, u = axes(shape, step)
    radius = np.hypot(v[:, None], u)
    soft = max(step)
    return _inside(outer / 2 - radius, soft) * (1 - _inside(inner / 2 - radius, soft) * (inner > 0))


def rectangle(shape: Shape, step: Pitch, size: tuple[float, float]) -> Float[np.ndarray, "v u"]:
    """Rectangular aperture of `size` (v, u); the rim is one pixel soft."""
    v, u = (_inside(s / 2 - np.abs(x), d) for x, s, d in zip(axes(shape, step), size, step, strict=True))
    return v[:, None] * u


def _inside(distance: np.ndarray, soft: float) -> np.ndarray:
    """Share of a pixel that lies inside an edge at the signed distance."""
    return np.clip(distance / soft + 0.5, 0, 1)


def parabola(
    shape: Shape,
    pixel_size_m: Pitch,
    wavelength_m: float,
    radius_m: tuple[float, float],
) -> Complex[np.ndarray, "v u"]:
    """exp(i pi (y^2 / R_y + x^2 / R_x) / lambda): a wave that diverges with radii R (v, u)."""
    v, u = (
        np.exp(1j * np.pi * x**2 / (wavelength_m * r))
        for x, r in zip(axes(shape, pixel_size_m), radius_m, strict=True)
    )
    return v[:, None] * u


def propagated(
    field: Complex[np.ndarray, "v u"],
    pixel_size_m: Pitch,
    wavelength_m: float,
    distance_m: float,
) -> Complex[np.ndarray, "v u"]:
    """The wave after `distance_m` of free space (negative: before); unitary, periodic at the edges."""
    v, u = (
        np.exp(-1j * np.pi * wavelength_m * distance_m * np.fft.fftfreq(n, p) ** 2)
        for n, p in zip(field.shape, pixel_size_m, strict=True)
    )
    return np.fft.ifft2(np.fft.fft2(field) * (v[:, None] * u))


def cropped(field: Num[np.ndarray, "_ _"], shape: Shape) -> Num[np.ndarray, "_ _"]:
    """The middle of a field: pixel N//2 comes to n//2."""
    v, u = (big // 2 - n // 2 for big, n in zip(field.shape, shape, strict=True))
    return field[v : v + shape[0], u : u + shape[1]]


def with_power(modes: Complex[np.ndarray, "*mode v u"], photons: float) -> Complex[np.ndarray, "*mode v u"]:
    """The same field scaled to sum |P|^2 = photons."""
    power = np.sum(np.abs(modes) ** 2)
    if not power > 0:
        raise ValueError("the illumination has no power on this grid; are the optics' dimensions in metres?")
    return modes * np.sqrt(photons / power)


def zone_plate_focal_length(diameter_m: float, outermost_zone_m: float, wavelength_m: float) -> float:
    """f = D dr / lambda, in metres (first order)."""
    return diameter_m * outermost_zone_m / wavelength_m


def zone_plate_probe(
    shape: Shape,
    pixel_size_m: Pitch,
    wavelength_m: float,
    *,
    diameter_m: float,
    outermost_zone_m: float,
    central_stop_m: float = 0.0,
    defocus_m: float = 0.0,
    order_sorting_aperture_m: float | None = None,
    aperture_to_focus_m: float | None = None,
) -> Complex[np.ndarray, "v u"]:
    """First order of a Fresnel zone plate with a central stop.

    The order-sorting aperture, a pinhole `aperture_to_focus_m` upstream of the focus, keeps the other orders away, which are not
    modelled; it changes the first order only if it is narrower than the cone there, D times that distance over f.
    """
    focal = zone_plate_focal_length(diameter_m, outermost_zone_m, wavelength_m)
    planes = [defocus_m]
    if order_sorting_aperture_m is not None:
        if aperture_to_focus_m is None:
            raise ValueError(
                "`order_sorting_aperture_m` needs `aperture_to_focus_m`, how far before the focus it is."
            )
        planes.append(-aperture_to_focus_m)
    _check_numerical_aperture(pixel_size_m, outermost_zone_m)
    grid = _working_shape(shape, pixel_size_m, diameter_m / focal, planes)
    step = _frequency_step(grid, pixel_size_m)
    scale = 1 / (wavelength_m * focal)
    field = _focus(
        annulus(grid, step, diameter_m * scale, central_stop_m * scale),
        pixel_size_m,
        wavelength_m,
        (focal, focal),
    )
    here = 0.0
    if order_sorting_aperture_m is not None and aperture_to_focus_m is not None:
        here = -aperture_to_focus_m
        field = propagated(field, pixel_size_m, wavelength_m, here)
        field = field * annulus(grid, pixel_size_m, order_sorting_aperture_m)
    field = propagated(field, pixel_size_m, wavelength_m, defocus_m - here)
    return with_power(cropped(field, shape), 1.0)


def zone_plate_cone_beam(
    shape: Shape,
    pixel_size_m: Pitch,
    wavelength_m: float,
    *,
    diameter_m: float,
    outermost_zone_m: float,
    central_stop_m: float = 0.0,
    defocus_m: float,
) -> Complex[np.ndarray, "v u"]:
    """The same wave without its curvature, for the near field of a cone beam: pixels may be larger than the focus."""
    focal = zone_plate_focal_length(diameter_m, outermost_zone_m, wavelength_m)
    scale = abs(defocus_m) / focal
    grid = _working_shape(shape, pixel_size_m, diameter_m / focal, [defocus_m])
    image = annulus(grid, pixel_size_m, diameter_m * scale, central_stop_m * scale)
    return _cone_beam(image, shape, pixel_size_m, wavelength_m, focal, defocus_m)


def mirror_probe(
    shape: Shape,
    pixel_size_m: Pitch,
    wavelength_m: float,
    *,
    aperture_m: tuple[float, float],
    focal_length_m: tuple[float, float],
    defocus_m: float = 0.0,
) -> Complex[np.ndarray, "v u"]:
    """A pair of Kirkpatrick-Baez mirrors: rectangular apertures and focal lengths (v, u), one common focus."""
    divergence = max(a / f for a, f in zip(aperture_m, focal_length_m, strict=True))
    _check_numerical_aperture(pixel_size_m, wavelength_m / divergence)
    grid = _working_shape(shape, pixel_size_m, divergence, [defocus_m])
    v, u = (a / (wavelength_m * f) for a, f in zip(aperture_m, focal_length_m, strict=True))
    spectrum = rectangle(grid, _frequency_step(grid, pixel_size_m), (v, u))
    field = _focus(spectrum, pixel_size_m, wavelength_m, focal_length_m)
    return with_power(cropped(propagated(field, pixel_size_m, wavelength_m, defocus_m), shape), 1.0)


def gaussian_probe(
    shape: Shape,
    pixel_size_m: Pitch,
    wavelength_m: float,
    *,
    waist_m: float,
    defocus_m: float = 0.0,
) -> Complex[np.ndarray, "v u"]:
    """exp(-r^2 / (w0^2 (1 + i z / z_R))) with z_R = pi w0^2 / lambda; `waist_m` is w0, where the amplitude is 1/e."""
    rayleigh = np.pi * waist_m**2 / wavelength_m
    v, u = (
        np.exp(-(x**2) / (waist_m**2 * (1 + 1j * defocus_m / rayleigh))) for x in axes(shape, pixel_size_m)
    )
    return with_power(v[:, None] * u, 1.0)


def circular_aperture_probe(
    shape: Shape,
    pixel_size_m: Pitch,
    wavelength_m: float,
    *,
    diameter_m: float,
    distance_m: float = 0.0,
) -> Complex[np.ndarray, "v u"]:
    """A pinhole in a plane wave, `distance_m` downstream of it."""
    hole = annulus((2 * shape[0], 2 * shape[1]), pixel_size_m, diameter_m).astype(complex)
    return with_power(cropped(propagated(hole, pixel_size_m, wavelength_m, distance_m), shape), 1.0)


def incoherent_modes(
    probe: Complex[np.ndarray, "v u"], powers: tuple[float, ...]
) -> Complex[np.ndarray, "mode v u"]:
    """Modes of a partially coherent beam with these shares of the power, the first one being `probe`.

    A source of finite size moves the focus sideways; to low order the states that it mixes in are derivatives of the probe, taken
    here in the order 1, d/dx, d/dy, d2/dx2, d2/dxdy, d2/dy2 and made orthogonal. Unit power in all.
    """
    orders = [(i, k - i) for k in range(len(powers)) for i in range(k + 1)][: len(powers)]
    spectrum = np.fft.fft2(probe)
    v, u = (np.fft.fftfreq(n) for n in probe.shape)
    states = [np.fft.ifft2(spectrum * (v[:, None] ** i * u**j)).ravel() for i, j in orders]
    basis = np.linalg.qr(np.stack(states, axis=1))[0].T.reshape(-1, *probe.shape)
    basis = basis * np.exp(1j * np.angle(np.vdot(basis[0], probe)))
    shares = np.asarray(powers, float) / np.sum(powers)
    return basis * np.sqrt(shares)[:, None, None]


def _focus(spectrum, pixel_size_m, wavelength_m, focal_length_m):
    """Field at the focus, from the pupil as a spectrum (zero frequency at the centre)."""
    field = np.fft.fftshift(np.fft.ifft2(np.fft.ifftshift(spectrum)))
    return field * parabola(field.shape, pixel_size_m, wavelength_m, focal_length_m)


def _cone_beam(image, shape, pixel_size_m, wavelength_m, focal, defocus_m):
    distance = -defocus_m * (focal + defocus_m) / focal
    field = propagated(image.astype(complex), pixel_size_m, wavelength_m, distance)
    return with_power(cropped(field, shape), 1.0)


def _frequency_step(shape, pixel_size_m):
    v, u = (1 / (n * p) for n, p in zip(shape, pixel_size_m, strict=True))
    return v, u


def _working_shape(shape, pixel_size_m, divergence, planes):
    """Grid on which the geometric beam fills at most half at every plane, so that its tails do not wrap round."""
    width = 2 * divergence * max(abs(z) for z in planes)
    v, u = (max(2 * n, 2 * int(np.ceil(width / p / 2))) for n, p in zip(shape, pixel_size_m, strict=True))
    return v, u


def _check_numerical_aperture(pixel_size_m, half_period_m):
    if max(pixel_size_m) > half_period_m:
        raise ValueError(
            f"pixels of {max(pixel_size_m) * 1e9:.3g} nm are larger than the finest fringe of the optics, "
            f"{half_period_m * 1e9:.3g} nm; use more detector, or `zone_plate_cone_beam` in the near field."
        )
