"""One slice of a diffraction tomogram from its counts to maps with standard errors; kept in a file, so that it is done once.

Two steps for a start (`two_step_lattice`), the direct solution (`direct_lattice`), its errors (`lattice_errors`). Slices do not
know of each other: memory is that of one, however many there are.
"""

import dataclasses
import os
import zipfile
from collections.abc import Callable
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from ..forward.diffraction_tomography import DiffractionTomography
from .angular_fit import fitted_factors
from .direct_lattice import START, Fitted, direct_steps
from .lattice_errors import lattice_errors, readings
from .lattice_newton import expected_counts, voxels_of
from .two_step_lattice import first_lattice

Maps = dict[str, np.ndarray]
Report = Callable[[str, int, float], None]
KINDS = ("start", "value", "noise", "total")


@dataclasses.dataclass(frozen=True)
class LatticeSlice:
    """start, value: readings (see `lattice_errors`) after two steps and in the end, without the axis of slices (`y x`, peaks and
    terms first); noise, total: standard errors of `value`, empty where none were asked for.

    measured, expected: mean counts of each channel or bin per ray. chi2, channels: sum of (y - m)^2 / m, and over how many;
    freedom: parameters that the data decide. figures: loss, steps and their like.
    """

    start: Maps
    value: Maps
    noise: Maps
    total: Maps
    measured: Float[np.ndarray, " bin"]
    expected: Float[np.ndarray, " bin"]
    figures: dict[str, float]


def _flat(maps: Maps) -> Maps:
    return {name: values[..., 0] for name, values in maps.items()}


def _fitted(model, binned, start, key, report: Report) -> Fitted:
    path = direct_steps(model, binned, start, key=key)
    for number in range(1, 1000):
        try:
            report("direct", number, next(path).deviance)
        except StopIteration as end:
            return end.value
    raise AssertionError("the path has no end")


def binned_counts(
    model: DiffractionTomography, counts: Float[np.ndarray, "view v u channel"]
) -> Float[Array, "view v u bin"]:
    """Bins hold what all of their channels hold, or -1 where one of them was not measured."""
    ones = jnp.ones(counts.shape[-1:], jnp.float32)
    whole = model.binned(jnp.asarray(counts >= 0, jnp.float32)) >= model.binned(ones)
    return jnp.where(whole, model.binned(jnp.asarray(counts, jnp.float32)), -1)


def solved_slice(
    model: DiffractionTomography,
    counts: Float[np.ndarray, "view 1 u channel"],
    two_theta_deg: Float[np.ndarray, " channel"],
    *,
    fwhm_deg: float,
    draws: int,
    seed: int,
    report: Report = lambda stage, step, loss: None,
) -> LatticeSlice:
    """Counts negative where not measured; `draws` 0 for no standard errors."""
    cell = model.powder.cell
    start = first_lattice(counts, model, two_theta_deg, fwhm_deg=fwhm_deg)
    binned = binned_counts(model, counts)
    model = model if model.factors is None else fitted_factors(model, start, binned).model
    fitted = _fitted(model, binned, start, jax.random.key(seed), report)
    noise, total = {}, {}
    if draws:
        found = lattice_errors(
            model,
            binned,
            fitted,
            prior=START,
            draws=draws,
            seed=seed,
            progress=lambda done: report("errors", done, fitted.deviance),
        )
        noise, total = _flat(found.noise), _flat(found.total)
    expected = np.asarray(expected_counts(model, voxels_of(model, fitted.lattice)), np.float64)
    y, seen = np.asarray(binned, np.float64), np.asarray(binned >= 0)
    rays = np.maximum(seen.sum(axis=(0, 1, 2)), 1)
    chi2 = np.sum((y - expected) ** 2 / np.maximum(expected, 1e-6), where=seen)
    return LatticeSlice(
        _flat(readings(start, cell)),
        _flat(readings(fitted.lattice, cell)),
        noise,
        total,
        np.sum(y, axis=(0, 1, 2), where=seen) / rays,
        np.sum(expected, axis=(0, 1, 2), where=seen) / rays,
        {
            "chi2": float(chi2),
            "channels": float(seen.sum()),
            "freedom": fitted.freedom,
            "deviance": fitted.deviance,
        },
    )


def store(path: Path, found: LatticeSlice, fingerprint: str) -> None:
    """The file is whole or absent."""
    arrays = {f"{kind}/{name}": v for kind in KINDS for name, v in getattr(found, kind).items()}
    arrays |= {f"figures/{name}": np.asarray(v) for name, v in found.figures.items()}
    temporary = path.with_name(f".{path.name}.{os.getpid()}.npz")
    np.savez(
        temporary,
        fingerprint=np.asarray(fingerprint),
        measured=found.measured,
        expected=found.expected,
        **arrays,  # pyright: ignore[reportArgumentType]
    )
    temporary.replace(path)


def stored(path: Path, fingerprint: str) -> LatticeSlice | None:
    """What `store` wrote for the same question; None where there is nothing, or something else."""
    try:
        with np.load(path, allow_pickle=False) as file:
            if str(file["fingerprint"]) != fingerprint:
                return None
            parts: dict[str, Maps] = {kind: {} for kind in (*KINDS, "figures")}
            for key in file.files:
                kind, _, name = key.partition("/")
                if name:
                    parts[kind][name] = file[key]
            figures = {name: float(v) for name, v in parts.pop("figures").items()}
            return LatticeSlice(
                **parts, measured=file["measured"], expected=file["expected"], figures=figures
            )
    except (OSError, KeyError, ValueError, zipfile.BadZipFile):
        return None
