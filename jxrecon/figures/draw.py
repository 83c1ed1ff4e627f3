"""All the figures that a result can feed, as files."""

from collections.abc import Callable, Iterator
from pathlib import Path

import jax.numpy as jnp
import numpy as np
from matplotlib.figure import Figure

from ..analysis.density import density_histogram, particle_mask
from ..analysis.region import coverage, illuminated
from ..analysis.resolution import RingCorrelation
from ..kernels.ray_transform import project
from ..numerics.modes import orthogonalise
from ..parameters import Parameters
from ..result import Result
from .alignment import alignment
from .canvas import save
from .density_histogram import density_histogram_curve
from .flux import shot_flux
from .loss import loss_curves
from .object import object_amplitude, object_phase
from .orthoslices import orthoslices
from .pattern import patterns
from .positions import scan_positions
from .probe import probe_modes
from .rendering import rendering
from .ring_correlation import ring_correlation_curve
from .shell_correlation import shell_correlation_curve
from .sinogram import sinogram

NOT_TERMS = {"epoch", "step", "chunk", "seconds"}


Drawing = tuple[str, Callable[[], Figure]]  # file stem, and what draws it


def _numbered(name: str, index: int, count: int) -> str:
    return name if count == 1 else f"{name}_{index}"


def _positions(result: Result) -> tuple[np.ndarray, np.ndarray]:
    """Nominal and found positions, float64."""
    positions = result.parameters.positions
    return np.asarray(positions.nominal, np.float64), np.asarray(positions(), np.float64)


def _lit(result: Result) -> np.ndarray:
    """Pixels of the object that the scan lit, by any of the probes."""
    nominal, found = _positions(result)
    centres = np.where(np.isfinite(found), found, nominal)
    light = np.sum(np.abs(np.asarray(result.parameters.probe.modes)) ** 2, axis=0, dtype=np.float64)
    height, width = result.parameters.objects().shape[1:]
    return illuminated(coverage(centres, np.sqrt(light).astype(complex), (height, width)))


def _specimens(result: Result) -> Iterator[Drawing]:
    if result.parameters.object is None:
        return
    objects, lit, pixel = np.asarray(result.parameters.object), _lit(result), result.geometry.pixel_size_m
    for k, transmission in enumerate(objects):
        for name, figure in (("object_phase", object_phase), ("object_amplitude", object_amplitude)):
            yield _numbered(name, k, len(objects)), lambda f=figure, t=transmission: f(t, pixel, lit)


def _volume(result: Result) -> Iterator[Drawing]:
    parameters, pixel = result.parameters, float(result.geometry.pixel_size_m[1])
    if parameters.volume is None or parameters.alignment is None:
        return
    density = np.asarray(parameters.volume.electron_density(), np.float64).transpose(2, 0, 1)
    degrees = np.degrees(np.asarray(parameters.alignment.angle, np.float64))
    truth = result.images.get("displacement_true")
    found = result.images.get("displacement_found", np.asarray(parameters.alignment.shift, np.float64))
    yield "orthoslices", lambda: orthoslices(density, pixel)
    yield "rendering", lambda: rendering(density, pixel)
    yield (
        "sinogram",
        lambda: sinogram(_projections(parameters, pixel), degrees, pixel, label="∫ nₑ dl / (e/Å³ µm)"),
    )
    yield "alignment", lambda: alignment(found, degrees, truth)
    yield "density_histogram", lambda: _histogram(density)


def _projections(parameters: Parameters, pixel_m: float) -> np.ndarray:
    """Line integrals (view, v, u) of the density, e/A^3 times micrometres."""
    volume, alignment = parameters.volume, parameters.alignment
    assert volume is not None and alignment is not None
    angle = alignment.angle + alignment.rotation
    density = volume.electron_density()
    found = project(density, angle, jnp.zeros_like(angle), width=max(density.shape[:2]))
    return np.asarray(found).transpose(0, 2, 1) * pixel_m * 1e6


def _histogram(density: np.ndarray) -> Figure:
    """Inside what looks like the particle; everywhere when nothing does."""
    mask = particle_mask(density)
    return density_histogram_curve(density_histogram(density, mask if mask.any() else np.ones_like(mask)))


def _optics(result: Result) -> Iterator[Drawing]:
    probes = np.asarray(orthogonalise(jnp.asarray(result.parameters.probe.modes)))
    pixel = result.geometry.pixel_size_m
    for k, modes in enumerate(probes):
        yield _numbered("probe_modes", k, len(probes)), lambda m=modes: probe_modes(m, pixel)


def _scan(result: Result) -> Iterator[Drawing]:
    nominal, found = _positions(result)
    yield "scan_positions", lambda: scan_positions(nominal, found, result.geometry.pixel_size_m)


def _flux(result: Result) -> Iterator[Drawing]:
    flux, (nominal, _) = np.asarray(result.parameters.flux), _positions(result)
    if np.ptp(flux) > 1e-5:
        yield "shot_flux", lambda: shot_flux(flux, nominal, result.geometry.pixel_size_m)


def _frames(result: Result) -> Iterator[Drawing]:
    if not {"measured", "predicted"} <= result.images.keys():
        return
    measured, predicted = (
        np.asarray(x, np.float64).reshape(-1, *x.shape[-2:])
        for x in (result.images["measured"], result.images["predicted"])
    )
    numbers = [int(n) for n in result.provenance.get("example_frames", range(len(measured)))]
    mask = np.ones(measured.shape[1:], bool)
    yield "patterns", lambda: patterns(measured, predicted, mask, numbers)


def _loss(result: Result) -> Iterator[Drawing]:
    terms = {k: np.asarray(v, np.float64) for k, v in result.history.items() if k not in NOT_TERMS}
    axis = next((result.history[k] for k in ("epoch", "step") if k in result.history), None)
    if terms and axis is not None and len(axis):
        yield "loss", lambda: loss_curves(np.asarray(axis, np.float64), terms)


def _correlation(result: Result) -> Iterator[Drawing]:
    names = ("frequency", "correlation", "count")
    pixel = float(np.mean(result.geometry.pixel_size_m))
    curve = (
        RingCorrelation(*(np.asarray(result.frc[k]) for k in names))
        if set(names) <= result.frc.keys()
        else None
    )
    truth = result.images.get("correlation_with_truth")
    truth = None if truth is None else RingCorrelation(*np.asarray(truth, np.float64))
    if result.parameters.volume is not None:
        if curve is not None:
            yield "shell_correlation", lambda: shell_correlation_curve(curve, pixel, truth)
    elif curve is not None:
        yield (
            "ring_correlation",
            lambda: ring_correlation_curve(curve, pixel),
        )


def draw(result: Result, folder: Path) -> list[Path]:
    """Draw everything that the result holds into PNG files of `folder` (made if it is missing); the files, in order.

    Example frames are `result.images["measured"]` and `["predicted"]`, (frame, v, u) counts with the beam at the centre and
    negative where not measured; their numbers in the scan are `result.provenance["example_frames"]`.
    The correlation is `result.frc`, as `RingCorrelation.curves` gives it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    parts = (_specimens, _volume, _optics, _frames, _scan, _correlation, _loss, _flux)
    return [save(figure(), folder / f"{name}.png") for part in parts for name, figure in part(result)]
