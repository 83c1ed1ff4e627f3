"""Element maps from the spectra of a fluorescence scan, each detector with its own calibration, response and live time.

Figures: sum spectra with their fit, maps. maps.h5 holds all maps with standard deviations, in counts of a group per second of
live time, all detectors together; area densities would want a standard that was measured alongside.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import equinox as eqx
import jax.numpy as jnp
import numpy as np

from ..classical.emission_fit import fit_amplitudes
from ..classical.fluorescence_spectrum import SCATTER, SMOOTH, Calibrated, calibrated, joint_templates
from ..data.write_maps import write_maps
from ..errors import InputError
from ..figures.canvas import save
from ..figures.element_spectrum import element_spectra, map_grid
from ..fluorescence_maps import FluorescenceMaps
from .task import AbstractTask

SHOWN = 8  # maps in the figure
FEW = 100  # counts that a detector's sum must hold


class FluorescenceMap(AbstractTask):
    """groups: K lines by an element's name, L lines as `La_L`. beam_keV: of the incoming beam; range_keV: what is fitted.

    noise_keV: first guess of the detectors' width at no energy; step_um: between points; None draws no
    scale bar, and the axes of maps.h5 count points.
    """

    data: Any
    groups: tuple[str, ...] = eqx.field(
        converter=tuple, default=("Si", "Ar", "K", "Ca", "Ti", "Mn", "Fe", "Ni", "Cu", "Zn")
    )
    beam_keV: float = 10.0
    range_keV: tuple[float, ...] = eqx.field(converter=tuple, default=(1.5, 10.6))
    noise_keV: float = 0.1
    step_um: float | None = None

    def __call__(self, folder: Path, seed: int) -> dict[str, float | int | None]:
        scan = self.data.read()
        spectra, energy, names = self._measured(scan)
        sums = [s.sum((0, 1)).astype(np.float64) for s in spectra]
        detectors = [
            calibrated(s, energy, self.groups, self.beam_keV, noise_keV=self.noise_keV) for s in sums
        ]
        rate, error, deviance = self._fitted(scan, spectra, detectors)
        units = "counts" if scan.live_time_s is None else "counts/s"
        labels = [name.replace(" ", "_") for name in detectors[0].names]
        maps = {name: (rate[..., k], units) for k, name in enumerate(labels)}
        write_maps(
            folder / "maps.h5",
            maps,
            [self.step_um or 1.0] * 2,
            errors={name: error[..., k] for k, name in enumerate(labels)},
            title=Path(scan.source).name,
        )
        self._figures(folder / "figures", detectors, names, rate, units)
        return _numbers(detectors, names, rate, deviance / (len(detectors) * len(detectors[0].energy_keV)))

    def _measured(self, scan: FluorescenceMaps) -> tuple[Any, Any, Sequence[str]]:
        """(detector, y, x, channel) counts in the range, their first energies, names."""
        if scan.spectra is None:
            raise InputError(
                f"{scan.source}: holds no spectra, only maps; expected a file with `MAPS_RAW` or `mca_arr`."
            )
        if scan.energy_keV is None:
            raise InputError(
                f"{scan.source}: does not say the energy of its channels; give `data.calibration.slope_keV` and "
                "`data.calibration.offset_keV`, or `data.calibration.path`."
            )
        inside = (scan.energy_keV >= self.range_keV[0]) & (scan.energy_keV <= self.range_keV[1])
        spectra = scan.spectra[..., inside]
        if inside.sum() < 50 or any(s.sum() < FEW for s in spectra):
            raise InputError(
                f"{scan.source}: {inside.sum()} channels lie in `range_keV`, with {[int(s.sum()) for s in spectra]} "
                "counts in the detectors; check the calibration."
            )
        return spectra, scan.energy_keV[inside], scan.detectors

    def _fitted(self, scan: FluorescenceMaps, spectra, detectors: Sequence[Calibrated]):
        """Rates and standard deviations (y, x, template), deviance (y, x)."""
        count, y, x, channels = spectra.shape
        live = np.ones((count, y, x)) if scan.live_time_s is None else scan.live_time_s
        points = np.moveaxis(spectra, 0, 2).reshape(y * x, count * channels)
        exposure = np.repeat(np.moveaxis(live, 0, 2).reshape(y * x, count), channels, axis=1)
        templates = np.concatenate(joint_templates(detectors), axis=1)
        found = fit_amplitudes(*(jnp.asarray(v, jnp.float32) for v in (points, exposure, templates)))
        rate, error, deviance = (np.asarray(v, np.float64) for v in found)
        return rate.reshape(y, x, -1), error.reshape(y, x, -1), deviance.reshape(y, x)

    def _figures(self, folder: Path, detectors, names, rate, units: str) -> None:
        parts = [{n: a * s for n, a, s in zip(d.names, d.amplitude, d.shape, strict=True)} for d in detectors]
        figure = element_spectra(
            [d.energy_keV for d in detectors],
            [d.counts for d in detectors],
            parts,
            list(names),
            SCATTER,
            SMOOTH,
        )
        save(figure, folder / "spectra.png")
        order = np.argsort(rate[..., : len(self.groups)].sum((0, 1)))[::-1][:SHOWN]
        step = None if self.step_um is None else self.step_um * 1e-6
        shown = {detectors[0].names[k]: rate[..., k] for k in order}
        save(map_grid(shown, step, units), folder / "maps.png")


def _numbers(detectors, names, rate, deviance) -> dict[str, float | int | None]:
    found: dict[str, float | int | None] = {}
    for k, name in enumerate(detectors[0].names):
        found[f"{name.replace(' ', '_')}_mean"] = round(float(rate[..., k].mean()), 3)
    for name, d in zip(names, detectors, strict=True):
        found[f"{name}_gain_keV"] = round(d.gain_keV, 7)
        found[f"{name}_offset_keV"] = round(d.offset_keV, 5)
        found[f"{name}_fwhm_5.9_keV"] = round(d.fwhm_keV(5.9), 4)
        found[f"{name}_chi2_per_channel"] = round(d.chi2_per_channel, 3)
    return found | {"deviance_per_channel": round(float(deviance.mean()), 4), "points": int(deviance.size)}
