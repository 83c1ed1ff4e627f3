"""Projections of a specimen under many angles, with what it takes to make line integrals of them.

Counts become line integrals of the absorption coefficient by Beer and Lambert: -log((data - dark) / (flat - dark)), with the
means of dark and flat frames. Phases (radians, negative for matter) and line integrals are handed on as they are. A pixel that
cannot be used (not finite, saturated, not brighter than the dark field) is filled linearly from its neighbours in the row.
"""

import dataclasses
import logging
from typing import Literal

import numpy as np
from jaxtyping import Float

from ..errors import InputError
from .frames import blocks
from .projection_frames import EVERY, AbstractProjections, ChosenProjections, mean_of, measured

_log = logging.getLogger(__name__)
Quantity = Literal["counts", "transmission", "line_integral", "phase"]
UNITS: dict[Quantity, str] = {"counts": "counts", "transmission": "1", "line_integral": "1", "phase": "rad"}
MOST_BAD = 0.5  # part of a projection's pixels; with more there is nothing to fill from


def quantity_of(said: str, where: str) -> Quantity:
    """A quantity as a file spells it."""
    for quantity in UNITS:
        if said == quantity:
            return quantity
    raise InputError(f"{where}: is `{said}`; expected one of {', '.join(UNITS)}.")


@dataclasses.dataclass(frozen=True)
class ProjectionSeries:
    """frames           (view, v, u), v along the rotation axis
    angle_deg        (view,)
    quantity         what the frames hold: "counts", "transmission", "line_integral" (of absorption) or "phase" (rad)
    pixel_size_m     (v, u) of the projections, in the specimen
    distance_m       specimen to detector; energy_keV: of the photons
    flats, darks     (n, v, u) without specimen; without beam
    rotation_axis_px column u of the projections on which the rotation axis lies
    source           path; metadata: what else the file says
    """

    frames: AbstractProjections
    angle_deg: np.ndarray
    quantity: Quantity = "counts"
    pixel_size_m: tuple[float, float] | None = None
    distance_m: float | None = None
    energy_keV: float | None = None
    flats: AbstractProjections | None = None
    darks: AbstractProjections | None = None
    rotation_axis_px: float | None = None
    source: str = ""
    metadata: dict = dataclasses.field(default_factory=dict)

    def __post_init__(self):
        if len(self.frames.shape) != 3 or 0 in self.frames.shape:
            raise InputError(
                f"{self.source}: has projections of shape {self.frames.shape}; expected (view, v, u)."
            )
        if len(self.angle_deg) != self.frames.shape[0]:
            raise InputError(
                f"{self.source}: {self.frames.shape[0]} projections, but {len(self.angle_deg)} angles; expected equal numbers."
            )
        for name in ("flats", "darks"):
            images = getattr(self, name)
            if images is not None and images.shape[1:] != self.frames.shape[1:]:
                raise InputError(
                    f"{self.source}: {name} of {images.shape[1:]} pixels, but projections of {self.frames.shape[1:]}."
                )

    @property
    def shape(self) -> tuple[int, int, int]:
        return self.frames.shape

    def chosen(self, views: np.ndarray) -> "ProjectionSeries":
        """Some of the views, with their angles."""
        views = np.arange(self.shape[0])[views]
        return dataclasses.replace(
            self, frames=ChosenProjections(self.frames, views), angle_deg=self.angle_deg[views]
        )

    def line_integrals(
        self, rows: slice = EVERY, views: np.ndarray | None = None
    ) -> Float[np.ndarray, "view v u"]:
        """Line integrals of the absorption coefficient (no dimension), or phases, of these rows and views.

        Raises `InputError` for a projection of which most cannot be used; `sound` leaves those out.
        """
        views = np.arange(self.shape[0]) if views is None else np.asarray(views)
        dark, bright = self._references(rows)
        row_bytes = 4 * self.shape[2] * len(range(*rows.indices(self.shape[1])))
        parts, filled = [], 0
        for part in blocks(len(views), max(row_bytes, 1)):
            values, bad = self._values(self.frames.read(views[part], rows), dark, bright)
            for k, view in enumerate(views[part]):
                if message := self._fault(bad[k], int(view)):
                    raise InputError(f"{message} `data.skip_unreadable=true` leaves it out.")
                if bad[k].any():
                    fill(values[k], bad[k])
            filled += int(bad.sum())
            parts.append(values)
        if filled:
            _log.warning(
                "%s: %d pixels that cannot be used were filled from their neighbours.", self.source, filled
            )
        return np.concatenate(parts)

    def sound(self) -> "ProjectionSeries":
        """Without the projections that cannot be read or used, each with a warning. Reads all of them once."""
        dark, bright = self._references(EVERY)
        kept = []
        for view in range(self.shape[0]):
            try:
                bad = self._values(self.frames.read(np.array([view])), dark, bright)[1]
                message = self._fault(bad[0], view)
            except InputError as error:
                message = str(error)
            if message:
                _log.warning("left out of the series: %s", message)
            else:
                kept.append(view)
        if not kept:
            raise InputError(f"{self.source}: none of {self.shape[0]} projections can be used.")
        return self if len(kept) == self.shape[0] else self.chosen(np.array(kept))

    def _fault(self, bad: np.ndarray, view: int) -> str | None:
        part = float(bad.mean())
        if part <= MOST_BAD:
            return None
        return (
            f"{self.source}: projection {view} (angle {self.angle_deg[view]:g} deg): {100 * part:.3g} % of its pixels are "
            f"not finite{', saturated or no brighter than the dark field' if self.quantity == 'counts' else ''}; expected at "
            f"most {100 * MOST_BAD:.0f} %."
        )

    def _references(self, rows: slice) -> tuple[np.ndarray | float, np.ndarray | float]:
        """Mean dark frame, and mean flat minus it; NaN where there is no light."""
        if self.quantity != "counts":
            return 0.0, 1.0
        if self.flats is None:
            raise InputError(
                f"{self.source}: holds no flat field, by which counts become line integrals; if its numbers are no counts, set "
                "`data.quantity` to transmission, line_integral or phase."
            )
        dark = 0.0 if self.darks is None else mean_of(self.darks, rows)
        bright = mean_of(self.flats, rows) - dark
        bright[~(bright > 0)] = np.nan
        if np.isnan(bright).all():
            raise InputError(f"{self.source}: the flat field is nowhere brighter than the dark field.")
        return dark, bright

    def _values(
        self, raw: np.ndarray, dark: np.ndarray | float, bright: np.ndarray | float
    ) -> tuple[np.ndarray, np.ndarray]:
        """(line integrals or phases, float32; which pixels cannot be used)."""
        values = measured(raw)
        if self.quantity in ("counts", "transmission"):
            with np.errstate(divide="ignore", invalid="ignore"):
                values = -np.log((values - dark) / bright)
        return values.astype(np.float32), ~np.isfinite(values)


def fill(image: Float[np.ndarray, "v u"], bad: np.ndarray) -> None:
    """Bad pixels from the good ones beside them: along the row, and whole rows from those above and below."""
    lost = bad.all(axis=1)
    for row in np.flatnonzero(bad.any(axis=1) & ~lost):
        good = np.flatnonzero(~bad[row])
        image[row] = np.interp(np.arange(image.shape[1]), good, image[row, good])
    rows = np.flatnonzero(~lost)
    for row in np.flatnonzero(lost):
        above = rows[np.searchsorted(rows, row) - 1] if (rows < row).any() else rows[0]
        below = rows[min(np.searchsorted(rows, row), len(rows) - 1)]
        part = 0.0 if above == below else (row - above) / (below - above)
        image[row] = (1 - part) * image[above] + part * image[below]
