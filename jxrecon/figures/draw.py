"""All the figures that a result can feed, as files."""

from collections.abc import Callable, Iterator
from pathlib import Path

import jax.numpy as jnp
import numpy as np
from matplotlib.figure import Figure

from ..analysis.region import coverage, illuminated
from ..analysis.resolution import RingCorrelation
from ..numerics.modes import orthogonalise
from ..result import Result
from .canvas import save
from .flux import shot_flux
from .loss import loss_curves
from .object import object_amplitude, object_phase
from .pattern import patterns
from .positions import scan_positions
from .probe import probe_modes
from .ring_correlation import ring_correlation_curve

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
    height, width = result.parameters.object.shape[1:]
    return illuminated(coverage(centres, np.sqrt(light).astype(complex), (height, width)))


def _specimens(result: Result) -> Iterator[Drawing]:
    if result.parameters.object is None:
        return
    objects, lit, pixel = np.asarray(result.parameters.object), _lit(result), result.geometry.pixel_size_m
    for k, transmission in enumerate(objects):
        for name, figure in (("object_phase", object_phase), ("object_amplitude", object_amplitude)):
            yield _numbered(name, k, len(objects)), lambda f=figure, t=transmission: f(t, pixel, lit)


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
    if {"frequency", "correlation", "count"} <= result.frc.keys():
        curve = RingCorrelation(*(np.asarray(result.frc[k]) for k in ("frequency", "correlation", "count")))
        yield (
            "ring_correlation",
            lambda: ring_correlation_curve(curve, float(np.mean(result.geometry.pixel_size_m))),
        )


def draw(result: Result, folder: Path) -> list[Path]:
    """Draw everything that the result holds into PNG files of `folder` (made if it is missing); the files, in order.

    Example frames are `result.images["measured"]` and `["predicted"]`, (frame, v, u) counts with the beam at the centre and
    negative where not measured; their numbers in the scan are `result.provenance["example_frames"]`.
    The correlation is `result.frc`, as `RingCorrelation.curves` gives it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    parts = (_specimens, _optics, _frames, _scan, _correlation, _loss, _flux)
    return [save(figure(), folder / f"{name}.png") for part in parts for name, figure in part(result)]
