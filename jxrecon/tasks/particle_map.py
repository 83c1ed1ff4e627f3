"""Maps of the lattice of a thin specimen from a scan with a fine beam: one pattern, one cell in every point."""

from pathlib import Path

import equinox as eqx
import numpy as np

from ..classical.particle_map import LatticeMap, fit_map, trusted
from ..classical.whole_pattern import Phase, phase_within
from ..data.pattern_reader import AbstractPatternReader
from ..data.write_maps import write_maps
from ..errors import InputError
from ..figures.canvas import save
from ..figures.particle_map import lattice_maps, single_points
from ..forward.reflections import indices_of, reflection_name
from ..storage import write_text_atomically
from .powder_pattern import read_phase, reflection_table, texts
from .task import AbstractTask


class ParticleMap(AbstractTask):
    """The fit of every point of a map.

    phase: `R-3m trigonal 2.87 14.2`, or a built-in name. peaks: reflections to be fitted. range_deg: 2 theta, with room for
    background beside the outermost reflections. half_width_deg: of the window of a reflection, with background_terms polynomials.
    tell: the reflection without which a point is not trusted. colours: reflections whose intensities are red, green, blue.
    """

    data: AbstractPatternReader
    phase: str
    peaks: tuple[str, ...] = eqx.field(converter=texts)
    range_deg: tuple[float, float] = (5.0, 22.4)
    half_width_deg: float = 0.45
    background_terms: int = 3
    fwhm_deg: float = 0.1
    tell: str = "003"
    sigmas: float = 5.0
    colours: tuple[str, ...] = eqx.field(converter=texts, default=("101", "104", "003"))

    def __check_init__(self):
        names = {reflection_name(indices_of(p)) for p in self.peaks}
        for name in (self.tell, *self.colours):
            if name not in names:
                raise InputError(
                    f"`peaks` lacks {name}, which `tell` or `colours` names; it has {', '.join(self.peaks)}."
                )
        if len(self.colours) != 3:
            raise InputError(
                f"`colours` names {len(self.colours)} reflections; expected three: red, green, blue."
            )

    def fit(self) -> tuple[LatticeMap, tuple[int, int], tuple[float, float] | None, np.ndarray]:
        """(fit, (rows, columns), step in metres or None, whether a point is trusted)."""
        patterns = self.data.read()
        if len(patterns.counts) != 1:
            raise InputError(
                f"{patterns.source}: holds {len(patterns.counts)} rotation angles; expected a map at one."
            )
        x = patterns.two_theta_deg
        keep = (x >= self.range_deg[0]) & (x <= self.range_deg[1])
        counts = patterns.counts[0].reshape(-1, len(x))[:, keep].astype(np.float64)
        if not np.any(np.all(counts >= 0, axis=1)):
            raise InputError(
                f"`range_deg`: no point was measured from {self.range_deg[0]:g} to {self.range_deg[1]:g} degrees."
            )
        limits = (float(self.range_deg[0]), float(self.range_deg[1]))
        found = fit_map(
            counts,
            x[keep],
            self._chosen(patterns.wavelength_m, limits),
            patterns.wavelength_m,
            half_width_deg=self.half_width_deg,
            background_terms=self.background_terms,
            fwhm_deg=self.fwhm_deg,
        )
        rows, columns = patterns.counts.shape[1:3]
        return found, (rows, columns), patterns.step_m, trusted(found, self.tell, sigmas=self.sigmas)

    def _chosen(self, wavelength_m: float, limits: tuple[float, float]) -> Phase:
        name, group, cell = read_phase(self.phase)
        if cell.free != ("a", "c"):
            raise InputError(
                f"`phase` is {self.phase!r}; maps are made of cells with the free lengths a and c."
            )
        allowed = phase_within(name, group, cell, wavelength_m, limits)
        wanted = [reflection_name(indices_of(peak)) for peak in self.peaks]
        for peak in wanted:
            if peak not in allowed.names:
                raise InputError(
                    f"`peaks` names {peak}; {group} has, in `range_deg`, {', '.join(allowed.names)}."
                )
        index = [allowed.names.index(peak) for peak in wanted]
        return Phase(name, cell, allowed.hkl[index], tuple(wanted))

    def __call__(self, folder: Path, seed: int) -> dict[str, float | int | None]:
        found, shape, step_m, good = self.fit()
        names = found.mean.model.phases[0].names
        maps, errors = self.maps(found, shape, names)
        step = None if step_m is None else (step_m[0] * 1e6, step_m[1] * 1e6)
        write_maps(folder / "maps.h5", maps, step, errors=errors, title="lattice of a particle")
        write_text_atomically(folder / "reflections_of_the_mean.csv", reflection_table(found.mean))
        colour = np.stack([found.area[:, names.index(name)].reshape(shape) for name in self.colours], axis=-1)
        save(
            lattice_maps(maps, errors, good.reshape(shape), colour, self.colours), folder / "figures/maps.png"
        )
        save(single_points(found, shape, good, self.tell), folder / "figures/single_points.png")
        return self.metrics(found, good)

    def maps(self, found: LatticeMap, shape: tuple[int, int], names: tuple[str, ...]):
        """({name: (values, units)}, {name: standard errors}), for the file and the figure."""
        units = {"a": "angstrom", "c": "angstrom", "volume": "angstrom^3", "zero": "deg"}
        maps = {n: (v.reshape(shape), units.get(n, "deg")) for n, v in found.values.items()}
        errors = {n: e.reshape(shape) for n, e in found.errors.items()}
        for k, name in enumerate(names):
            maps[f"area_{name}"] = found.area[:, k].reshape(shape), "counts deg"
            errors[f"area_{name}"] = found.area_error[:, k].reshape(shape)
        first, other = names.index(self.tell), names.index(self.colours[1])
        with np.errstate(invalid="ignore", divide="ignore"):
            ratio = found.area[:, first] / found.area[:, other]
            relative = [found.area_error[:, k] / found.area[:, k] for k in (first, other)]
            error = np.abs(ratio) * np.hypot(*relative)
        valid = np.isfinite(ratio) & np.isfinite(error)
        name = f"ratio_{self.tell}_{self.colours[1]}"
        maps[name] = np.where(valid, ratio, np.nan).reshape(shape), ""
        errors[name] = np.where(valid, error, np.nan).reshape(shape)
        maps["chi2_reduced"] = found.chi2_reduced.reshape(shape), ""
        return maps, errors

    def metrics(self, found: LatticeMap, good: np.ndarray) -> dict[str, float | int | None]:
        """Unweighted means over the trusted points, their scatter, the mean of their standard errors; the mean pattern's cell."""
        measured = int(np.isfinite(found.chi2_reduced).sum())
        result: dict[str, float | int | None] = {}
        for name, key in (("a", "a_{}_angstrom"), ("c", "c_{}_angstrom"), ("volume", "volume_{}_A3")):
            values, errors = found.values[name][good], found.errors[name][good]
            result[key.format("mean")] = float(values.mean()) if good.any() else None
            result[key.format("scatter")] = float(values.std()) if good.any() else None
            result[key.format("error")] = float(np.median(errors)) if good.any() else None
        cell, _ = found.mean.cell(0)
        result |= {f"{n}_of_mean_pattern_angstrom": cell[n] for n in ("a", "c")}
        result["chi2_reduced"] = float(np.median(found.chi2_reduced[good])) if good.any() else None
        result["zero_mean_deg"] = float(found.values["zero"][good].mean()) if good.any() else None
        result["correlated_channels"] = float(np.median(found.correlated[good])) if good.any() else None
        result["relative_noise"] = found.relative_noise
        return result | {"points": measured, "points_trusted": int(good.sum())}
