"""Are a particle's cracks found, told apart, and said to reach as far as they do? Twins of three states, whose cracks are known.

A voxel of 20 nm belongs to a crack where its middle lies in the crack's slab; its width there is the slab's. Printed as JSON, by
particle: `recall` of the pores in cracks wider than 1.5 voxels, `precision` (found pores within a voxel of a true crack), and
for each true crack the found one that holds most of its pores, with its outer radius, whether both come from the core, and
whether both reach the surface (the true one if any of its voxels lies under at most three voxels of solid). What would be good:
a recall of 0.9 for every particle, and both flags right for every crack.

    python experiments/crack_recall.py --out cracks.json

About a minute of CPU for each of ten particles.
"""

import argparse
import json
import sys
from pathlib import Path

import numpy as np
from scipy import ndimage

from jxrecon.analysis.cracks import CORE, SURFACE, Cracks, find_cracks
from jxrecon.analysis.local_thickness import local_thickness
from jxrecon.twin.body import Body
from jxrecon.twin.cracks import CLOSED_M, SEED_SHARE
from jxrecon.twin.particle import Particle, preset

SEEDS = {"cycled_small": range(6), "cycled_large": range(2), "delithiated": range(2)}
WIDE = 1.5  # voxels
AT_ONCE = 200_000


def widths_m(body: Body, particle: Particle, inside: np.ndarray) -> np.ndarray:
    """Of each crack at the middle of each voxel; 0 outside its slab."""
    axis, where = particle.axis_m(), np.argwhere(inside)
    found = np.zeros((len(body.cracks), *inside.shape), np.float32)
    for start in range(0, len(where), AT_ONCE):
        some = where[start : start + AT_ONCE]
        place = body.at(axis[some].astype(np.float32))
        for k, (sheet, margin) in enumerate(zip(place.sheets, body.seed_margin)):
            half = sheet.width / 2 - SEED_SHARE / (1 - SEED_SHARE) * margin[place.grains.first]
            half = np.where(sheet.width > CLOSED_M, np.maximum(half, 0), 0)
            found[k][tuple(some.T)] = np.where(np.abs(sheet.distance) < half, 2 * half, 0)
    return found


def compared(
    found: Cracks, truth: np.ndarray, pore: np.ndarray, depth: np.ndarray, rho: np.ndarray
) -> list[dict]:
    """One row for each true crack."""
    rows = []
    for crack in truth:
        there = crack > 0
        held = [
            int(np.count_nonzero(there & pore & (found.label == k + 1))) for k in range(len(found.cracks))
        ]
        row = {"outer": float(rho[there].max()), "to_surface": bool(depth[there].min() <= SURFACE)}
        row |= {"from_core": bool(rho[there].min() < CORE), "held": held}
        if any(held):
            best = found.cracks[int(np.argmax(held))]
            row |= {"found_outer": best.outer, "core_right": best.from_core == row["from_core"]}
            row |= {"surface_right": best.to_surface == row["to_surface"]}
        rows.append(row)
    return rows


def judged(state: str, seed: int) -> dict:
    particle = preset("small", state=state)
    drawn, axis = particle.draw(seed), particle.axis_m()
    maps = drawn.maps(axis, axis, axis, particle.supersample)
    truth = widths_m(drawn.body, particle, maps.inside > 0) * maps.particle
    share = np.clip(maps.inside - maps.occupancy, 0, 1)
    found = find_cracks(share, maps.particle, local_thickness(maps.pore))
    wide = (truth.max(axis=0) > WIDE * particle.voxel_m) & maps.pore
    near = np.asarray(ndimage.binary_dilation(truth.max(axis=0) > 0))
    depth = np.asarray(ndimage.distance_transform_edt(maps.particle))
    r = np.linalg.norm(np.stack(np.meshgrid(axis, axis, axis, indexing="ij")), axis=0) / particle.voxel_m
    return {
        "wide": int(wide.sum()),
        "recall": float(np.mean(found.label[wide] > 0)),
        "precision": float(np.mean(near[found.label > 0])) if found.cracks else None,
        "found": len(found.cracks),
        "cracks": compared(found, truth, maps.pore, depth, r / (r + depth)),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--states", nargs="*", default=list(SEEDS))
    a = parser.parse_args()
    record = {f"{state} {seed}": judged(state, seed) for state in a.states for seed in SEEDS[state]}
    rows = [row for one in record.values() for row in one["cracks"]]
    total = {
        "least recall": min(one["recall"] for one in record.values()),
        "cracks": len(rows),
        "core right": sum(row.get("core_right", False) for row in rows),
        "surface right": sum(row.get("surface_right", False) for row in rows),
    }
    text = json.dumps({"particles": record, "total": total}, indent=1)
    sys.stdout.write(text + "\n")
    if a.out:
        a.out.write_text(text)


if __name__ == "__main__":
    main()
