"""A `Scan` as it was found, with the user's settings, becomes (`Geometry`, `Measurement`).

Cropping the detector to n of N pixels makes the object's pixel N / n times larger in the far field; binning leaves it and
takes the outer part of the probe's field away.
"""

import dataclasses
import logging
import math

import numpy as np
from scipy.spatial import cKDTree

from ..errors import InputError
from ..geometry import Geometry
from ..measurement import Measurement
from .detector import beam_centre, hot_pixels, orient
from .images import load_image
from .instrument import Instrument, set_up
from .preprocess import Pipeline, Preprocess, PreprocessedFrames, empty_frames, oriented, place
from .resample import recentre_object, resample_far, resample_near
from .scan import Scan, Views, check_count, check_mask, one_view
from .shared_maps import shared
from .survey import Survey, survey

_log = logging.getLogger(__name__)
MAX_EXTENT_PX = 100_000
LEAST_EXTENT_PX = 0.1  # below it there is no scan
MOST_APART = 4  # frames between neighbours: no overlap by far
SAMPLE = 64  # frames from which a beam centre is found, or that stand for a set too large to read twice


def assemble(
    scan: Scan, preprocess: Preprocess, instrument: Instrument, source: str, centred: bool = True
) -> tuple[Geometry, Measurement]:
    """Applies the settings. With `centred` False the positions keep the file's origin, for scans that belong together.

    Raises `InputError` for missing numbers, empty frames, positions that do not fit the frames.
    """
    numbers = _numbers(scan, preprocess, source)
    frames = _frames(scan, preprocess, instrument, numbers, source)
    frames, seen, hot = _survey(frames, preprocess, source)
    geometry, raw_geometry = _geometries(scan, preprocess, instrument, frames.shape[1:], source)
    metres = scan.position_unit == "m"
    unit = np.asarray(geometry.pixel_size_m) / (1.0 if metres else np.asarray(raw_geometry.pixel_size_m))
    positions = _convention(scan.positions[frames.selection], preprocess) / unit
    views = (scan.views or one_view(scan.frames.shape[0])).chosen(frames.selection)
    _check_extent(positions, views, geometry, source)
    origin = origin_of(positions, scan.views is not None, geometry, source) if centred else np.zeros(2)
    guess, origin = _guess(scan, preprocess, origin, positions, geometry)
    if scan.rescale_probe and "probe" in guess:
        guess["probe"] = guess["probe"] * np.sqrt(seen.totals.mean() / np.sum(np.abs(guess["probe"]) ** 2))
    metadata = {
        **scan.metadata,
        "format": scan.format,
        "frames_in_file": int(scan.frames.shape[0]),
        "frames_used": int(frames.shape[0]),
        "frames_dropped": int(len(numbers) - frames.shape[0]),
        "invalid_pixels": seen.invalid,
        "masked_pixels": int((~frames.mask).sum()),
        "hot_pixels": hot,
        "surveyed_frames": seen.count,
        "mean_counts": float(seen.totals.mean()),
        "position_origin_px": [float(x) for x in origin],
    }
    described = {"mask": frames.mask, "source": source, "metadata": metadata}
    return geometry, Measurement(frames, positions - origin, **described, **vars(views), **guess)


def origin_of(positions: np.ndarray, of_axis: bool, geometry: Geometry, source: str) -> np.ndarray:
    """What becomes position (0, 0): the scan's middle; where the file counts from the rotation axis (`of_axis`), its own
    origin, unless the scan is far from it."""
    middle, extent = (positions.max(0) + positions.min(0)) / 2, np.ptp(positions, axis=0)
    if not of_axis:
        return middle
    if (np.abs(middle) <= extent / 2 + np.asarray(geometry.probe_shape)).all():
        return np.zeros(2)
    y, x = middle
    _log.warning("%s: the positions are about (%.4g, %.4g) px and not about 0; subtracted.", source, y, x)
    return middle


def _numbers(scan: Scan, preprocess: Preprocess, source: str) -> np.ndarray:
    count, positions = scan.frames.shape[0], len(scan.positions)
    if preprocess.stop is None or not 0 <= preprocess.stop <= min(count, positions):
        check_count(count, positions, source, scan.names)
    return preprocess.select(min(count, positions), source)


def _orientation(preprocess: Preprocess) -> int:
    return preprocess.orientation or 0


def pipeline_of(scan: Scan, preprocess: Preprocess, centre, source: str) -> Pipeline:
    """The way of a scan's raw frames to counts; `centre` is the beam on the raw frame, None for the frame's middle."""
    shape = scan.frames.shape[1:]
    mask = np.ones(shape, bool) if scan.mask is None else check_mask(scan.mask, shape, source)
    if preprocess.mask is not None:
        image = load_image(preprocess.mask, shape, "`data.preprocess.mask`")
        mask = mask & check_mask(image != 0, shape, preprocess.mask)
    dark = None if preprocess.dark is None else load_image(preprocess.dark, shape, "`data.preprocess.dark`")
    scale = None if preprocess.gain == 1 else np.full(shape, 1 / preprocess.gain, np.float32)
    if preprocess.flat is not None:
        flat = load_image(preprocess.flat, shape, "`data.preprocess.flat`")
        mask = check_mask(mask & (flat > 0), shape, preprocess.flat)
        relative = np.where(mask, flat, 1.0) / flat[mask].mean()
        scale = np.asarray(1 / (relative * preprocess.gain), np.float32)
    orientation = _orientation(preprocess)
    crop = None if preprocess.crop is None else preprocess.pair("crop")
    start, size = place(shape, orientation, centre, crop, preprocess.bin)
    corner = (preprocess.zero_frequency or scan.zero_frequency) == "corner"
    # The files' maps lie as their frames do; with a corner, mask and maps are shifted with them.
    dark, scale = (None if image is None else shared(image) for image in (dark, scale))
    return Pipeline(
        corner, orientation, start, size, preprocess.bin, shared(mask), dark, scale, preprocess.saturation
    )


def _frames(scan, preprocess, instrument, numbers, source) -> PreprocessedFrames:
    shape = scan.frames.shape[1:]
    middle = (shape[0] // 2, shape[1] // 2)
    near = (instrument.regime or scan.geometry.regime) == "near_field"
    centre = preprocess.centre if preprocess.centre is not None else scan.centre
    if centre == "found":
        plain = dataclasses.replace(pipeline_of(scan, preprocess, middle, source), orientation=0, binning=1)
        whole = PreprocessedFrames(
            scan.frames, dataclasses.replace(plain, start=(0, 0), size=shape), numbers, source
        )
        centre = beam_centre(survey(whole, SAMPLE).mean, whole.mask)
    elif centre is None:
        centre = None if near else middle
    pipeline = pipeline_of(scan, preprocess, centre, source)
    return PreprocessedFrames(scan.frames, pipeline, numbers, source, drop_empty=preprocess.drop_empty_frames)


def _survey(
    frames: PreprocessedFrames, preprocess: Preprocess, source: str
) -> tuple[PreprocessedFrames, Survey, int]:
    """Frames without the empty ones and with hot pixels masked; what was seen; the number of hot pixels."""
    large = frames.raw_bytes > preprocess.survey_gib * 2**30
    seen = survey(frames, SAMPLE if large else None)
    mask, hot = frames.mask, 0
    if preprocess.hot_pixel_threshold is not None:
        found = hot_pixels(seen.mean, mask, preprocess.hot_pixel_threshold, 1 / seen.count)
        mask, hot = mask & ~found, int(found.sum())
    if not mask.any():
        raise InputError(f"{source}: no pixel is left by the masks, the crop and the saturation.")
    empty = seen.index[seen.totals <= 0]
    if len(empty) and not preprocess.drop_empty_frames:
        raise InputError(empty_frames(source, frames.selection[empty]))
    kept = np.setdiff1d(np.arange(frames.shape[0]), empty)
    if len(kept) == 0:
        raise InputError(f"{source}: all {frames.shape[0]} frames are empty.")
    if hot or len(empty):
        frames = frames.replace(frames.selection[kept], mask)
    return frames, seen.without_empty(), hot


def _geometries(scan, preprocess, instrument, shape, source) -> tuple[Geometry, Geometry]:
    """Of the frames as they are used, and of the frames as they are stored (on which pixel units in the file are based)."""
    found = scan.geometry.with_instrument(instrument)
    if found.detector_pixel_m is not None and _orientation(preprocess) & 4:
        found = dataclasses.replace(found, detector_pixel_m=found.detector_pixel_m[::-1])
    whole = oriented(scan.frames.shape[1:], _orientation(preprocess))
    # Pixels in a file are those of its own grid, whatever finer grid the user asks for.
    stored = dataclasses.replace(found, oversampling=scan.geometry.oversampling)
    return set_up(found, shape, preprocess.bin, source), set_up(stored, whole, 1, source)


def _convention(positions: np.ndarray, preprocess: Preprocess) -> np.ndarray:
    positions = positions[:, ::-1] if preprocess.swap_xy else positions
    sign = (1, 1) if preprocess.position_sign is None else preprocess.pair("position_sign")
    return positions * np.asarray(sign, np.float64)


def _check_extent(positions: np.ndarray, views: Views, geometry: Geometry, source: str) -> None:
    extent = np.ptp(positions, axis=0)
    if extent.max() > MAX_EXTENT_PX:
        raise InputError(
            f"{source}: the positions extend over {extent.max():.3g} object pixels of {min(geometry.pixel_size_m):.3g} m; "
            "is a length of the instrument or the unit of the positions wrong?"
        )
    for number in range(len(views.angle_deg)):
        _check_overlap(positions[views.view == number], geometry, source)
    near, cone = geometry.regime == "near_field", geometry.focus_to_sample_m is not None
    if near and not cone and len(positions) > 1 and extent.max() < 4:
        raise InputError(
            f"{source}: the positions extend over {extent.max():.2g} pixels of the detector; in a cone beam set "
            "`data.instrument.focus_to_sample_m`."
        )


def _check_overlap(positions: np.ndarray, geometry: Geometry, source: str) -> None:
    """Frames that all see one place, or none of which sees what another does, come from positions in a wrong unit."""
    if len(positions) < 2 or (geometry.regime == "near_field" and geometry.focus_to_sample_m is None):
        return
    extent, window = np.ptp(positions, axis=0).max(), max(geometry.probe_shape)
    if extent < LEAST_EXTENT_PX:
        raise InputError(
            f"{source}: the {len(positions)} positions extend over {extent:.2g} object pixels, all frames see one place; "
            "is the unit of the positions wrong?"
        )
    apart = np.median(cKDTree(positions).query(positions, k=2, p=np.inf)[0][:, 1])
    if apart > MOST_APART * window:
        raise InputError(
            f"{source}: the positions are {apart:.3g} object pixels apart and a frame sees {window}, so that no two overlap; "
            "is a length of the instrument or the unit of the positions wrong?"
        )


def _guess(scan, preprocess, origin, positions, geometry: Geometry) -> tuple[dict, np.ndarray]:
    """First guesses of probe and object on the grid that is used, and the origin, moved so that the object fits its pixels."""
    orientation, whole = _orientation(preprocess), scan.frames.shape[1:]
    same_pixel = (preprocess.crop is None or preprocess.pair("crop") == whole) and preprocess.bin == 1
    same_pixel = same_pixel and geometry.oversampling == (scan.geometry.oversampling or 1)
    window = geometry.probe_shape
    guess = {}
    if scan.probe is not None:
        probe = orient(scan.probe, orientation)
        cropped = _cropped(preprocess, probe.shape[-2:])
        if geometry.regime == "near_field":
            guess["probe"] = resample_near(probe, cropped, preprocess.bin, geometry.oversampling, window)
        else:
            guess["probe"] = resample_far(probe, cropped, preprocess.bin)
    if scan.object is not None and same_pixel and orientation == 0 and preprocess.position_sign is None:
        middle = np.asarray(scan.object.shape) // 2 - origin
        # The object's own grid decides on the fraction of the origin.
        fraction = (middle if scan.object_centre is None else np.asarray(scan.object_centre)) + origin
        origin = origin - (fraction - np.floor(fraction + 0.5))
        centre = np.floor(fraction + 0.5).astype(int)
        guess["object"] = recentre_object(scan.object, centre, positions - origin, window)
    return guess, origin


def _cropped(preprocess: Preprocess, shape: tuple[int, int]) -> tuple[int, int]:
    v, u = shape if preprocess.crop is None else preprocess.pair("crop")
    step = preprocess.bin
    return v // step * step, u // step * step


def common_metadata(parts: list[dict]) -> dict:
    """Sums of counts, and for the rest what all agree on."""
    summed = {"frames_in_file", "frames_used", "frames_dropped", "invalid_pixels", "surveyed_frames"}
    out = {}
    for key in parts[0]:
        values = [part.get(key) for part in parts]
        if key in summed:
            out[key] = sum(v for v in values if v is not None)
        elif key == "mean_counts":
            weights = [part["frames_used"] for part in parts]
            out[key] = math.fsum(v * w for v, w in zip(values, weights, strict=True)) / sum(weights)
        elif all(value == values[0] for value in values):
            out[key] = values[0]
    return out
