"""Patterns from images of an area detector, integrated over the azimuth by pyFAI (extra `xrd`).

    I(2 theta) = sum_pixels N / sum_pixels (P Omega),       variance = sum N / (sum P Omega)^2

N counts, P the polarisation's factor, Omega the solid angle of a pixel relative to that at normal incidence. Every image is a
row (v) of one view, or a point of a scan with `shape`. The geometry comes from a .poni file, or from scratch by way of a
standard's rings, and is refined on these where `calibrant` names the standard (see `ring_calibration`).

Pixels are not split between channels unless `splitting` says so: every count then stands in one channel, so that channels are
independent of each other. Whether the file's rows run the other way than the .poni thinks (programs differ) is tried: the right
way is the one with the sharpest rings.
"""

import dataclasses
import logging
import os
import sys
from typing import Any

import equinox as eqx
import numpy as np
from jaxtyping import Shaped

from ..errors import InputError
from .access import Access
from .detector import orient
from .detector_files import ENDINGS, first_image, images_of, measured_pixels, read_mask
from .detector_integration import Setting, azimuthal_mean, integrator, report, sharpest
from .pattern_checks import RawPatterns
from .pattern_files import files_of
from .pattern_reader import AbstractPatternReader, number_or_none
from .poni import Poni, demand_pyfai, read_poni
from .rays import arranged, scan_shape, whole_numbers
from .ring_calibration import Calibrated, calibrated, first_geometry, standard
from .units import wavelength_of_keV

_log = logging.getLogger(__name__)
SPLITTING = ("no", "bbox", "full")


class DetectorImage(AbstractPatternReader):
    """Reads an image, a file of several, a folder or a pattern (`*`).

    poni: None takes the .poni of the image's name if there is one. calibrant: CeO2, LaB6, Al2O3, Si or another of pyFAI's
    names, to refine the geometry on the rings of `calibration` (an image; None: the first of the data). distance_m (within 30
    %), pixel_m: without a .poni. mask: an image that is zero where a pixel counts. channels: None takes two for a pixel of the
    radius; range_deg: of 2 theta. polarisation: (horizontal - vertical) / sum, None for no correction. orientation: as in
    `detector.orient`, None tries. negative_counts: negative pixels count as they are (for comparison with programs that do so).
    """

    path: str
    wavelength_m: float | None = eqx.field(converter=number_or_none, default=None)
    energy_keV: float | None = eqx.field(converter=number_or_none, default=None)
    poni: str | None = None
    calibrant: str | None = None
    calibration: str | None = None
    distance_m: float | None = eqx.field(converter=number_or_none, default=None)
    pixel_m: float | None = eqx.field(converter=number_or_none, default=None)
    mask: str | None = None
    channels: int | None = None
    range_deg: tuple[float, ...] | None = None
    polarisation: float | None = eqx.field(converter=number_or_none, default=0.99)
    splitting: str = "no"
    orientation: int | None = None
    negative_counts: bool = False
    shape: tuple[int, ...] | None = eqx.field(converter=whole_numbers, default=None)
    serpentine: bool = False
    access: Access = Access()

    def __check_init__(self):
        if self.splitting not in SPLITTING:
            raise InputError(f"`splitting` is {self.splitting!r}; expected one of {', '.join(SPLITTING)}.")
        if self.orientation is not None and self.orientation not in range(8):
            raise InputError(f"`orientation` is {self.orientation}; expected 0 to 7, or null.")
        if self.polarisation is not None and not -1 <= self.polarisation <= 1:
            raise InputError(f"`polarisation` is {self.polarisation:g}; expected -1 to 1, or null.")

    def files(self) -> list[str]:
        return files_of(self.source, ENDINGS)

    def first(self) -> Shaped[np.ndarray, "row column"]:
        """The image on which the geometry is refined and the orientation tried."""
        name = self.files()[0] if self.calibration is None else os.path.abspath(self.calibration)
        return first_image(name, self.access.max_array_gib)

    def given_poni(self) -> Poni | None:
        """Of the file that the user names, or of that beside the image; the user's wavelength goes over the file's."""
        path = self.poni or os.path.splitext(self.files()[0])[0] + ".poni"
        if self.poni is None and not os.path.exists(path):
            return None
        found = read_poni(os.path.abspath(os.path.expanduser(path)))
        wavelength = self.given_wavelength() or found.wavelength_m
        if wavelength is None:
            raise InputError(
                f"{path}: does not say its wavelength; give `wavelength_m` (metres) or `energy_keV`."
            )
        return dataclasses.replace(found, wavelength_m=wavelength)

    def given_wavelength(self) -> float | None:
        if self.wavelength_m is None and self.energy_keV is not None:
            return wavelength_of_keV(self.energy_keV)
        return self.wavelength_m

    def setting(self) -> Setting:
        """Geometry, orientation and mask, refined where a standard is named."""
        demand_pyfai()
        image, poni = self.first(), self.given_poni()
        counts = (
            np.ones(image.shape, bool)
            if self.mask is None
            else read_mask(self.mask, image.shape, self.access.max_array_gib)
        )
        masked = ~(measured_pixels(image) & counts)
        if masked.all():
            raise InputError(f"{self.source}: no pixel of the image was measured.")
        turned = self.orientation or 0
        if poni is not None and self.orientation is None:
            turned = sharpest(image, masked, poni)
            if turned:
                _log.warning("%s: laid as `orientation=%d`, where its rings are sharp.", self.source, turned)
        start, found = poni, None
        if poni is None or self.calibrant is not None:
            start, found = self._refined(orient(image, turned), orient(masked, turned), poni)
        assert start is not None
        used = start if found is None else found.poni
        return Setting(used, start, turned, orient(~counts, turned).copy(), found)

    def _refined(self, image, masked, poni: Poni | None) -> tuple[Poni, Calibrated]:
        if self.calibrant is None:
            raise InputError(
                f"{self.source}: has no .poni file beside it; give `poni`, or `calibrant`, `distance_m`, `pixel_m` and "
                "`energy_keV` to find the geometry from the rings of a standard."
            )
        wavelength = self.given_wavelength() if poni is None else poni.wavelength_m
        if wavelength is None or (poni is None and (self.distance_m is None or self.pixel_m is None)):
            raise InputError(
                f"{self.source}: without a .poni file give `distance_m` (within 30 %), `pixel_m` and `energy_keV`."
            )
        measured, known = ~masked.copy(), standard(self.calibrant, wavelength)
        values = np.where(measured, image, 0).astype(np.float64)
        start = poni or first_geometry(
            values, measured, known, self.distance_m or 0.0, self.pixel_m or 0.0, wavelength
        )
        try:
            return start, calibrated(values, measured, start, known, rough=poni is None)
        except InputError as error:
            raise InputError(f"{self.source}: {self.calibrant}: {error}") from None

    def integrated(self, setting: Setting) -> RawPatterns:
        """All images with one geometry."""
        from tqdm import tqdm

        names, found = self.files(), []
        ai: Any = None
        for name in tqdm(names, unit="image", disable=len(names) < 2 or not sys.stderr.isatty()):
            for raw in images_of(name, self.access.max_array_gib):
                image = orient(raw, setting.orientation)
                if image.shape != setting.masked.shape:
                    raise InputError(
                        f"{name}: its shape is {image.shape}; expected {setting.masked.shape}, as the first image has."
                    )
                ai = ai or integrator(setting.poni, image.shape)
                masked = setting.masked if self.negative_counts else setting.masked | ~measured_pixels(image)
                how = self.channels, self.range_deg, self.polarisation, self.splitting
                found.append(azimuthal_mean(ai, image, masked, *how))
        axis = found[0][0]
        counts, variance = (np.stack([one[k] for one in found]) for k in (1, 2))
        shape = scan_shape(len(found), self.shape or (len(found), 1), self.source)
        return RawPatterns(
            counts=arranged(counts, shape, self.serpentine),
            variance=arranged(variance, shape, self.serpentine),
            axis=axis,
            wavelength_m=setting.poni.wavelength_m,
            source=self.source,
            metadata={"format": "detector_image", "orientation": setting.orientation, **report(setting)},
        )

    def raw(self) -> RawPatterns:
        return self.integrated(self.setting())
