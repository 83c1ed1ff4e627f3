"""Can intensities that depend on the angle fake a core and a shell, and does a free factor help?

Tsai et al. (iScience 11, 356, 2019, figure 4A) see (101) stand out in the core of a particle and (003) at its surface. Here is
a particle whose voxels all scatter alike (the twin's pristine one, `shells=False`), measured with what a real one has: few grains
in a voxel, so that in each view some reflections are weak and some strong by chance; and grains that lie in order about the
radius (`twin.diffraction_factors`). The ratio of areas in the core (radius below 0.5) to those in the shell (0.7 to 0.95) is
compared with the truth, 0 being no bias: in projections (windows around the peaks, rays through the middle third against those
beyond two thirds), and in maps that were reconstructed

    fbp        channel by channel, with a fit of every voxel
    none       directly, without a factor
    waves      directly, with a free factor for each view and reflection: two waves of the angle (`angular_factors.fourier`)
    radial     directly, with a texture about the radius: one free coefficient for each reflection (`radial_texture`)

    python experiments/angular_bias.py --out bias/

About 5 minutes of CPU; what is in the folder already is not done again. `--fast` checks the script.
"""

import argparse
import dataclasses
import json
import sys
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float
from twin_scan import NAMES, Prepared, prepared, simulation
from two_step_baselines import free_fit, reconstructed

from jxrecon.analysis.lattice import between_radii
from jxrecon.classical.angular_fit import direct_lattice_with_factors
from jxrecon.classical.direct_lattice import direct_lattice
from jxrecon.classical.two_step_lattice import first_lattice
from jxrecon.forward.angular_factors import fourier, radial_texture
from jxrecon.twin.acquisition import TiltAngles
from jxrecon.twin.diffraction_nuisances import DiffractionNuisances
from jxrecon.twin.scanning_diffraction import DiffractionScan

CASES = {
    "powder": DiffractionNuisances(),
    "grains": DiffractionNuisances(grains=300.0),
    "texture": DiffractionNuisances(texture=0.5),
    "both": DiffractionNuisances(grains=300.0, texture=0.5),
}
CORE, SHELL = (0.0, 0.5), (0.7, 0.95)
METHODS = ("projection", "fbp", "none", "waves", "radial")
NEAR_DEG = 0.4  # of a peak: its window in a projection
TURNS = 6
SETUP: dict[str, Any] = {"angles": TiltAngles(count=60), "two_theta": (7.5, 21.5, 0.04), "shells": False}


def contrast(area: Float[np.ndarray, "y x peak"], truth: dict[str, np.ndarray]) -> dict[str, float]:
    """Core over shell of each reflection, relative to the truth's, less one."""
    inside = truth["inside"][0] > 0.99
    radius = truth["radius"][0]
    core, shell = (between_radii(radius, inside, *r) for r in (CORE, SHELL))
    found = {}
    for k, name in enumerate(NAMES):
        exact = truth[f"area_{name}"][0]
        ratio = area[core, k].mean() / area[shell, k].mean()
        found[name] = float(ratio / (exact[core].mean() / exact[shell].mean()) - 1)
    return found


def windows(scan: DiffractionScan) -> Float[np.ndarray, "u peak"]:
    """Expected counts of the peaks in the mean view, on what lies beside their windows."""
    x, mean = scan.patterns.two_theta_deg, scan.expected.mean(axis=(0, 1))
    found = []
    for name in NAMES:
        inside = scan.maps["inside"][0] > 0.99
        away = np.abs(x - np.mean(scan.maps[f"centre_{name}_deg"][0][inside]))
        near, beside = away < NEAR_DEG, (away >= NEAR_DEG) & (away < 1.5 * NEAR_DEG)
        found.append((mean[:, near] - mean[:, beside].mean(axis=1, keepdims=True)).sum(axis=1))
    return np.stack(found, axis=1)


def projected(scan: DiffractionScan, powder: DiffractionScan) -> dict[str, float]:
    """As `contrast`, of the rays through the middle and those at the rim, relative to a powder."""
    counts, plain = windows(scan), windows(powder)
    half = np.sum(plain[:, 0] > 0.1 * plain[:, 0].max()) / 2
    u = np.abs(np.arange(len(plain)) - (len(plain) - 1) / 2) / half
    middle, rim = u < 1 / 3, (u > 2 / 3) & (u < 1)
    ratio = [c[middle].sum(axis=0) / c[rim].sum(axis=0) for c in (counts, plain)]
    return dict(zip(NAMES, (ratio[0] / ratio[1] - 1).tolist(), strict=True))


def areas_of(lattice) -> Float[np.ndarray, "y x peak"]:
    return np.moveaxis(np.asarray(lattice.areas(), float)[..., 0], 0, -1)


def reconstructions(case: Prepared) -> tuple[dict[str, np.ndarray], dict[str, dict]]:
    """Areas by method, and the factors that were found."""
    x, size = case.phantom.two_theta_deg, case.counts.shape[2]
    volume = free_fit(reconstructed(case.phantom, "fbp"), case.phantom)
    areas = {"fbp": np.stack([volume[f"area{name}"] for name in NAMES], axis=-1)}
    start = first_lattice(case.counts, case.model, x, fwhm_deg=case.fwhm_deg)
    counts, key = case.model.binned(jnp.asarray(case.counts, jnp.float32)), jax.random.key(0)
    areas["none"] = areas_of(direct_lattice(case.model, counts, start, key=key).lattice)
    kinds = {
        "waves": (fourier(case.phantom.angle, len(NAMES)), 1),
        "radial": (radial_texture(case.phantom.angle, len(NAMES), (size, size, 1)), TURNS),
    }
    factors = {}
    for name, (kind, turns) in kinds.items():
        model = dataclasses.replace(case.model, factors=kind)
        fitted, fit = direct_lattice_with_factors(model, counts, start, key=key, turns=turns)
        areas[name] = areas_of(fitted.lattice)
        assert fit.model.factors is not None
        factors[name] = {
            "coefficient": np.round(np.asarray(fit.model.factors.coefficient, float), 4).tolist(),
            "error": np.round(fit.error, 4).tolist(),
        }
    return areas, factors


def table(records: dict[str, dict]) -> str:
    lines = [
        "core / shell of the areas, bias in per cent".ljust(46)
        + "".join(f"({name})".rjust(10) for name in NAMES)
    ]
    for case, record in records.items():
        for method in METHODS:
            values = record["bias"][method]
            lines.append(f"  {case:<10}{method:<34}" + "".join(f"{100 * values[n]:+10.1f}" for n in NAMES))
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path("angular_bias"))
    parser.add_argument("--cases", nargs="+", choices=list(CASES), default=list(CASES))
    parser.add_argument("--fast", action="store_true", help="smallest possible run, to check the script")
    a = parser.parse_args()
    a.out.mkdir(parents=True, exist_ok=True)
    path = a.out / "bias.json"
    records = json.loads(path.read_text()) if path.is_file() else {}
    fields: dict[str, Any] = SETUP | (
        {"angles": TiltAngles(count=24), "counts_per_voxel": 1e5} if a.fast else {}
    )
    powder = first = None
    for name in a.cases[-1:] if a.fast else a.cases:
        if name in records:
            continue
        powder = powder or simulation("pristine", a.fast, **fields)(0)
        setup = simulation("pristine", a.fast, **fields, nuisances=CASES[name])
        scan = setup(0)
        case = prepared(scan, setup, np.asarray(scan.patterns.counts), first)
        first = first or case
        areas, factors = reconstructions(case)
        bias = {"projection": projected(scan, powder)}
        bias |= {method: contrast(values, scan.maps) for method, values in areas.items()}
        records[name] = {"bias": bias, "factors": factors}
        path.write_text(json.dumps(records, indent=1))
        print(f"{name}: done", file=sys.stderr, flush=True)
    print(table(records))


if __name__ == "__main__":
    main()
