"""What a run is made of, and what `fit` takes: config -> data -> bound objective -> first guess -> batches.

job = config.build(cfg, Reconstruction)
pieces = prepare(job)
for state in pieces.fit():
    ...                             # the loop belongs to its caller
"""

import dataclasses
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Literal

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from .batches import Batches
from .data.reader import AbstractReader
from .errors import InputError
from .geometry import Geometry
from .initial.first_guess import AbstractInitial
from .measurement import Measurement
from .objective import DataTerm, Objective
from .optimise import FitState, fit, group
from .optimisers import AbstractOptimiser, flattened
from .parameters import Morphology, Parameters
from .projections import AbstractProjection

MOST_EPOCHS = 10_000_000  # steps are counted in 32 bits on the device


class Reconstruction(eqx.Module):
    """Everything that a run is made of: the root of the config.

    data: one reader, or one for each measurement by its name. optimisers: by the beginning of a parameter's dotted name,
    nested or not; None freezes. batch_size: frames per step, None for a choice that suits the scan; views_per_step: views of
    a step, of which each has its own `batch_size` frames. morphology: first values of what priors of a solid share. halves:
    reconstruct two halves of the scan (or of the angles) afterwards, for the resolution.
    """

    data: AbstractReader | dict[str, AbstractReader]
    initial: AbstractInitial
    objective: Objective
    optimisers: dict[str, AbstractOptimiser | dict[str, AbstractOptimiser | None] | None]
    projections: dict[str, AbstractProjection | None] = eqx.field(default_factory=dict)
    name: str = "reconstruction"
    epochs: int = 100
    batch_size: int | None = 16
    views_per_step: int = 1
    order: Literal["random", "compact"] = "random"
    held_out: float = 0.0
    seed: int = 0
    precision: Literal["float32", "float64"] = "float32"
    devices: int = 1
    resident_gib: float = 4.0
    save_every_s: float = 60.0
    morphology: Morphology | None = None
    halves: bool = True

    def __check_init__(self):
        if not re.fullmatch(r"\w[\w.+-]*", self.name):
            raise ValueError(f"`name` is {self.name!r}; it names a folder: letters, digits and `_.+-` only.")
        if not 0 <= self.epochs <= MOST_EPOCHS:
            raise ValueError(f"`epochs` is {self.epochs}; expected 0 to {MOST_EPOCHS}.")
        if self.seed < 0:
            raise ValueError(f"`seed` is {self.seed}; expected 0 or more.")
        if self.batch_size is not None and self.batch_size < 1:
            raise ValueError(f"`batch_size` is {self.batch_size}; expected 1 or more, or null.")
        if self.views_per_step < 1:
            raise ValueError(f"`views_per_step` is {self.views_per_step}; expected 1 or more.")
        if not self.resident_gib > 0:
            raise ValueError(f"`resident_gib` is {self.resident_gib}; expected more than 0.")
        if not 0 <= self.held_out <= 0.5:
            raise ValueError(
                f"`held_out` is {self.held_out}; expected a fraction from 0 to 0.5 (1/2, 1/3, 1/4, ...)."
            )
        if not self.free():
            raise ValueError(
                "`optimisers` names no parameter, so nothing could change; name at least `object`."
            )

    def free(self) -> dict[str, AbstractOptimiser]:
        """Dotted name -> optimiser of everything that is not frozen."""
        return flattened(self.optimisers)


@dataclasses.dataclass(frozen=True)
class Pieces:
    """What `fit` takes, made from a `Reconstruction` and its data."""

    job: Reconstruction
    measurements: dict[str, tuple[Geometry, Measurement]]
    objective: Objective
    parameters: Parameters
    batches: Batches

    def fit(self, state: FitState | None = None) -> Iterator[FitState]:
        """States after every chunk, from the first guess or from `state`."""
        projections = [p for p in self.job.projections.values() if p is not None]
        return fit(
            self.objective,
            self.parameters,
            self.batches,
            self.job.free(),
            epochs=self.job.epochs,
            projections=projections,
            state=state,
        )


def read(job: Reconstruction) -> dict[str, tuple[Geometry, Measurement]]:
    """Measurements by name; a single reader serves the one measurement that the objective names."""
    if isinstance(job.data, dict):
        return {name: reader.read() for name, reader in job.data.items()}
    names = sorted({t.measurement for t in job.objective.terms.values() if isinstance(t, DataTerm)})
    if len(names) != 1:
        raise InputError(f"`data` is one file, but the terms of `objective` name the measurements {names}.")
    return {names[0]: job.data.read()}


def prepare(job: Reconstruction, choose: Callable[[Measurement], Measurement] | None = None) -> Pieces:
    """Read the data, bind the models to it and make the first guess; `choose` may take some of the frames."""
    measurements = read(job)
    if choose is not None:
        measurements = {name: (geometry, choose(m)) for name, (geometry, m) in measurements.items()}
    objective = job.objective.bind(measurements)
    parameters = first_guess(job, objective, measurements)
    group(parameters, list(job.free()))  # names what is no parameter before anything is written
    return Pieces(job, measurements, objective, parameters, batches_of(job, measurements))


def batches_of(job: Reconstruction, measurements: dict[str, tuple[Geometry, Measurement]]) -> Batches:
    """Batches with the settings of a job."""
    return Batches(
        measurements,
        batch_size=job.batch_size or suitable_batch(measurements),
        views_per_step=job.views_per_step,
        order=job.order,
        seed=job.seed,
        devices=job.devices,
        held_out=job.held_out,
        resident_gib=job.resident_gib,
        dtype=np.float64 if job.precision == "float64" else np.float32,
    )


def first_guess(
    job: Reconstruction, objective: Objective, measurements: Mapping[str, tuple[Geometry, Measurement]]
) -> Parameters:
    """Parameters before the first step, from the first measurement, in the set-up that its bound model asks for."""
    name, (geometry, measurement) = next(iter(measurements.items()))
    models = [t.model for t in objective.terms.values() if isinstance(t, DataTerm) and t.measurement == name]
    wanted = getattr(models[0], "geometry", None) if models else None
    found = job.initial(wanted or geometry, measurement, seed=job.seed)
    if job.morphology is None:
        return found
    shared = jax.tree.map(lambda x: jnp.asarray(x, jnp.result_type(float)), job.morphology)
    return dataclasses.replace(found, morphology=shared)


def suitable_batch(measurements: Mapping[str, tuple[Geometry, Measurement]]) -> int:
    """About thirty steps per epoch, 4 to 64 frames each."""
    most = max(measurement.scan_count for _, measurement in measurements.values())
    return int(np.clip(most // 30, 4, 64))
