"""What a diffraction tomogram gave: maps for a file, numbers for metrics.json, and how far a simulation's truth is."""

import os
from collections.abc import Mapping
from typing import Any

import numpy as np
from jaxtyping import Bool, Float

from ..classical.lattice_slice import LatticeSlice
from ..classical.scan_model import ScanSetup
from ..data.pattern_reader import AbstractPatternReader
from ..forward.cell import LENGTHS

MATTER = 0.3  # of the usual total area: voxels that count
USUAL = 97  # percentile
INSIDE = 0.99  # of a voxel, of a simulation's particle
TRUTH = "truth.h5"
Quantity = tuple[Float[np.ndarray, "z y x"], str]
Numbers = dict[str, float | int | None]


def matter(area: Float[np.ndarray, "z y x"]) -> Bool[np.ndarray, "z y x"]:
    """Voxels with enough to say something of the cell."""
    return area > MATTER * np.percentile(area, USUAL)


def as_maps(
    found: list[LatticeSlice], scan: ScanSetup
) -> tuple[dict[str, Quantity], dict[str, Float[np.ndarray, "z y x"]]]:
    """(maps with units, standard errors by noise), `z y x`; cells and widths are not a number where there is no matter."""
    maps: dict[str, Quantity] = {}
    errors: dict[str, np.ndarray] = {}
    total = np.stack([one.value["area"].sum(axis=0) for one in found]) / scan.scale
    inside = matter(total)

    def put(name: str, unit: str, key: str, part: int | None, factor: float = 1.0, where=None):
        def stack(kind: str) -> np.ndarray:
            values = [getattr(one, kind)[key] for one in found]
            whole = np.stack(values if part is None else [v[part] for v in values]) * factor
            return (whole if where is None else np.where(where, whole, np.nan)).astype(np.float64)

        maps[name] = stack("value"), unit
        if found[0].noise:
            errors[name] = stack("noise")
            later[f"{name}_total_error"] = stack("total"), unit

    later: dict[str, Quantity] = {}
    for name in scan.cell.free:
        put(name, "angstrom" if name in LENGTHS else "deg", name, None, where=inside)
    put("volume", "angstrom^3", "volume", None, where=inside)
    for kind, key, unit in (("fwhm", "fwhm_deg", "deg"), ("area", "area", "counts deg")):
        for k, name in enumerate(scan.names):
            fixed = kind == "fwhm"
            put(f"{kind}_{name}", unit, key, k, 1.0 if fixed else 1 / scan.scale, inside if fixed else None)
    put("background", "counts", "background", 0, 1 / scan.scale)
    maps["matter"] = inside.astype(np.float64), ""
    return maps | later, errors


def _mean(values: np.ndarray, places: int) -> float | None:
    kept = values[np.isfinite(values)]
    return round(float(kept.mean()), places) if kept.size else None


def numbers(
    found: list[LatticeSlice],
    scan: ScanSetup,
    maps: Mapping[str, Quantity],
    errors: Mapping[str, Float[np.ndarray, "z y x"]],
) -> Numbers:
    """Unweighted means over voxels with matter, medians of their standard errors, how well counts are explained."""
    inside = maps["matter"][0] > 0.5
    result: Numbers = {}
    keys = {name: f"{name}_{{}}_{'angstrom' if name in LENGTHS else 'deg'}" for name in scan.cell.free}
    for name, key in (keys | {"volume": "volume_{}_A3"}).items():
        values = maps[name][0][inside]
        result[key.format("mean")] = _mean(values, 6)
        result[key.format("scatter")] = round(float(values.std()), 6) if values.size else None
        if name in errors:
            result[key.format("error")] = round(float(np.median(errors[name][inside])), 6)
            total = maps[f"{name}_total_error"][0][inside]
            result[key.format("total_error")] = round(float(np.median(total)), 6)
    chi2, channels, freedom = (sum(one.figures[k] for one in found) for k in ("chi2", "channels", "freedom"))
    result["chi2_reduced"] = round(chi2 / max(channels - freedom, 1), 4)
    for name in scan.names:
        result[f"fwhm_{name}_mean_deg"] = _mean(maps[f"fwhm_{name}"][0][inside], 5)
    result["axis_shift_steps"] = round(float(scan.shift.mean()), 4)
    result |= {f"{n}_of_mean_pattern": v for n, v in zip(scan.cell.free, scan.cell.parameters)}
    return result | {
        "parameters_decided": round(freedom, 1),
        "voxels": int(inside.sum()),
        "slices": len(found),
    }


def _file_truth(path: str, reader: AbstractPatternReader) -> dict[str, np.ndarray]:
    with reader.access.open(path) as file:
        names = [n for n in file.children("entry") if file.has(f"entry/{n}/data")]
        return {n: file.array(f"entry/{n}/data").astype(np.float64) for n in names}


def truth_of(
    reader: AbstractPatternReader, shape: tuple[int, ...], names: tuple[str, ...]
) -> dict[str, Float[np.ndarray, "z y x"]]:
    """Maps by the names of `as_maps`, and `inside`, of a simulation: the reader's own, or those of truth.h5 beside its file."""
    given: Any = getattr(reader, "truth", None)
    beside = os.path.join(os.path.dirname(reader.source), TRUTH)
    known: dict[str, np.ndarray] = {}
    if given is not None:
        known = given()
    elif os.path.isfile(beside):
        known = _file_truth(beside, reader)
    wanted = {"a": "a_angstrom", "c": "c_angstrom", "inside": "inside"}
    wanted |= {f"fwhm_{n}": f"fwhm_{n}_deg" for n in names} | {f"area_{n}": f"area_{n}" for n in names}
    found = {
        name: np.asarray(known[key], np.float64)
        for name, key in wanted.items()
        if key in known and known[key].shape == shape
    }
    if {"a", "c"} <= found.keys():
        found["volume"] = np.sqrt(3) / 2 * found["a"] ** 2 * found["c"]
    return found


def against_truth(
    maps: Mapping[str, Quantity],
    errors: Mapping[str, Float[np.ndarray, "z y x"]],
    truth: Mapping[str, Float[np.ndarray, "z y x"]],
) -> Numbers:
    """Root mean square errors over whole voxels of a simulation with matter; of areas relative to their mean; and in how many
    of them the truth lies within two standard errors."""
    if "inside" not in truth:
        return {}
    where = (truth["inside"] > INSIDE) & (maps["matter"][0] > 0.5)
    result: Numbers = {"voxels_judged": int(where.sum())}
    for name in (n for n in truth if n in maps):
        both = where & np.isfinite(truth[name])
        off = maps[name][0][both] - truth[name][both]
        if not off.size:
            continue
        scale = float(truth[name][both].mean()) if name.startswith("area") else 1.0
        result[f"{name}_rmse"] = round(float(np.sqrt(np.mean(off**2))) / scale, 6)
        result[f"{name}_bias"] = round(float(off.mean()) / scale, 6)
        if name in errors and not name.startswith("area"):
            for kind, spread in (("", errors[name]), ("total_", maps[f"{name}_total_error"][0])):
                share = np.mean(np.abs(off) <= 2 * spread[both])
                result[f"{name}_within_two_{kind}errors"] = round(float(share), 4)
    return result
