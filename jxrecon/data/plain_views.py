"""Several views in one file of the plain layout (see `plain`): a tilt series of ptychography.

angle_deg (angle,) is the rotation of each view. The frames are intensity (angle, scan, v, u) with positions_px (angle, scan, 2),
or (scan, 2) when the probe went the same way in every view; or intensity (scan, v, u) with positions_px (scan, 2) and view
(scan,), the number of the view of each frame. Positions count from the rotation axis, one place of the instrument in all views.
Optionally specimen (angle,) and optics (angle,), which object and which probe a view sees; without them every view has an object
of its own and all share the probe.
"""

import numpy as np

from ..errors import InputError
from .angles import check_angles
from .frames import AbstractRawFrames
from .scan import Views, one_view

NAMES = ("view", "angle_deg", "specimen", "optics")


def _numbers(
    found: dict, name: str, count: int, most: int, where: str, of: str, list_of: str = "/angle_deg"
) -> np.ndarray:
    """(count,) whole numbers from 0 to `most` - 1, places in the list `list_of`."""
    values = np.asarray(found[name]).reshape(-1)
    if values.shape != (count,):
        raise InputError(
            f"{where}:/{name}: has {len(values)} numbers; expected one for each of {count} {of}."
        )
    whole = values.dtype.kind in "iu" or (values.dtype.kind == "f" and (values == np.floor(values)).all())
    if not whole or (values < 0).any() or (values >= most).any():
        raise InputError(
            f"{where}:/{name}: holds {values.min():g} to {values.max():g}; expected whole numbers from 0 to {most - 1}, "
            f"of which each has its place in {list_of}."
        )
    return values.astype(np.int32)


def _flat_positions(found: dict, leading: tuple[int, ...], where: str) -> np.ndarray:
    """(scan, 2) for frames of leading shape (angle, scan) or (scan,)."""
    positions = np.asarray(found["positions_px"])
    if len(leading) == 2 and positions.shape == (leading[1], 2) and "angle_deg" in found:
        return np.tile(positions, (leading[0], 1))
    if len(leading) == 2 and positions.ndim == 3:
        if positions.shape != (*leading, 2):
            raise InputError(
                f"{where}:/positions_px: has shape {positions.shape}; the frames ask for {(*leading, 2)} or {(leading[1], 2)}."
            )
        return positions.reshape(-1, 2)
    return positions


def views_of(
    found: dict, leading: tuple[int, ...], frames: AbstractRawFrames, where: str
) -> tuple[np.ndarray, Views | None]:
    """(positions, views) of frames of leading shape (angle, scan) or (scan,); None where the file says nothing of views."""
    count = frames.shape[0]
    positions = _flat_positions(found, leading, where)
    if "angle_deg" not in found:
        if "view" in found or len(leading) == 2 and np.ndim(found["positions_px"]) == 3:
            raise InputError(
                f"{where}:/angle_deg: missing; a file of several views holds one angle for each."
            )
        return positions, None
    angles = check_angles(np.asarray(found["angle_deg"]).reshape(-1), f"{where}:/angle_deg", "deg")
    number = len(angles)
    if "view" in found:
        view = _numbers(found, "view", count, number, where, "frames")
    elif len(leading) == 2:
        if leading[0] != number:
            raise InputError(
                f"{where}:/intensity: has {leading[0]} views (its first axis), but {number} angles in angle_deg."
            )
        view = np.repeat(np.arange(number, dtype=np.int32), leading[1])
    elif number == 1:
        return positions, one_view(count, float(angles[0]))
    else:
        raise InputError(f"{where}:/view: missing; {number} angles, but nothing says which frames are whose.")
    specimen = np.arange(number, dtype=np.int32)
    if "specimen" in found:
        specimen = _numbers(found, "specimen", number, number, where, "angles")
    optics = np.zeros(number, np.int32)
    if "optics" in found:
        optics = _numbers(found, "optics", number, number, where, "angles", "all probes")
    return positions, Views(view, angles, specimen, optics)
