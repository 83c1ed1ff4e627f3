"""Small ptychography problems for tests: set-up, data and unknowns with every field in use."""

import dataclasses

import jax.numpy as jnp
import numpy as np

from jxrecon.forward.ptychography import Ptychography
from jxrecon.geometry import Geometry
from jxrecon.measurement import ArrayFrames, Measurement, single_view
from jxrecon.noise import Amplitude
from jxrecon.objective import Batch, DataTerm, Objective
from jxrecon.parameters import Parameters, Positions, Probe


def geometry(n: int = 16, regime="far_field", margin: int = 0) -> Geometry:
    """7 keV; in the near field a Fresnel number of 0.35 per pixel."""
    if regime == "far_field":
        return Geometry(1.7712e-10, 5.0, (75e-6, 75e-6), (n, n))
    return Geometry(1.7712e-10, 1.0, (75e-6, 75e-6), (n, n), "near_field", 0.011, margin)


def smooth(rng: np.random.Generator, shape: tuple[int, ...], width: float) -> np.ndarray:
    """Real white noise blurred over `width` pixels, unit variance."""
    fy, fx = (np.fft.fftfreq(n) for n in shape[-2:])
    blur = np.exp(-2 * (np.pi * width) ** 2 * (fy[:, None] ** 2 + fx**2))
    field = np.fft.ifft2(np.fft.fft2(rng.standard_normal(shape)) * blur).real
    return field / field.std()


def probe(n: int, modes: int, photons: float = 1e4) -> np.ndarray:
    """Defocused Gaussian modes of 60, 30, 10 % of the power, (mode, v, u)."""
    y, x = np.mgrid[:n, :n] - n // 2
    r2 = (y**2 + x**2) / (n / 6) ** 2
    base = np.exp(-r2 / 2 + 0.5j * r2)
    fields = [base, base * x, base * y][:modes]
    powers = np.array([6.0, 3.0, 1.0])[:modes]
    powers = powers / powers.sum() * photons
    return np.array([f * np.sqrt(p / np.sum(np.abs(f) ** 2)) for f, p in zip(fields, powers)])


def unknowns(
    n: int = 16, scan: int = 7, modes: int = 2, seed: int = 0, dtype=np.float64, full: bool = True
) -> Parameters:
    """Parameters with an object a few times larger than the probe; `full` fills in everything that is optional."""
    rng = np.random.default_rng(seed)
    complex_ = np.result_type(dtype, np.complex64)
    size = 2 * n + 8
    transmission = np.exp(-0.1 - 0.5j * smooth(rng, (1, size, size), 2.0))
    positions = rng.uniform(-n / 2 + 1, n / 2 - 1, (scan, 2))
    first = probe(n, modes)
    variations = weights = background = None
    if full:
        variations = 0.1 * first[::-1][None, None] * np.exp(1j * smooth(rng, (1, 2, modes, n, n), 3))
        weights = rng.normal(size=(scan, 2))
        background = np.abs(rng.normal(size=(n, n)))
    as_real = lambda x: None if x is None else jnp.asarray(x, dtype)  # noqa: E731
    as_complex = lambda x: None if x is None else jnp.asarray(x, complex_)  # noqa: E731
    return Parameters(
        as_complex(transmission),
        Probe(as_complex(first[None]), as_complex(variations), as_real(weights)),
        Positions(
            as_real(positions),
            as_real(0.3 * rng.normal(size=(scan, 2)) * full),
            as_real(0.01 * rng.normal(size=4) * full),
        ),
        as_real(1 + 0.1 * rng.normal(size=scan) * full),
        as_real(background),
    )


def measurement(frames: np.ndarray, positions: np.ndarray, **fields) -> Measurement:
    return single_view(ArrayFrames(np.asarray(frames)), positions, **fields)


def model(parameters: Parameters, setup: Geometry, **options) -> Ptychography:
    """The forward model bound to a scan of the right length."""
    n, (v, u) = parameters.flux.shape[0], setup.frame_shape
    empty = measurement(np.zeros((n, v, u), np.float32), np.zeros((n, 2)))
    return Ptychography(**options).bind(setup, empty)


def objective(forward: Ptychography, noise=None) -> Objective:
    return Objective({"data": DataTerm("scan", forward, noise or Amplitude())})


def predicted(forward: Ptychography, parameters: Parameters) -> np.ndarray:
    """All frames, as the model lays them out, one by one."""
    canvas, shared = forward.prepare(parameters, jnp.asarray(0), None)
    corners, frames = forward.frames(parameters, jnp.arange(parameters.flux.shape[0]), canvas)
    from jxrecon.kernels.patches import cut_all

    patches = cut_all(canvas, corners, forward.window)
    import jax

    return np.asarray(jax.vmap(forward.predict, in_axes=(0, None, 0))(patches, shared, frames))


def batch(intensity: np.ndarray, dtype=None) -> dict[str, Batch]:
    """The whole scan as one batch."""
    counts = jnp.asarray(intensity, dtype)
    n = counts.shape[0]
    one = jnp.ones((), counts.dtype)
    return {
        "scan": Batch(
            jnp.zeros(1, jnp.int32),
            jnp.arange(n, dtype=jnp.int32)[None],
            counts[None],
            jnp.ones((1, n), counts.dtype),
            jnp.ones(counts.shape[1:], bool),
            jnp.full(counts.shape[1:], -1, jnp.int32),
            jnp.asarray(1, jnp.int32),
            one,
            jnp.mean(jnp.maximum(counts, 0)),
        )
    }


def replaced(tree, **fields):
    return dataclasses.replace(tree, **fields)
