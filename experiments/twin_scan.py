"""A simulated diffraction scan of the twin as an experimenter has it, ready for direct and for two-step reconstruction.

Known beforehand are the geometry, the monitor, the beam, and the electron density, that of a tomogram on the same voxels, which
absorbs. Air, the usual cell and the axis of rotation are found in the counts (`classical.scan_model`). Two-step methods are
given the same: their counts are freed of air and absorption where they cannot have them in a model.
"""

import dataclasses
from typing import Any

import jax.numpy as jnp
import numpy as np
from core_shell_phantom import Phantom
from jaxtyping import Float

from jxrecon.classical.pattern_emission import pattern_emission
from jxrecon.classical.scan_model import Known, scan_setup
from jxrecon.data.access import Access
from jxrecon.forward.cell import Cell
from jxrecon.forward.diffraction_tomography import DiffractionTomography, ray_patterns
from jxrecon.twin.diffraction_nuisances import DiffractionNuisances
from jxrecon.twin.particle import preset
from jxrecon.twin.scanning_diffraction import DiffractionScan, ScanningDiffraction

NAMES = ("003", "101", "104")
NOMINAL = Cell("trigonal", (2.86, 14.33))
BACKGROUND_TERMS = (
    2  # of the specimen's diffuse scattering; with more, (003) and its background are taken for each other
)
SOLID, WHOLE = 0.3, 0.99  # of the largest total area; share of a voxel: which are scored
# What goes wrong in a careful experiment.
NUISANCES = DiffractionNuisances(
    grains=300.0,
    texture=0.2,
    second_phase=0.02,
    parallax=True,
    displacement_m=1e-6,
    projection_shift=0.1,
    axis_offset=0.4,
    angle_error=0.05,
    monitor_fluctuation=0.02,
    monitor_error=0.003,
)
SMALL: dict[str, Any] = {"finer": 3, "step_m": 0.12e-6, "beam_m": 0.24e-6, "two_theta": (7.5, 21.5, 0.04)}


def simulation(state: str, fast: bool = False, **fields) -> ScanningDiffraction:
    """The middle slice of the preset `mid`, or a particle of a few voxels."""
    particle: Any = preset("tiny" if fast else "mid", state=state)
    return ScanningDiffraction(**{"particle": particle, **(SMALL if fast else {}), **fields})


def measured_again(scan: DiffractionScan, seed: int) -> Float[np.ndarray, "view v u channel"]:
    """Counts of the same particle with other noise; seed 0 are the first."""
    if seed == 0:
        return np.asarray(scan.patterns.counts)
    return np.random.default_rng([seed, 4]).poisson(scan.expected).astype(np.float32)


@dataclasses.dataclass(frozen=True)
class Prepared:
    """model: with everything that is known; phantom: truth, and what two-step methods take."""

    counts: Float[np.ndarray, "view v u channel"]
    model: DiffractionTomography
    fwhm_deg: float
    phantom: Phantom


def _freed(counts, model: DiffractionTomography) -> Float[np.ndarray, "view u channel"]:
    """Without monitor, air and absorption."""
    assert model.absorption is not None and model.around is not None
    depth = ray_patterns(model.absorption[..., None], model.angle, model.shift, counts.shape[2])
    plain = counts / np.asarray(model.monitor)[..., None] - np.asarray(model.around)
    return np.asarray(plain * np.exp(np.asarray(depth)), np.float32)[:, 0]


def prepared(
    scan: DiffractionScan, setup: ScanningDiffraction, counts, like: Prepared | None = None
) -> Prepared:
    """From one measurement of one slice. Peaks are counted from the cell of `like`, so that nothing is compiled again."""
    maps = {name: values[0] for name, values in scan.maps.items()}
    nuisances = setup.nuisances
    moves = nuisances.projection_shift or nuisances.axis_offset
    known = Known(
        "R-3m",
        NOMINAL,
        NAMES,
        distance_m=setup.distance_m if nuisances.parallax else None,
        alignment="views" if moves else "axis",
        background_terms=BACKGROUND_TERMS,
    )
    found = scan_setup(dataclasses.replace(scan.patterns, counts=counts), known, Access())
    model = dataclasses.replace(found, attenuation=maps["attenuation_per_m"][None] * setup.step_m).model(0)
    if like is not None:
        model = dataclasses.replace(model, powder=like.model.powder, bins=like.model.bins)
    area = np.stack([maps[f"area_{name}"] for name in NAMES])
    total = area.sum(axis=0)
    phantom = Phantom(
        counts=_freed(counts, model),
        angle=found.angle_rad,
        two_theta_deg=found.two_theta_deg,
        a=maps["a_angstrom"],
        c=maps["c_angstrom"],
        area=area,
        fwhm_deg=np.stack([maps[f"fwhm_{name}_deg"] for name in NAMES]),
        mask=(maps["inside"] > WHOLE) & (total > SOLID * total.max()),
    )
    return Prepared(counts, model, found.fwhm_deg, phantom)


def channels_of(case: Prepared, beam: bool, iterations: int = 30) -> Float[np.ndarray, "y x channel"]:
    """MLEM of every channel, with or without the beam in its model."""
    model = case.model if beam else dataclasses.replace(case.model, beam=None)
    return np.asarray(pattern_emission(jnp.asarray(case.counts, jnp.float32), model, iterations))[:, :, 0]
