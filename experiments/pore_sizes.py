"""How right are pore sizes? Bodies of known size, a particle known on finer voxels, and the time that the map takes.

    bodies   slabs and balls of 2.5 to 12 voxels anywhere and in any direction: bias of the mean diameter, in voxels
    twin     pores of two states on 20 nm voxels against those on 10 nm (2 r - 1 voxels there): Wasserstein-1 distance of the
             distributions, nm; with noise in the shares; and the sub-voxel diameters against those on 10 nm (`like_for_like`)
    times    CPU seconds on 128^3 and 256^3 voxels and their ratios, all in one run

Methods: `2r` and `2r-1` (exact on voxels), `split` (exact, on voxels that were split by their shares), `subvoxel`, and, where
--python names an interpreter that has PoreSpy and localthickness, theirs (`pore_peers.py`) in both conventions. What would be
good: bias of `subvoxel` within 0.25 on slabs and 0.4 on balls; a distance of at most 5 nm; at most the time of PoreSpy's exact
method.

    python experiments/pore_sizes.py --python peers/bin/python --out pore_sizes.json

About 10 minutes on two cores, two of them without --full, which leaves 256^3 to the exact map alone.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from jxrecon.analysis.local_thickness import diameter, local_squared_radius
from jxrecon.analysis.split_voxels import split_voxels
from jxrecon.analysis.subvoxel_thickness import subvoxel_thickness
from jxrecon.twin.particle import preset

SIZES = (2.5, 3.0, 4.0, 5.3, 7.0, 10.4, 12.0)
SIDE = 40
STATES = ("cycled_small", "delithiated")
NOISE = (0.02, 0.05, 0.1)  # of the shares
VOXEL_NM = 20.0


def body(shape: str, size: float, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Share of pore, and which voxels are judged: away from the end of a slab."""
    place = np.stack(np.meshgrid(*[np.arange(SIDE) - SIDE / 2 + 0.5] * 3, indexing="ij"), axis=-1)
    aside, normal = place - rng.uniform(-0.5, 0.5, 3), rng.normal(size=3)
    along = np.abs(aside @ normal) / np.linalg.norm(normal)
    distance = (along if shape == "slab" else np.linalg.norm(aside, axis=-1)) - size / 2
    middle = np.linalg.norm(place, axis=-1)
    share = np.clip(0.5 - distance, 0, 1)
    if shape == "slab":
        share = share * (middle < 0.47 * SIDE)
    return share, (share > 0.5) & (middle < 0.3 * SIDE)


def distance_nm(found: np.ndarray, true: np.ndarray) -> float:
    """Wasserstein-1 distance of two samples."""
    level = np.linspace(0.0005, 0.9995, 2000)
    return float(np.mean(np.abs(np.quantile(found, level) - np.quantile(true, level))))


def peers_of(python: str | None, volumes: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """What `pore_peers.py` finds; nothing without an interpreter."""
    if python is None:
        return {}
    with tempfile.TemporaryDirectory() as folder:
        given, got = (str(Path(folder) / name) for name in ("in.npz", "out.npz"))
        np.savez_compressed(given, allow_pickle=False, **volumes)
        script = Path(__file__).with_name("pore_peers.py")
        environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
        subprocess.run(
            [python, str(script), given, got], check=True, env=environment, stderr=subprocess.DEVNULL
        )
        with np.load(got) as found:
            return {name: found[name] for name in found.files}


def radii(found: dict[str, np.ndarray], name: str) -> dict[str, np.ndarray]:
    """The maps of one volume by method, without times."""
    parts = [key.split("/") for key in found]
    return {part[1]: found["/".join(part)] for part in parts if part[0] == name and len(part) == 2}


def bodies(python: str | None, repeats: int) -> dict:
    """Mean bias and its spread over positions and directions, voxels, by body and method."""
    drawn = {}
    for shape in ("slab", "ball"):
        for size in SIZES:
            rng = np.random.default_rng(0)
            for k in range(repeats):
                drawn[f"{shape} {size} {k}"] = (size, *body(shape, size, rng))
    found = peers_of(python, {name: share > 0.5 for name, (_, share, _) in drawn.items()})
    bias: dict[str, dict[str, list[float]]] = {}
    for name, (size, share, judged) in drawn.items():
        squared = local_squared_radius(share > 0.5)
        maps = {"2r": diameter(squared, corrected=False), "2r-1": diameter(squared)}
        maps |= {"subvoxel": subvoxel_thickness(share)}
        maps |= {label: 2.0 * radius for label, radius in radii(found, name).items()}
        row = bias.setdefault(name.rsplit(" ", 1)[0], {})
        for label, values in maps.items():
            row.setdefault(label, []).append(float(values[judged & (values > 0)].mean()) - size)
    return {
        name: {label: [round(float(f(v)), 3) for f in (np.mean, np.std)] for label, v in row.items()}
        for name, row in bias.items()
    }


def particle(state: str, size: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Pores and their shares on 20 nm voxels, the same on 10 nm, and the particle on 20 nm."""
    coarse = preset("small", state=state, supersample=2, size=size, radius_m=1.15e-6 * size / 128)
    maps, fine = coarse.maps(3), coarse.finer(2).maps(3)
    shares = [np.clip(m.inside - m.occupancy, 0, 1) for m in (maps, fine)]
    return maps.pore, shares[0], fine.pore, shares[1], maps.particle


def twin(python: str | None, size: int, full: bool) -> dict:
    """Distance to the pores on 10 nm voxels, and the mean, nm, by state and method."""
    table = {}
    for state in STATES:
        pore, share, fine, fine_share, mask = particle(state, size)
        true = diameter(local_squared_radius(fine)[fine], VOXEL_NM / 2)
        squared = local_squared_radius(pore)[pore]
        sizes = {"2r": diameter(squared, VOXEL_NM, False)}
        for noise in (0.0, *NOISE):
            seen = np.clip(share + noise * mask * np.random.default_rng(0).standard_normal(mask.shape), 0, 1)
            small, mark = split_voxels(seen, least=3 * noise), f", noise {noise}" * (noise > 0)
            sizes[f"split{mark}"] = diameter(local_squared_radius(small)[small], VOXEL_NM / 2)
            large = seen > 0.5
            sizes[f"2r-1{mark}"] = diameter(local_squared_radius(large)[large], VOXEL_NM)
        smooth = subvoxel_thickness(share, VOXEL_NM)
        sizes["subvoxel"] = smooth[smooth > 0]
        for label, radius in radii(peers_of(python, {state: pore}), state).items():
            sizes[label] = 2.0 * VOXEL_NM * radius[pore]
            sizes[f"{label} 2r-1"] = np.maximum(sizes[label] - VOXEL_NM, 0)
        table[state] = {"truth": {"mean_nm": float(true.mean())}}
        for name, values in sizes.items():
            table[state][name] = {"w1_nm": distance_nm(values, true), "mean_nm": float(values.mean())}
        if full:
            exact = subvoxel_thickness(fine_share, VOXEL_NM / 2)
            like = distance_nm(sizes["subvoxel"], exact[exact > 0])
            table[state]["like_for_like"] = {"w1_nm": like, "mean_nm": float(exact[exact > 0].mean())}
    return table


def seconds(work, *arguments) -> float:
    """CPU seconds of the faster of two calls."""
    spent = []
    for _ in range(2):
        start = time.process_time()
        work(*arguments)
        spent.append(time.process_time() - start)
    return min(spent)


def times(python: str | None, size: int, full: bool) -> dict:
    """CPU seconds by volume, ours over the peers', and whether the maps are the same."""
    pore, share, fine, fine_share, _ = particle(STATES[0], size)
    volumes, record = {"coarse": pore, "fine": fine}, {}
    found = peers_of(python, volumes if full else {"coarse": pore})
    for name, volume in volumes.items():
        row: dict = {"shape": list(volume.shape), "pores": int(volume.sum())}
        row["exact_s"] = seconds(local_squared_radius, volume)
        if full or name == "coarse":
            row["subvoxel_s"] = seconds(subvoxel_thickness, share if name == "coarse" else fine_share)
        squared = local_squared_radius(volume)
        for label, radius in radii(found, name).items():
            row[f"{label}_s"] = float(found[f"{name}/{label}/cpu_s"])
            row[f"exact over {label}"] = row["exact_s"] / row[f"{label}_s"]
            row[f"voxels other than {label}"] = int(np.sum(np.abs(radius**2 - squared) > 0.01))
        record[name] = row
    return record


PARTS = {
    "bodies": lambda a: bodies(a.python, a.repeats),
    "twin": lambda a: twin(a.python, a.size, a.full),
    "times": lambda a: times(a.python, a.size, a.full),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--python", help="interpreter that has porespy, localthickness and edt")
    parser.add_argument("--out", type=Path)
    parser.add_argument("--full", action="store_true", help="peers and sub-voxel diameters on 256^3 as well")
    parser.add_argument("--size", type=int, default=128, help="voxels of 20 nm along an edge")
    parser.add_argument("--repeats", type=int, default=6)
    parser.add_argument("--parts", nargs="*", default=list(PARTS), choices=list(PARTS))
    a = parser.parse_args()
    record = json.loads(a.out.read_text()) if a.out and a.out.exists() else {}
    for name in a.parts:
        record[name] = PARTS[name](a)
        record["load1"] = os.getloadavg()[0]
        if a.out:
            a.out.write_text(json.dumps(record, indent=1))
    sys.stdout.write(json.dumps(record, indent=1) + "\n")


if __name__ == "__main__":
    main()
