"""What a file of projections holds, for `jxrecon inspect FILE`."""

from typing import Any

import numpy as np

from ..errors import InputError
from .access import Access
from .angles import suspicion
from .data_exchange import DataExchange
from .instrument import Instrument
from .nxtomo import Nxtomo
from .projection_series import ProjectionSeries

READERS = {"nxtomo": Nxtomo, "data_exchange": DataExchange}
SAMPLE = 8


def describe_projections(kind: str, path: str, instrument: Instrument, access: Access) -> dict[str, Any]:
    """projections: number, angles, what is stored beside them; missing, advice, problem as in `describe`."""
    try:
        series = READERS[kind](path, instrument=instrument, access=access).read()
    except InputError as error:
        return {"missing": [], "advice": [], "problem": str(error)}
    count, v, u = series.shape
    found: dict[str, Any] = {
        "count": count,
        "pixels": (v, u),
        "quantity": series.quantity,
        "dtype": str(series.frames.dtype),
        "angle_deg": (float(series.angle_deg.min()), float(series.angle_deg.max())),
        "flats": 0 if series.flats is None else series.flats.shape[0],
        "darks": 0 if series.darks is None else series.darks.shape[0],
    }
    for name in ("pixel_size_m", "distance_m", "energy_keV", "rotation_axis_px"):
        if getattr(series, name) is not None:
            found[name] = getattr(series, name)
    doubt = suspicion(series.angle_deg, "deg")
    found |= {"warning": doubt} if doubt else {}
    missing = [n for n in ("pixel_size_m", "energy_keV") if getattr(series, n) is None]
    numbers, problem = _line_integrals(series)
    return {
        "projections": found | numbers,
        "missing": missing,
        "advice": [f"set data.instrument.{n.replace('pixel_size', 'detector_pixel')}" for n in missing],
        "problem": problem,
    }


def _line_integrals(series: ProjectionSeries) -> tuple[dict[str, Any], str | None]:
    """Range of the line integrals (or phases) of a few projections, evenly spaced; or why there are none."""
    views = np.unique(np.linspace(0, series.shape[0] - 1, SAMPLE).astype(int))
    try:
        values = series.line_integrals(views=views)
    except InputError as error:
        return {}, str(error)
    name = "phase_rad" if series.quantity == "phase" else "line_integral"
    low, middle, high = (float(x) for x in np.percentile(values, [0, 50, 100]))
    return {name: (low, middle, high)}, None
