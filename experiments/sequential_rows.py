"""The rows of `joint_against_sequential.py`, from the pieces of a run: joint, the paper's chain, the fair chain, the oracle."""

import dataclasses
from collections.abc import Iterator

import jax.numpy as jnp
import numpy as np

from jxrecon.analysis.volume_truth import alignment_residue
from jxrecon.classical.views import moved
from jxrecon.errors import InputError
from jxrecon.forward.projection_misfit import ProjectionMisfit
from jxrecon.halves import densities
from jxrecon.initial.chain import Chain, middle_of
from jxrecon.initial.flat_volume import FlatVolume
from jxrecon.initial.views import Views
from jxrecon.objective import Objective
from jxrecon.optimise import fit
from jxrecon.optimisers import Adam, Optimisers
from jxrecon.parameters import Parameters
from jxrecon.reconstruction import Pieces
from jxrecon.truth import compare_finely, displacement, true_displacement
from jxrecon.twin.projector import project as footprints

CHAIN_EPOCHS = 300  # of the ptychography of single views, a step each: it converges slowly at low frequencies


def last(states: Iterator) -> Parameters:
    """Unknowns after the last epoch."""
    parameters = None
    for state in states:
        parameters = state.parameters
    assert parameters is not None
    return parameters


@dataclasses.dataclass(frozen=True)
class Aligned:
    """Line integrals of the density (view v u), their inverse variances, and where the chain believes the projections lay."""

    path: np.ndarray
    inverse_variance: np.ndarray
    where: np.ndarray


def fitted(pieces: Pieces, aligned: Aligned, free: tuple[str, ...], rounds: int = 2) -> Parameters:
    """Volume, and what else is `free`, that fit the projections with the joint problem's prior, optimisers and steps.

    The variances of projections that went through a chain hold more than the photons' noise. What the fit of a round leaves
    tells by how much, so that the next one weighs data and prior as they deserve.
    """
    start, job = pieces.parameters, pieces.job
    assert start.alignment is not None
    shift = jnp.zeros_like(start.alignment.shift)
    start = dataclasses.replace(start, alignment=dataclasses.replace(start.alignment, shift=shift))
    optimisers = {name: o for name, o in job.free().items() if name in free}
    prior, variance, found = pieces.objective.terms["total_variation"], aligned.inverse_variance, start
    for _ in range(rounds):
        misfit = ProjectionMisfit(
            projections=jnp.asarray(aligned.path, jnp.float32),
            inverse_variance=jnp.asarray(variance, jnp.float32),
        )
        objective = Objective({"projections": misfit, "total_variation": prior})
        found = last(fit(objective, start, pieces.batches, optimisers, epochs=job.epochs))
        excess = 2 * float(misfit(found, {})) / np.count_nonzero(variance)
        variance = variance / max(excess, 1.0)
    return found


def errors(pieces: Pieces, volume: np.ndarray, found: np.ndarray | None) -> dict[str, float]:
    """Density and alignment against the truth."""
    truth = pieces.job.data.truth()  # pyright: ignore[reportAttributeAccessIssue]
    compared = compare_finely(volume, truth).metrics()
    record = {"rmse": compared["density_rmse"], "resolution": compared["fsc_truth_voxels"]}
    record["mean_error"] = compared["density_mean_error"]
    if found is not None:
        assert pieces.parameters.alignment is not None
        angle = np.asarray(pieces.parameters.alignment.angle, np.float64)
        true = true_displacement(truth, pieces.parameters)
        record["alignment_px"] = alignment_residue(found, true, angle).rms_px
    return record


def joint_row(pieces: Pieces) -> dict[str, float]:
    """The whole joint reconstruction."""
    joint = last(pieces.fit())
    return errors(pieces, densities(joint), displacement(joint))


def chain_rows(pieces: Pieces) -> dict[str, dict]:
    """The rows `paper` and `fair`, or why there are none."""
    flat, (geometry, measurement) = pieces.job.initial, next(iter(pieces.measurements.values()))
    assert isinstance(flat, FlatVolume) and pieces.parameters.volume is not None
    chain = Chain(Views(optimisers=chain_optimisers(), epochs=CHAIN_EPOCHS), flat)
    try:
        chained = chain.chained(geometry, measurement)
    except InputError as error:
        return {"failed": {"why": str(error)}}
    found, lag = {}, -chained.aligned.shift
    where = displacement(chained.parameters)
    found["paper"] = errors(pieces, densities(chained.parameters), where)
    size = pieces.parameters.volume.density.shape[0]
    shape = (len(lag), size, size)
    path = middle_of(moved(chained.aligned.path, lag), shape)
    photons = np.maximum(middle_of(moved(chained.photons, lag), shape), 0)
    aligned = Aligned(path, inverse_variance(pieces, photons), where)
    fair = fitted(pieces, aligned, ("volume.density", "alignment.shift"))
    assert fair.alignment is not None
    found["fair"] = errors(pieces, densities(fair), where + np.asarray(fair.alignment.shift))
    return found


def oracle_row(pieces: Pieces, photons: float) -> dict[str, float]:
    """From true, noiseless, aligned projections, weighed as if so many photons had lit every pixel."""
    truth = pieces.job.data.truth()  # pyright: ignore[reportAttributeAccessIssue]
    assert pieces.parameters.alignment is not None
    angle, density = np.asarray(pieces.parameters.alignment.angle), truth["electron_density_true"]
    size = density.shape[0]
    true = np.stack([footprints(density, float(t), 0.0, size) for t in angle])
    variance = inverse_variance(pieces, np.full(true.shape, photons))
    aligned = Aligned(true, variance, np.zeros((len(angle), 2)))
    return errors(pieces, densities(fitted(pieces, aligned, ("volume.density",), rounds=1)), None)


def inverse_variance(pieces: Pieces, photons: np.ndarray) -> np.ndarray:
    """Of line integrals whose pixels were lit by so many photons."""
    model = pieces.objective.terms["ptychography"].model  # pyright: ignore[reportAttributeAccessIssue]
    return 4 * model.phase**2 * photons


def chain_optimisers() -> Optimisers:
    """Of the ptychography of single views, as in configs/initial/views."""
    return {
        "object": Adam(learning_rate=0.05, b2=0.9),
        "probe": {"modes": Adam(learning_rate=0.03, b2=0.9)},
        "positions": {"shift": Adam(learning_rate=0.05, b2=0.9, start=20)},
    }
