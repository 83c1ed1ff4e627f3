"""From one image of a standard's rings to its cell: the detector's geometry refined, the rings integrated, the pattern fitted.

The standard's own cell goes into the geometry, so that the cell that comes out tests the integration and the model of the
pattern, not the distance: 1e-4 of the one is 1e-4 of the other. Without `calibrant` the geometry is that of the .poni file.
"""

import dataclasses
from pathlib import Path

import equinox as eqx
import numpy as np

from ..classical.whole_pattern_fit import Fitted
from ..data.detector import orient
from ..data.detector_files import measured_pixels
from ..data.detector_image import DetectorImage
from ..data.detector_integration import Setting, cake, report, two_theta_map
from ..data.pattern_checks import finish
from ..data.poni import poni_text
from ..data.powder_text import PowderText
from ..errors import InputError
from ..figures.canvas import save
from ..figures.ring_image import ring_image
from ..patterns import Patterns
from ..storage import write_text_atomically
from .powder_pattern import PowderPattern, texts
from .task import AbstractTask

UNEVEN = 1e-3  # of a step, by which the channels of a reference may differ


class CalibrantImage(AbstractTask):
    """Calibration, integration and fit (see `PowderPattern` for its settings).

    compare: a pattern of the same image by another program (text), on even channels, or None. The comparison is made twice: with
    this run's geometry and mask, and as a program does that takes the .poni as it is, masks nothing and splits pixels.
    """

    data: DetectorImage
    phases: tuple[str, ...] = eqx.field(converter=texts)
    range_deg: tuple[float, ...] | None = None
    profile: str = "pseudo_voigt"
    widths: tuple[str, ...] = eqx.field(converter=texts, default=("u", "v", "w"))
    background_terms: int = 8
    fwhm_deg: float = 0.1
    reach_deg: float = 2.0
    compare: str | None = None

    def fit(self, patterns: Patterns) -> tuple[PowderPattern, Fitted]:
        """Places are free only by the cell: a detector without an axis has no zero."""
        task = PowderPattern(
            self.data,
            self.phases,
            range_deg=self.range_deg,
            spectrum="single",
            profile=self.profile,
            widths=self.widths,
            shifts=(),
            second_line=False,
            axial=False,
            background_terms=self.background_terms,
            fwhm_deg=self.fwhm_deg,
            reach_deg=self.reach_deg,
        )
        return task, task.fit(patterns)

    def __call__(self, folder: Path, seed: int) -> dict[str, float | int | None]:
        setting = self.data.setting()
        raw = self.data.integrated(setting)
        patterns = finish(raw, self.data.wavelength_m, self.data.energy_keV)
        write_text_atomically(folder / "integrated.xye", pattern_text(patterns))
        shape = (setting.masked.shape[0], setting.masked.shape[1])
        write_text_atomically(folder / "geometry.poni", poni_text(setting.poni, shape))
        task, fitted = self.fit(patterns)
        found = task.written(fitted, folder) | report(setting)
        self.draw(setting, fitted, folder)
        return found if self.compare is None else found | self.compared(setting)

    def draw(self, setting: Setting, fitted: Fitted, folder: Path) -> None:
        image = orient(self.data.first(), setting.orientation)
        masked = setting.masked | ~measured_pixels(image)
        rings = np.asarray(fitted.model.centres_deg(fitted.parameters))
        unrolled = cake(setting.poni, image, masked)
        counts = np.where(masked, np.nan, image.astype(float))
        angles = two_theta_map(setting.poni, image.shape)
        save(ring_image(counts, angles, unrolled, rings), folder / "figures/rings.png")

    def compared(self, setting: Setting) -> dict[str, float | int | None]:
        """sum |k y - reference| / sum |reference|, k the best scale, on the reference's channels."""
        reference = PowderText(str(self.compare), wavelength_m=setting.poni.wavelength_m).read()
        x, other = reference.two_theta_deg, reference.counts[0, 0, 0].astype(float)
        step = float(np.mean(np.diff(x)))
        if np.ptp(np.diff(x)) > UNEVEN * step:
            raise InputError(f"`compare`: the channels of {reference.source} are not even.")
        same = {"channels": len(x), "range_deg": (float(x[0] - step / 2), float(x[-1] + step / 2))}
        ours = dataclasses.replace(self.data, **same)
        plain = dataclasses.replace(self.data, **same, splitting="bbox", negative_counts=True, mask=None)
        unmasked = np.zeros_like(setting.masked)
        as_found = dataclasses.replace(setting, poni=setting.start, masked=unmasked)
        return {
            "difference": difference(ours.integrated(setting).counts.ravel(), other),
            "difference_unmasked": difference(plain.integrated(as_found).counts.ravel(), other),
        }


def difference(ours: np.ndarray, reference: np.ndarray) -> float:
    """sum |k y - r| / sum |r| over the channels that both have."""
    some = np.isfinite(ours) & np.isfinite(reference)
    y, r = ours[some], reference[some]
    return float(np.sum(np.abs(y * (y @ r) / (y @ y) - r)) / np.sum(np.abs(r)))


def pattern_text(patterns: Patterns) -> str:
    """Three columns: 2 theta, intensity, standard deviation."""
    assert patterns.variance is not None
    counts, sigma = patterns.counts[0, 0, 0], np.sqrt(patterns.variance[0, 0, 0])
    rows = (f"{x:.6f} {y:.7g} {s:.5g}\n" for x, y, s in zip(patterns.two_theta_deg, counts, sigma) if y >= 0)
    return f"# 2th_deg  wavelength {patterns.wavelength_m} m\n" + "".join(rows)
