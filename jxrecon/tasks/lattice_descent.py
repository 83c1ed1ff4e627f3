"""One slice of a diffraction tomogram in the common loop: the same unknowns, terms and optimisers as every other reconstruction.

After two steps for a start, the objective of `patterns` (photon noise of all counts) and of the priors that `terms` names is
minimised by the optimisers that the config names, `lattice` or parts of it, and, where `terms` is nothing but one
`lattice_smoothness`, by Gauss-Newton steps (`classical.smooth_lattice`): both have to reach the same. Slower than
experiment=diffraction_tomography, which learns its smoothness and knows its errors, but any term may join.

maps.h5: cell, widths and areas of both; figures: the cell of both with their difference, and the loss.
"""

from pathlib import Path

import equinox as eqx
import jax
import numpy as np

from ..batches import Batches
from ..classical.lattice_errors import readings
from ..classical.lattice_slice import binned_counts
from ..classical.scan_model import Known, ScanSetup, scan_setup
from ..classical.smooth_lattice import smooth_steps, unknowns_of, value_of
from ..classical.two_step_lattice import first_lattice
from ..data.pattern_reader import AbstractPatternReader
from ..data.write_maps import write_maps
from ..errors import InputError
from ..figures.canvas import save
from ..figures.lattice_tomography import lattice_rows
from ..figures.loss import loss_curves
from ..forward.pattern_misfit import PatternMisfit
from ..forward.reflections import indices_of, reflection_name
from ..lattice import Lattice
from ..objective import AbstractTerm, Objective
from ..optimise import fit
from ..optimisers import Optimisers, flattened
from ..priors.lattice_smoothness import LatticeSmoothness
from ..progress import Progress
from .lattice_outcome import matter
from .powder_pattern import read_phase, texts
from .task import AbstractTask


class LatticeDescent(AbstractTask):
    """phase, peaks, range_deg, fwhm_deg, search_deg, air_rays: as in `diffraction_tomography`; slice: its number from 0.

    terms: priors by their names, beside `patterns`. optimisers: by the beginning of an unknown's dotted name, `lattice` or
    `lattice.strain` and so on; epochs: steps of theirs, each of which sees all counts.
    """

    data: AbstractPatternReader
    phase: str
    peaks: tuple[str, ...] = eqx.field(converter=texts)
    terms: dict[str, AbstractTerm] = eqx.field(default_factory=dict)
    optimisers: Optimisers = eqx.field(default_factory=dict)
    epochs: int = 400
    slice: int = 0
    range_deg: tuple[float, ...] | None = None
    fwhm_deg: float = eqx.field(converter=float, default=0.2)
    search_deg: float = eqx.field(converter=float, default=0.7)
    air_rays: int = 1

    def __check_init__(self):
        if not flattened(self.optimisers):
            raise InputError("`optimisers` names nothing, so nothing could change; name `lattice`.")
        if "patterns" in self.terms:
            raise InputError("`terms.patterns` is the name of what the counts say; call the prior otherwise.")

    def scan(self) -> ScanSetup:
        patterns = self.data.read()
        if not 0 <= self.slice < patterns.counts.shape[1]:
            raise InputError(
                f"`slice` is {self.slice}; {patterns.source} holds {patterns.counts.shape[1]}, from 0."
            )
        group, cell = read_phase(self.phase)[1:]
        names = tuple(reflection_name(indices_of(peak)) for peak in self.peaks)
        same = {n: getattr(self, n) for n in ("range_deg", "fwhm_deg", "search_deg", "air_rays")}
        return scan_setup(patterns, Known(group, cell, names, **same), self.data.access)

    def __call__(self, folder: Path, seed: int) -> dict[str, float | int | None]:
        scan, at = self.scan(), self.slice
        model, counts = scan.model(at), scan.counts[:, at : at + 1]
        start = first_lattice(counts, model, scan.two_theta_deg, fwhm_deg=scan.fwhm_deg)
        binned = binned_counts(model, counts)
        objective = Objective({"patterns": PatternMisfit(model=model, counts=binned), **self.terms})
        found, values = self._descended(objective, start)
        maps = {"loop": readings(found, scan.cell)}
        metrics: dict[str, float | int | None] = {
            f"nats_{name}": round(float(v[-1]), 3) for name, v in values.items()
        }
        metrics["nats_at_start"] = round(float(value_of(objective, unknowns_of(start))), 3)
        alone = list(self.terms.values())
        if len(alone) == 1 and isinstance(alone[0], LatticeSmoothness):
            *_, direct = smooth_steps(model, binned, start, alone[0], key=jax.random.key(seed))
            maps["gauss_newton"] = readings(direct.lattice, scan.cell)
            metrics["nats_gauss_newton"] = round(direct.objective, 3)
            metrics["nats_above_gauss_newton"] = round(float(values["total"][-1]) - direct.objective, 3)
        metrics |= _written(folder, scan, maps)
        epochs = np.arange(1, len(values["total"]) + 1)
        save(loss_curves(epochs, values), folder / "figures" / "loss.png")
        return metrics

    def _descended(self, objective: Objective, start: Lattice) -> tuple[Lattice, dict[str, np.ndarray]]:
        parameters, values = unknowns_of(start), []
        steps = fit(objective, parameters, Batches({}), flattened(self.optimisers), epochs=self.epochs)
        with Progress(self.epochs) as progress:
            for state in steps:
                parameters = state.parameters
                values.append(state.values)
                progress.update(state.epoch, state.epoch, float(state.values["total"][-1]))
        assert parameters.lattice is not None
        return parameters.lattice, {name: np.concatenate([v[name] for v in values]) for name in values[0]}


def _written(folder: Path, scan: ScanSetup, maps: dict[str, dict[str, np.ndarray]]):
    """maps.h5 and the figure; means over voxels with matter, and how far both ways differ."""
    inside = matter(maps["loop"]["area"].sum(axis=0)[..., 0])
    stored: dict[str, tuple[np.ndarray, str]] = {}
    metrics: dict[str, float] = {"voxels": int(inside.sum())}
    for how, read in maps.items():
        for name in (*scan.cell.free, "volume"):
            stored[f"{name}_{how}"] = np.where(inside, read[name][..., 0], np.nan), _unit(name)
            metrics[f"{name}_mean_{how}"] = round(float(read[name][..., 0][inside].mean()), 6)
        for k, peak in enumerate(scan.names):
            stored[f"fwhm_{peak}_{how}"] = np.where(inside, read["fwhm_deg"][k, ..., 0], np.nan), "deg"
            stored[f"area_{peak}_{how}"] = read["area"][k, ..., 0], "counts deg"
    step = None if scan.step_m is None else [scan.step_m * 1e6] * 2
    write_maps(folder / "maps.h5", stored, step, title="lattice of a slice")
    names = [*scan.cell.free, "volume"]
    shown = {name: stored[f"{name}_loop"] for name in names}
    other = {name: stored[f"{name}_gauss_newton"][0] for name in names if f"{name}_gauss_newton" in stored}
    for name, values in other.items():
        off = (shown[name][0] - values)[inside]
        metrics[f"{name}_difference_rms"] = round(float(np.sqrt(np.mean(off**2))), 7)
    save(lattice_rows(shown, {}, other, scan.step_m, "Gauss-Newton"), folder / "figures" / "cell.png")
    return metrics


def _unit(name: str) -> str:
    return {"volume": "angstrom^3", **dict.fromkeys(("a", "b", "c"), "angstrom")}.get(name, "deg")
