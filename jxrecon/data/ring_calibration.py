"""Where a flat detector stands, from the Debye-Scherrer rings of a standard on it.

From nothing but the wavelength, the pixels and a rough distance: the middle of the rings is the point about which the image is
most symmetric, half the shift s with the largest

    sum_x I(x) I(s - x) / sum_x I(x)^2 m(s - x),        I: logarithm of the counts less its mean, m: 1 where a pixel was measured

and the distance is that at which the radial mean correlates best with the calculated rings. Then pyFAI finds points on the
rings and refines distance, point of normal incidence and tilts, on few rings first (a wrong tilt would take a ring for its
neighbour); points further off than FURTHEST times the median are left out. The wavelength is kept: from one image it cannot be
told from the distance and the standard's cell.
"""

import contextlib
import dataclasses
import logging
import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np
from jaxtyping import Bool, Float
from scipy import ndimage

from ..errors import InputError
from .poni import Poni, demand_pyfai

FURTHEST = 4.0
SEARCHED = np.geomspace(0.7, 1.4, 701)  # of the distance that the user gives
FIRST_RINGS = (2, 4)
STANDARDS = {"Al2O3": "alpha_Al2O3_SRM676a_2015", "LaB6": "LaB6_SRM660c", "Si": "Si_SRM640e"}
TILTS, MOST_TILTED = ("rot1", "rot2"), 0.6  # radians

Image = Float[np.ndarray, "row column"]
Measured = Bool[np.ndarray, "row column"]


@dataclasses.dataclass(frozen=True)
class Calibrated:
    """A refined geometry; ring_rms_deg: of the points on the rings about the standard's 2 theta."""

    poni: Poni
    ring_rms_deg: float
    points: int
    rings: int


@contextlib.contextmanager
def repeatable() -> Iterator[None]:
    """pyFAI shuffles the points of a ring with NumPy's global generator: the same way every time."""
    state = np.random.get_state()
    np.random.seed(0)
    try:
        yield
    finally:
        np.random.set_state(state)


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """pyFAI warns of what is no concern here (unused masks, optional engines); its errors stay."""
    levels = {name: logging.getLogger(name).level for name in ("pyFAI", "fabio", "silx")}
    for name in levels:
        logging.getLogger(name).setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        for name, level in levels.items():
            logging.getLogger(name).setLevel(level)


def standard(name: str, wavelength_m: float) -> Any:
    """pyFAI's calibrant; names that are short stand for certified ones."""
    demand_pyfai()
    from pyFAI.calibrant import (  # pyright: ignore[reportMissingImports]
        CALIBRANT_FACTORY,
        get_calibrant,
    )

    known = sorted(CALIBRANT_FACTORY.keys())
    if STANDARDS.get(name, name) not in known:
        raise InputError(f"`calibrant` is {name!r}; pyFAI knows {', '.join([*STANDARDS, *known])}.")
    with quiet():
        found = get_calibrant(STANDARDS.get(name, name))
        found.wavelength = wavelength_m
    return found


def ring_angles(calibrant: Any) -> Float[np.ndarray, " ring"]:
    """2 theta in radians of the rings that the wavelength allows."""
    return np.array([angle for angle in calibrant.get_2th() if angle is not None])


def symmetry_centre(image: Image, measured: Measured) -> tuple[float, float]:
    """(row, column) in pixels, to half of one."""
    value = np.log1p(np.where(measured, np.maximum(image, 0), 0))
    value = np.where(measured, value - value[measured].mean(), 0)
    shape = [2 * n for n in image.shape]
    of_value, of_mask = np.fft.rfft2(value, shape), np.fft.rfft2(measured.astype(float), shape)
    product = np.fft.irfft2(of_value**2, shape)
    power = np.fft.irfft2(np.fft.rfft2(value**2, shape) * of_mask, shape)
    overlap = np.fft.irfft2(of_mask**2, shape)
    enough = overlap > 0.15 * measured.sum()
    score = np.where(enough, product / np.maximum(power, 1e-6 * power.max()), -np.inf)
    best = np.unravel_index(int(np.argmax(score)), score.shape)
    return float(best[0] / 2), float(best[1] / 2)


def radial_mean(
    image: Image, measured: Measured, centre: tuple[float, float]
) -> Float[np.ndarray, " radius"]:
    """Of the logarithm of the counts, a number for each pixel of the radius, less a running median."""
    rows, columns = np.indices(image.shape, dtype=np.float32)
    radius = np.rint(np.hypot(rows - centre[0], columns - centre[1])).astype(int)[measured]
    counts = np.bincount(radius)
    mean = np.bincount(radius, np.log1p(np.maximum(image[measured], 0))) / np.maximum(counts, 1)
    return np.where(counts > 20, mean - ndimage.median_filter(mean, 31), 0)


def searched_distance(
    profile: Float[np.ndarray, " radius"], angles: np.ndarray, guess_pixels: float
) -> float:
    """In pixels: the best of SEARCHED times the guess."""
    x, smooth = np.arange(len(profile)), ndimage.gaussian_filter1d(profile, 2)
    low = int(0.6 * guess_pixels * np.tan(angles[0]))

    def score(distance: float) -> float:
        rings = distance * np.tan(angles[angles < 1.4])
        model = np.exp(-0.5 * ((x[:, None] - rings[rings < len(x) + 10]) / 3) ** 2).sum(axis=1)
        one, other = (v[low:] - v[low:].mean() for v in (smooth, model))
        return float(one @ other / np.sqrt(max(one @ one, 1e-30) * max(other @ other, 1e-30)))

    return float(guess_pixels * SEARCHED[np.argmax([score(guess_pixels * s) for s in SEARCHED])])


def first_geometry(
    image: Image, measured: Measured, calibrant: Any, distance_m: float, pixel_m: float, wavelength_m: float
) -> Poni:
    """An untilted detector."""
    centre = symmetry_centre(image, measured)
    profile = radial_mean(image, measured, centre)
    distance = pixel_m * searched_distance(profile, ring_angles(calibrant), distance_m / pixel_m)
    row, column = ((c + 0.5) * pixel_m for c in centre)
    return Poni(distance, row, column, pixel_m, pixel_m, wavelength_m=wavelength_m)


def calibrated(image: Image, measured: Measured, start: Poni, calibrant: Any, rough: bool) -> Calibrated:
    """The refinement; `rough`: the start is a first guess, so that few rings and no tilts come first."""
    from pyFAI.detectors import Detector  # pyright: ignore[reportMissingImports]
    from pyFAI.goniometer import SingleGeometry  # pyright: ignore[reportMissingImports]

    detector = Detector(start.pixel1_m, start.pixel2_m, max_shape=image.shape, orientation=start.orientation)
    detector.mask = ~measured
    with quiet(), repeatable():
        single = SingleGeometry(
            "rings",
            np.where(measured, image, 0),
            calibrant=calibrant,
            detector=detector,
            geometry=start.numbers() | {"wavelength": calibrant.wavelength},
        )
        refined = single.geometry_refinement
        for tilt in TILTS:
            refined.__setattr__(f"{tilt}_min", -MOST_TILTED)
            refined.__setattr__(f"{tilt}_max", MOST_TILTED)
        for rings in (*FIRST_RINGS, None) if rough else (None,):
            single.extract_cp(max_rings=rings)
            if refined.data is None or len(refined.data) < 20:
                raise InputError("no rings of the standard are found where the geometry has them.")
            refined.refine3(fix=["wavelength", "rot3", *(TILTS if rings == FIRST_RINGS[0] else ())])
        residual = _without_outliers(refined)
    return Calibrated(
        poni=dataclasses.replace(
            start,
            distance_m=float(refined.dist),
            poni1_m=float(refined.poni1),
            poni2_m=float(refined.poni2),
            rot1=float(refined.rot1),
            rot2=float(refined.rot2),
            rot3=float(refined.rot3),
            wavelength_m=float(calibrant.wavelength),
        ),
        ring_rms_deg=float(np.degrees(np.sqrt(np.mean(residual**2)))),
        points=len(residual),
        rings=len(np.unique(refined.data[:, 2])),
    )


def _without_outliers(refined: Any) -> np.ndarray:
    """Refines again without points that are far off; the residuals of the others, in radians."""

    def residuals() -> np.ndarray:
        return refined.residu1(refined.param, *refined.data[:, :2].T, refined.data[:, 2].astype(np.int32))

    for _ in range(2):
        distance = np.abs(residuals())
        refined.data = refined.data[distance <= FURTHEST * 1.4826 * np.median(distance)]
        refined.refine3(fix=["wavelength", "rot3"])
    return residuals()
