"""Maps of the lattice from a diffraction tomogram, slice by slice: two steps, then directly, with standard errors.

maps.h5: cell, widths, areas and background of every voxel; `data_errors` are what photon noise does to them, maps named
`..._total_error` include what the prior cannot know (see `classical.lattice_errors`). Figures: the middle slice, and its mean
pattern with fit and residual. slices/ holds every slice as it is done; a run that died is gone on with by `task.earlier`.
"""

import dataclasses
import hashlib
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

import equinox as eqx
import numpy as np

from ..classical.lattice_slice import LatticeSlice, solved_slice, store, stored
from ..classical.scan_model import Known, ScanSetup, scan_setup
from ..data.pattern_reader import AbstractPatternReader, number_or_none
from ..data.write_maps import write_maps
from ..errors import InputError
from ..figures.canvas import save
from ..figures.lattice_tomography import lattice_rows, mean_pattern_fit
from ..forward.reflections import indices_of, reflection_name
from ..patterns import Patterns
from ..progress import Progress
from .lattice_outcome import against_truth, as_maps, numbers, truth_of
from .powder_pattern import read_phase, texts
from .task import AbstractTask

MOST_VIEWS_FEW = 8  # fewer views are no tomogram


class DiffractionTomography(AbstractTask):
    """phase: `R-3m trigonal 2.86 14.33`, a first guess of the cell, or a built-in name. peaks: reflections that are fitted.

    range_deg: 2 theta that is used; near_deg: of a peak, where channels are not taken together; reach_deg: how far a peak goes.
    fwhm_deg, search_deg: first guess of widths, and how far peaks may be off. beam_m: its width at half maximum; None: as the
    file says, else one step. distance_m: of the detector, for the parallax; None for none. attenuation: `FILE.h5:/dataset`, 1/m
    on the voxels `z y x`. air_rays: on either side that miss the specimen; 0 for no air. alignment: whether each view has a
    shift, or all have one (`axis`), or `none`. background_terms: of the logarithm of its spectrum. factors: what reflections
    are stronger by in some views: nothing, two waves of the angle each, or a texture about the radius
    (`forward.angular_factors`). draws: for the standard errors, 0 for none. earlier: folder of a run whose finished slices are
    taken over.
    """

    data: AbstractPatternReader
    phase: str
    peaks: tuple[str, ...] = eqx.field(converter=texts)
    range_deg: tuple[float, ...] | None = None
    near_deg: float = eqx.field(converter=float, default=0.8)
    reach_deg: float = eqx.field(converter=float, default=4.0)
    fwhm_deg: float = eqx.field(converter=float, default=0.2)
    search_deg: float = eqx.field(converter=float, default=0.7)
    beam_m: float | None = eqx.field(converter=number_or_none, default=None)
    distance_m: float | None = eqx.field(converter=number_or_none, default=None)
    attenuation: str | None = None
    air_rays: int = 1
    alignment: Literal["views", "axis", "none"] = "axis"
    background_terms: int = 3
    factors: Literal["none", "waves", "radial"] = "none"
    draws: int = 16
    earlier: str | None = None

    def __check_init__(self):
        for name, least in (("air_rays", 0), ("draws", 0), ("background_terms", 1)):
            if getattr(self, name) < least:
                raise InputError(f"`{name}` is {getattr(self, name)}; expected {least} or more.")
        if self.alignment not in ("views", "axis", "none"):
            raise InputError(f"`alignment` is {self.alignment!r}; expected views, axis or none.")
        if self.factors not in ("none", "waves", "radial"):
            raise InputError(f"`factors` is {self.factors!r}; expected none, waves or radial.")

    def setup(self, patterns: Patterns) -> ScanSetup:
        """What is known of the scan before any slice is looked at."""
        views = len(patterns.counts)
        if views < MOST_VIEWS_FEW:
            raise InputError(
                f"{patterns.source}: holds {views} rotation angles; expected a tomogram of {MOST_VIEWS_FEW} or more "
                "(a map at one angle: experiment=particle_map)."
            )
        group, cell = read_phase(self.phase)[1:]
        own = {f.name for f in dataclasses.fields(Known)} - {"group", "cell", "peaks"}
        names = tuple(reflection_name(indices_of(peak)) for peak in self.peaks)
        known = Known(group, cell, names, **{name: getattr(self, name) for name in own})
        return scan_setup(patterns, known, self.data.access)

    def __call__(self, folder: Path, seed: int) -> dict[str, float | int | None]:
        began = time.process_time()
        patterns = self.data.read()
        scan = self.setup(patterns)
        found = self.slices(scan, folder / "slices", seed)
        maps, errors = as_maps(found, scan)
        step = patterns.step_m
        voxel_um = None if step is None else [step[0] * 1e6, step[1] * 1e6, step[1] * 1e6]
        write_maps(folder / "maps.h5", maps, voxel_um, errors=errors, title="lattice of a tomogram")
        truth = truth_of(self.data, maps["a"][0].shape, scan.names)
        self.figures(folder / "figures", found, scan, maps, errors, truth)
        result = numbers(found, scan, maps, errors)
        result |= against_truth(maps, errors, truth)
        return result | {"cpu_seconds": round(time.process_time() - began, 1)}

    def slices(self, scan: ScanSetup, folder: Path, seed: int) -> list[LatticeSlice]:
        """All of them, done or taken over."""
        folder.mkdir(exist_ok=True)
        found = []
        with Progress(scan.slices, name="slices") as progress:
            for number in range(scan.slices):
                name = f"{number:03d}.npz"
                mark = self.fingerprint(scan, number, seed)
                done = None if self.earlier is None else stored(Path(self.earlier) / "slices" / name, mark)
                if done is None:
                    done = solved_slice(
                        scan.model(number),
                        scan.counts[:, number : number + 1],
                        scan.two_theta_deg,
                        fwhm_deg=scan.fwhm_deg,
                        draws=self.draws,
                        seed=seed,
                        report=lambda stage, step, loss, at=number: progress.update(at, step, loss),
                    )
                store(folder / name, done, mark)
                found.append(done)
                progress.update(number + 1, 0, done.figures["deviance"])
        return found

    def fingerprint(self, scan: ScanSetup, number: int, seed: int) -> str:
        """Of everything that a slice follows from."""
        settings = {k: v for k, v in vars(self).items() if k not in ("data", "earlier")}
        text = repr((sorted(settings.items()), seed, number, scan.cell, scan.fwhm_deg))
        parts = [scan.counts[:, number], scan.monitor[:, number], scan.shift, scan.air, scan.two_theta_deg]
        digest = hashlib.sha256(text.encode())
        for part in parts:
            digest.update(np.ascontiguousarray(part).tobytes())
        return digest.hexdigest()

    def figures(
        self,
        folder: Path,
        found: list[LatticeSlice],
        scan: ScanSetup,
        maps: Mapping[str, tuple[np.ndarray, str]],
        errors: Mapping[str, np.ndarray],
        truth: Mapping[str, np.ndarray],
    ) -> None:
        folder.mkdir(exist_ok=True)
        middle = scan.slices // 2
        groups = {
            "cell": [*scan.cell.free, "volume"],
            "widths": [f"fwhm_{name}" for name in scan.names],
            "areas": [f"area_{name}" for name in scan.names],
        }
        for title, names in groups.items():
            columns = {name: (maps[name][0][middle], maps[name][1]) for name in names}
            beside = {name: errors[name][middle] for name in names if name in errors}
            right = {name: truth[name][middle] for name in names if name in truth}
            save(lattice_rows(columns, beside, right, scan.step_m), folder / f"{title}.png")
        here = found[middle]
        centres = scan.model(middle).powder.reference_deg
        save(
            mean_pattern_fit(
                scan.bin_deg(), scan.bin_sizes(), here.measured, here.expected, centres, scan.names
            ),
            folder / "pattern.png",
        )
