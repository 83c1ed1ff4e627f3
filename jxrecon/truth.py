"""A finished reconstruction of a simulated tilt series against what is true of it; never seen by the reconstruction itself."""

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np
from jaxtyping import Float

from .analysis.volume_truth import VolumeErrors, alignment_residue, compare_with_truth
from .halves import densities
from .kernels.ray_transform import project
from .parameters import Parameters


@dataclasses.dataclass(frozen=True)
class Truth:
    """Numbers for metrics.json and pictures for the figures; both empty where nothing is known."""

    metrics: dict[str, float] = dataclasses.field(default_factory=dict)
    images: dict[str, np.ndarray] = dataclasses.field(default_factory=dict)


def centroid(probe: np.ndarray) -> Float[np.ndarray, "2"]:
    """Centre (y, x) of the intensity of modes (mode, v, u), from pixel n//2, in pixels."""
    light = np.sum(np.abs(np.asarray(probe, np.complex128)) ** 2, axis=0)
    v, u = (np.arange(n) - n // 2 for n in light.shape)
    return np.array([np.sum(light * v[:, None]), np.sum(light * u)]) / np.sum(light)


def view_means(values: Float[np.ndarray, "scan 2"], view: np.ndarray) -> Float[np.ndarray, "view 2"]:
    """Mean over the frames of every view."""
    count = np.bincount(view)
    return np.stack([np.bincount(view, values[:, k]) / count for k in (0, 1)], axis=1)


def displacement(parameters: Parameters) -> Float[np.ndarray, "view 2"]:
    """How far the specimen lay from the light in each view, (v, u) pixels: shift of the projection less mean correction of the
    positions less the probe's centroid, which are one and the same to the frames."""
    alignment = parameters.alignment
    assert alignment is not None
    view = np.asarray(alignment.view)
    corrections = np.asarray(parameters.positions() - parameters.positions.nominal, np.float64)
    shifts = np.asarray(alignment.shift, np.float64)
    return shifts - view_means(corrections, view) - centroids(parameters, len(shifts))


def centroids(parameters: Parameters, views: int) -> Float[np.ndarray, "view 2"]:
    """The probe's centre in every view, between its knots."""
    knots = np.stack([centroid(modes) for modes in np.asarray(parameters.probe.modes)])
    place = np.linspace(0, len(knots) - 1, views)
    return np.stack([np.interp(place, np.arange(len(knots)), knots[:, k]) for k in (0, 1)], axis=1)


def true_refraction(simulation: Any, density: np.ndarray) -> Float[np.ndarray, "z y x"]:
    """The density that the specimen's material would need for the true phase: glass retards a little more for its electrons."""
    if simulation.capillary is None:
        return density
    glass, energy = simulation.capillary, simulation.energy_keV
    more = glass.material.f1_per_electron(energy) / simulation.material.f1_per_electron(energy) - 1
    return density + more * glass.electron_density(simulation.scene.shape, simulation.scene.voxel_m)


def phase_errors(
    found: Float[np.ndarray, "z y x"], true: Float[np.ndarray, "z y x"], angle: np.ndarray, rate: float
) -> Float[np.ndarray, " view"]:
    """rms difference of the projections' phases at the angles (radians), each without its mean, radians; `rate`: of one e/A^3 in
    a voxel."""
    difference = np.ascontiguousarray((found - true).transpose(1, 2, 0), np.float32)
    width = int(np.ceil(np.hypot(*difference.shape[:2])))
    angle = np.asarray(angle, np.float32)
    lines = np.asarray(project(difference, angle, np.zeros_like(angle), width=width))  # pyright: ignore[reportArgumentType]
    lines = lines[:, (width - difference.shape[1]) // 2 :][:, : difference.shape[1]]
    return rate * lines.std(axis=(1, 2))


def true_displacement(truth: Mapping[str, np.ndarray], parameters: Parameters) -> Float[np.ndarray, "view 2"]:
    """What `displacement` would give for true shifts, positions and probe."""
    assert parameters.alignment is not None
    jitter = truth["positions_true"] - np.asarray(parameters.positions.nominal, np.float64)
    means = view_means(jitter, np.asarray(parameters.alignment.view))
    return truth["projection_shift_true"] - means - centroid(truth["probe_true"])


def compare_finely(volume: Float[np.ndarray, "z y x"], truth: Mapping[str, np.ndarray]) -> VolumeErrors:
    """Errors of a volume against the finest density that a simulation tells."""
    return compare_with_truth(volume, *finest(truth))


def finest(truth: Mapping[str, np.ndarray]) -> tuple[np.ndarray, np.ndarray, int]:
    """The finest density that a simulation tells, the particle on its voxels, and how many times smaller than those of the
    reconstruction they are."""
    true, particle = truth["electron_density_true"], truth["particle_true"]
    fine = truth.get("electron_density_fine_true", true)
    finer = fine.shape[0] // true.shape[0]
    for axis in range(3):
        particle = particle.repeat(finer, axis)
    return fine, particle, finer


def against_truth(reader: Any, parameters: Parameters) -> Truth:
    """Errors after removing the gauge, for a reader that simulates a tilt series."""
    if parameters.volume is None or parameters.alignment is None or not hasattr(reader, "truth"):
        return Truth()
    truth = reader.truth()
    if "electron_density_true" not in truth:
        return Truth()
    found, true = displacement(parameters), true_displacement(truth, parameters)
    residue = alignment_residue(found, true, np.asarray(parameters.alignment.angle, np.float64))
    compared = compare_finely(densities(parameters), truth)
    names = {
        "density_mean_error": "density_mean_error_fraction",
        "density_mean_error_inner": "density_mean_error_inner_fraction",
        "density_rmse": "density_rmse_e_per_A3",
        "fsc_truth_voxels": "resolution_truth_voxels",
    }
    errors = {names.get(name, name): value for name, value in compared.metrics().items()}
    simulation = reader.simulation
    rate = simulation.scene.voxel_m * simulation.material.phase_per_density(simulation.energy_keV)
    refraction = true_refraction(simulation, truth["electron_density_true"])
    phases = phase_errors(compared.alignment.volume, refraction, np.asarray(parameters.alignment.angle), rate)
    metrics = {
        "alignment_rms_px": residue.rms_px,
        **errors,
        "phase_rms_rad": float(np.sqrt(np.mean(phases**2))),
        "phase_rms_worst_rad": float(phases.max()),
    }
    curve = compared.correlation
    shells = np.stack([curve.frequency, curve.correlation, curve.count])
    images = {"displacement_found": found, "displacement_true": true, "correlation_with_truth": shells}
    return Truth(metrics, images)
