"""What a data file holds and how it would be read, for a person: `jxrecon inspect FILE`.

The counts are those of a few frames, evenly spaced. A scan whose picture moves with the probe (`shadow`) is a near-field one, and
the shift per step gives its magnification.
"""

import os
from typing import Any

import numpy as np

from ..errors import InputError
from .access import Access
from .angles import suspicion
from .assemble import pipeline_of
from .auto import ASK, Auto, format_of
from .dataset import GuardedDataset
from .describe_projections import READERS as PROJECTIONS
from .describe_projections import describe_projections
from .detector import dead_pixels, hot_pixels
from .hdf5 import COMPLEX, GuardedFile
from .instrument import FileGeometry, Instrument
from .plain import is_npz
from .preprocess import Preprocess, PreprocessedFrames
from .reader import AbstractReader
from .scan import Scan
from .shadow import MAX_FRAMES, Shadow, find_shadow
from .survey import survey
from .tilt_series import TiltSeries

SAMPLE = 16
LISTED = 200


def contents(path: str, access: Access) -> list[dict[str, Any]]:
    """One record for each dataset: name, shape, dtype, chunks, filters, or why it is not read."""
    if is_npz(path):
        with np.load(path, mmap_mode="r", allow_pickle=False) as archive:
            return [{"name": name} for name in archive.files[:LISTED]]
    with access.open(path) as file:
        return [_dataset(file, name) for name in file.tree(LISTED)]


def _dataset(file: GuardedFile, name: str) -> dict[str, Any]:
    try:
        found: GuardedDataset = file.dataset(name, COMPLEX)
    except InputError as error:
        try:
            return {"name": name, "text": file.text(name)[:80]}
        except InputError:
            return {"name": name, "refused": str(error).removeprefix(file.where(name) + ": ")}
    record = {"name": name, "shape": found.shape, "dtype": str(found.dtype)}
    if found.chunks:
        record |= {"chunks": found.chunks, "filters": found.filters()}
    return record


def _counts(frames: PreprocessedFrames) -> dict[str, Any]:
    """Statistics of a few frames."""
    seen = survey(frames, SAMPLE)
    measured = seen.mean[frames.mask]
    floor = 1 / seen.count
    return {
        "frames_looked_at": seen.count,
        "counts_per_frame": [float(seen.totals.min()), float(seen.totals.mean()), float(seen.totals.max())],
        "largest_count": float(seen.largest.max()),
        "mean_count_of_a_pixel": float(measured.mean()),
        "empty_frames": int((seen.totals <= 0).sum()),
        "masked_pixels": int((~frames.mask).sum()),
        "invalid_pixels": seen.invalid,
        "dead_pixels": int(dead_pixels(seen.mean, frames.mask, 5 * floor).sum()),
        "hot_pixels": int(hot_pixels(seen.mean, frames.mask, 20.0, floor).sum()),
    }


def _shadow(scan: Scan, frames: PreprocessedFrames) -> Shadow | None:
    if scan.position_unit != "m" or len(scan.positions) != frames.shape[0]:
        return None
    index = np.arange(min(frames.shape[0], MAX_FRAMES))
    if len(index) * frames.mask.size > 2**25:
        return None  # larger detectors are not read for a hint
    return find_shadow(frames.read_unchecked(index), scan.positions[index])


def _reading(geometry: FileGeometry, shadow: Shadow | None) -> tuple[list[str], list[str]]:
    """(what is missing, what to set) before the file can be reconstructed."""
    missing = geometry.missing()
    advice = [f"set data.instrument.{name}" for name in missing]
    seen = shadow is not None and shadow.seen
    if seen and geometry.regime is None:
        missing.append("regime")
        advice.append(
            "the picture moves with the probe, as in the near field: set data.instrument.regime=near_field"
        )
    if (seen or geometry.regime == "near_field") and geometry.focus_to_sample_m is None:
        missing.append("focus_to_sample_m")
        advice.append(f"set data.instrument.focus_to_sample_m{_focus(geometry, shadow)}")
    return missing, advice


def _focus(geometry: FileGeometry, shadow: Shadow | None) -> str:
    """The focus that the shadow tells: M = (z1 + z2) / z1."""
    if shadow is None or not shadow.seen or geometry.detector_pixel_m is None or geometry.distance_m is None:
        return " (a parallel beam has none)"
    magnification = shadow.magnification(geometry.detector_pixel_m)
    if magnification < 1.05:
        return " (not needed: the beam is parallel)"
    focus = geometry.distance_m / (magnification - 1)
    return f" (the picture moves {magnification:.4g} times as far as the probe: about {focus:.2g} m)"


def describe(
    path: str | os.PathLike | AbstractReader,
    instrument: Instrument | None = None,
    preprocess: Preprocess | None = None,
    access: Access | None = None,
) -> dict[str, Any]:
    """What a file (or the file of a reader with its settings) holds, as plain values.

    Keys: path, format, contents; and where frames can be read: frames, positions, geometry, counts, missing, advice, problem
    (the message with which reading would end, or None); of projections `projections` in the place of the first four.
    Raises `InputError` for files that cannot be opened.
    """
    if isinstance(path, AbstractReader):
        reader, instrument, access = path, path.instrument, path.access
    else:
        instrument, access = instrument or Instrument(), access or Access()
        reader = Auto(os.fspath(path), instrument, preprocess or Preprocess(), access)
    if isinstance(reader, TiltSeries):
        return _described_series(reader)
    source = reader.source
    found: dict[str, Any] = {"path": source, "format": format_of(source, access)}
    found["bytes"] = os.path.getsize(source)
    found["contents"] = contents(source, access)
    if found["format"] in PROJECTIONS:
        seen = describe_projections(found["format"], source, reader.instrument, access)
        return found | seen | {"problem": seen["problem"] or f"{source}: {ASK[found['format']]}."}
    if isinstance(reader, Auto) and found["format"] in ASK:
        return found | {"problem": f"{source}: {ASK[found['format']]}.", "missing": [], "advice": []}
    return found | _described_scan(reader)


def _described_series(reader: TiltSeries) -> dict[str, Any]:
    """The first file of a series, and how the whole of it comes out."""
    files = reader.files()
    first = next((name for name in files if os.path.exists(name)), files[0])
    found = describe(Auto(first, reader.instrument, reader.preprocess, reader.access))
    series = {"files": len(files), "bytes": sum(os.path.getsize(n) for n in files if os.path.exists(n))}
    return found | {"series": series} | _as_read(reader)


def _described_scan(reader: AbstractReader) -> dict[str, Any]:
    """Frames, positions and geometry of one file, and what is missing."""
    scan, found = reader.scan(), {}
    geometry = scan.geometry.with_instrument(reader.instrument)
    found["frames"] = {"shape": scan.frames.shape, "dtype": str(scan.frames.dtype), "dataset": scan.names[0]}
    found["zero_frequency"] = reader.preprocess.zero_frequency or scan.zero_frequency
    found["positions"] = {
        "count": len(scan.positions),
        "unit": scan.position_unit,
        "from": scan.positions.min(axis=0).tolist(),
        "to": scan.positions.max(axis=0).tolist(),
        "median_step": _median_step(scan.positions),
        "dataset": scan.names[1],
    }
    if scan.views is not None:
        found["views"] = _series(scan.views.angle_deg)
    found["first_guesses"] = [n for n in ("probe", "object") if getattr(scan, n) is not None]
    raw = _raw_frames(scan)
    found["counts"] = _counts(raw)
    found["geometry"] = {k: v for k, v in vars(geometry).items() if v is not None}
    found["missing"], found["advice"] = _reading(geometry, _shadow(scan, raw))
    return found | _as_read(reader)


def _series(angle_deg: np.ndarray) -> dict[str, Any]:
    """Number and angles of the views, and why the angles look wrong."""
    found = {"count": len(angle_deg), "angle_deg": [float(angle_deg.min()), float(angle_deg.max())]}
    doubt = suspicion(angle_deg, "deg")
    return found | ({"warning": doubt} if doubt else {})


def _raw_frames(scan: Scan) -> PreprocessedFrames:
    """All frames as they lie, with nothing but the file's mask."""
    pipeline = pipeline_of(scan, Preprocess(), None, "")
    return PreprocessedFrames(scan.frames, pipeline, np.arange(scan.frames.shape[0]), "")


def _median_step(positions: np.ndarray) -> float:
    return float(np.median(np.linalg.norm(np.diff(positions, axis=0), axis=1))) if len(positions) > 1 else 0.0


def _as_read(reader: AbstractReader) -> dict[str, Any]:
    """How the file comes out with the reader's settings."""
    try:
        geometry, measurement = reader.read()
    except InputError as error:
        return {"problem": str(error)}
    extent, views = np.ptp(measurement.positions_px, axis=0), _series(measurement.angle_deg)
    return {
        "problem": None,
        "read_as": {
            "frames": measurement.frames.shape,
            "regime": geometry.regime,
            "energy_keV": geometry.energy_keV,
            "pixel_size_m": geometry.pixel_size_m,
            "positions_extent_px": extent.tolist(),
            "field_of_view_m": (extent * np.asarray(geometry.pixel_size_m)).tolist(),
            **({f"views_{k}": v for k, v in views.items()} if views["count"] > 1 else {}),
            "metadata": measurement.metadata,
        },
    }


def as_text(found: dict[str, Any]) -> str:
    """`describe` for a terminal."""
    lines = [f"{found['path']}: {found['format']}, {found['bytes'] / 2**20:.1f} MiB"]
    for record in found["contents"]:
        rest = [str(v) for k, v in record.items() if k != "name"]
        lines.append(f"  /{record['name']}  {'  '.join(rest)}")
    for key in ("frames", "positions", "views", "geometry", "counts", "projections", "series", "read_as"):
        for name, value in (found.get(key) or {}).items():
            if name != "metadata":
                lines.append(f"{key}.{name}: {_short(value)}")
    lines += [f"missing: {', '.join(found['missing'])}"] if found["missing"] else []
    lines += [f"  {line}" for line in found["advice"]]
    lines += [f"problem: {found['problem']}"] if found["problem"] else []
    return "\n".join(lines)


def _short(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, list | tuple):
        return "(" + ", ".join(_short(v) for v in value) + ")"
    return str(value)
