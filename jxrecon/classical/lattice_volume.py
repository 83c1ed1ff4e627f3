"""Maps of the lattice in a volume of many slices, some at a time: memory and time per slice are the same however many there are.

A group of neighbouring slices is solved together (`direct_lattice`), smooth along z as well. Beside the slices that it is there
for it holds a few more on either side, `overlap`, so that no slice ends where the specimen does not. All groups have one shape:
what the first compiles serves all.

The middle group goes first, as most of the specimen is there. The others take the scales of its prior, which is then the same
everywhere, and begin with its spectrum of the background and its mixings; they look for no scales, which makes them faster.

Counts are read group by group, from anything that is cut as an array is: an array, a memory map, a dataset of HDF5. Each group
is in a file of its own as soon as it is done, whole or absent. What is there already, of the same counts and settings, is not
done again.
"""

import dataclasses
import hashlib
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from ..errors import InputError
from ..forward.diffraction_tomography import DiffractionTomography
from ..lattice import Lattice
from ..priors.lattice_smoothness import LatticeSmoothness
from ..progress import Progress
from ..sealed import open_sealed, seal, set_attributes, stored_bytes, write_dataset
from ..signals import StopRequest
from ..storage import reserved_hdf5
from .direct_lattice import START, Fitted, Learnt, direct_steps
from .lattice_errors import Maps, readings
from .two_step_lattice import Usual, first_lattice, usual

KIND, VERSION = "jxrecon slices of a lattice", 1
FIGURES = ("wall_s", "cpu_s", "steps", "deviance_per_bin", "freedom")


class Group(NamedTuple):
    """Slices `first` to `stop` are wanted, `begin` to `end` are solved."""

    first: int
    stop: int
    begin: int
    end: int

    def name(self) -> str:
        return f"slices_{self.first:04d}_{self.stop:04d}.h5"


def slice_groups(slices: int, together: int, overlap: int) -> list[Group]:
    """All of one size, the middle one first."""
    size = min(together + 2 * overlap, slices)
    found = []
    for first in range(0, slices, together):
        begin = min(max(first - overlap, 0), slices - size)
        found.append(Group(first, min(first + together, slices), begin, begin + size))
    middle = found.pop(len(found) // 2)
    return [middle, *found]


class Taught(NamedTuple):
    """What the first group teaches the others."""

    usual: Usual
    scales: Float[np.ndarray, " unknown"]

    def arrays(self) -> Maps:
        return {**self.usual._asdict(), "scales": self.scales}

    def learnt(self) -> Learnt:
        return Learnt(self.scales, jnp.asarray(self.usual.area))


Part = tuple[Maps, Taught, dict[str, float]]  # with the figures of a group


@dataclasses.dataclass(frozen=True)
class LatticeVolume:
    """maps: readings (see `lattice_errors`), slices last, not a number where a group is missing. figures: of each group."""

    maps: Maps
    figures: dict[str, dict[str, float]]
    missing: tuple[Group, ...]


def _own(lattice: Lattice, group: Group) -> Lattice:
    """The slices that are wanted."""
    cut = slice(group.first - group.begin, group.stop - group.begin)
    names = ("strain", "log_width", "area", "background", "support")
    kept = {name: getattr(lattice, name) for name in names if getattr(lattice, name) is not None}
    return dataclasses.replace(lattice, **{name: maps[..., cut] for name, maps in kept.items()})


def _fingerprint(model: DiffractionTomography, counts: np.ndarray, group: Group, settings: Any) -> str:
    """Of all that a group follows from; powder, bins and the like by their words."""
    arrays = [x for x in jax.tree.leaves(model) if hasattr(x, "dtype")]
    digest = hashlib.sha256(repr((group, settings, model.powder, model.bins)).encode())
    for array in (counts, *arrays):
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()


def _store(path: Path, mark: str, maps: Maps, taught: Taught, figures: dict[str, float]) -> None:
    arrays = {f"maps/{k}": v for k, v in maps.items()} | {
        f"taught/{k}": v for k, v in taught.arrays().items()
    }
    with reserved_hdf5(path, sum(stored_bytes(v) for v in arrays.values())) as file:
        for name, values in arrays.items():
            write_dataset(file, name, values)
        set_attributes(file, fingerprint=mark, **figures)
        seal(file, KIND, VERSION)


def _stored(path: Path, mark: str) -> Part | None:
    """None where there is nothing, something else or something damaged."""
    try:
        with open_sealed(path, KIND, VERSION) as opened:
            file: Any = opened
            said = dict(file.attrs)
            if bytes(said.pop("fingerprint")).decode() != mark:
                return None
            parts = {kind: {k: v[()] for k, v in file[kind].items()} for kind in ("maps", "taught")}
            own = {k: float(said[k]) for k in FIGURES}
    except (OSError, KeyError, InputError):
        return None
    scalars = {k: parts["taught"][k].reshape(()) for k in ("area", "softness", "floor")}
    known = Usual(mixing=parts["taught"]["mixing"], shape=parts["taught"]["shape"], **scalars)
    return parts["maps"], Taught(known, parts["taught"]["scales"]), own


@dataclasses.dataclass(frozen=True)
class _Task:
    """What all groups have in common."""

    two_theta_deg: Float[np.ndarray, " channel"]
    fwhm_deg: float
    prior: LatticeSmoothness
    seed: int

    def fitted(
        self,
        model: DiffractionTomography,
        counts: Float[np.ndarray, "view v u channel"],
        taught: Taught | None,
        ends: Callable[[int, float], bool],
    ) -> tuple[Fitted, dict[str, float]] | None:
        """None when `ends`, which is told steps and loss per bin, says so."""
        wall, cpu = time.perf_counter(), time.process_time()
        before = (None, None) if taught is None else (taught.usual, taught.learnt())
        start = first_lattice(counts, model, self.two_theta_deg, fwhm_deg=self.fwhm_deg, usual=before[0])
        binned, key = model.binned_counts(counts), jax.random.key(self.seed)
        bins, number = max(int((binned >= 0).sum()), 1), 0
        path = direct_steps(model, binned, start, prior=self.prior, key=key, known=before[1])
        while True:
            try:
                step = next(path)
            except StopIteration as end:
                best: Fitted = end.value
                break
            number += 1
            if ends(number, step.deviance / bins):
                return None
        values = (time.perf_counter() - wall, time.process_time() - cpu, number)
        return best, dict(zip(FIGURES, map(float, (*values, best.deviance / bins, best.freedom))))

    def part(
        self,
        folder: Path,
        group: Group,
        model: DiffractionTomography,
        counts: Float[np.ndarray, "view v u channel"],
        taught: Taught | None,
        ends: Callable[[int, float], bool],
    ) -> Part | None:
        """From its file, or into it."""
        path, mark = folder / group.name(), _fingerprint(model, counts, group, (self, taught))
        part = _stored(path, mark)
        if part is None:
            solved = self.fitted(model, counts, taught, ends)
            if solved is None:
                return None
            fitted, figures = solved
            maps = readings(_own(fitted.lattice, group), model.powder.cell)
            part = maps, taught or Taught(usual(fitted.lattice), fitted.scales), figures
            _store(path, mark, *part)
        return part


def _joined(found: dict[Group, Maps], slices: int) -> Maps:
    maps: Maps = {}
    for group, values in found.items():
        for name, part in values.items():
            whole = maps.setdefault(name, np.full((*part.shape[:-1], slices), np.nan))
            whole[..., group.first : group.stop] = part
    return maps


def lattice_volume(
    folder: Path,
    counts: Any,
    model: Callable[[int, int], DiffractionTomography],
    two_theta_deg: Float[np.ndarray, " channel"],
    *,
    fwhm_deg: float = 0.2,
    together: int = 8,
    overlap: int = 1,
    prior: LatticeSmoothness = START,
    seed: int = 0,
) -> LatticeVolume:
    """Solves what `folder` does not hold yet. counts: `counts[:, begin:end]` are (view, v, u, channel), negative where not
    measured; model(begin, end): of these slices. Ctrl-C and SIGTERM end it after the step that runs: `missing` says what is left.
    """
    slices = counts.shape[1]
    if together < 1 or overlap < 0:
        raise InputError(f"`together` is {together} and `overlap` {overlap}; expected 1 and 0 or more.")
    task = _Task(np.asarray(two_theta_deg, float), fwhm_deg, prior, seed)
    groups, taught, done = slice_groups(slices, together, overlap), None, 0
    found: dict[Group, Maps] = {}
    figures: dict[str, dict[str, float]] = {}
    folder.mkdir(parents=True, exist_ok=True)
    there = sum(g.stop - g.first for g in groups if (folder / g.name()).is_file())
    with StopRequest() as stop, Progress(slices, there, name="slices") as progress:

        def ends(step: int, loss: float) -> bool:
            progress.update(done, step, loss)
            return bool(stop)

        for group in groups:
            cut = np.asarray(counts[:, group.begin : group.end], np.float32)
            part = task.part(folder, group, model(group.begin, group.end), cut, taught, ends)
            if part is None:
                break
            found[group], taught, figures[group.name()] = part
            done += group.stop - group.first
            progress.update(done, 0, part[2]["deviance_per_bin"])
    missing = tuple(group for group in groups if group not in found)
    return LatticeVolume(_joined(found, slices), figures, missing)
