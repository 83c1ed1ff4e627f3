"""Do standard errors of lattice maps say by how much they are wrong? The same slice, measured fifty times.

The slice of `core_shell_phantom.py` on 32 x 32 voxels and 90 angles; everything is simulated on voxels three times finer with
another projector. Each draw of photon noise is reconstructed from the start (`classical.direct_lattice`, smoothness chosen anew),
every fifth one with its standard errors (`classical.lattice_errors`). Over the voxels that hold matter:

    the spread of the cell volume V over the draws / the stated error "noise": 1 within 0.2 in the median
    the truth within two stated errors "total" in 90 % of voxels; what "noise" alone covers, and the bias, beside it

"total" includes the bias that the prior is expected to cause. Where voxels are coarse for what is in them, the model errs too.

    python experiments/lattice_uncertainty.py --out uncertainty/

15 CPU seconds for each draw, 30 for one with errors; what is in the folder already is not done again. `--fast` checks the script.
"""

import argparse
import dataclasses
import json
import sys
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from answers import Answer
from core_shell_phantom import HKL, Phantom, phantom
from direct_tomography import model_of
from two_step_baselines import CELL, truth_of

from jxrecon.classical.direct_lattice import direct_lattice
from jxrecon.classical.lattice_errors import lattice_errors, readings
from jxrecon.classical.two_step_lattice import first_lattice
from jxrecon.figures.canvas import save
from jxrecon.figures.lattice_errors import stated_and_found
from jxrecon.storage import write_json_atomically

Maps = dict[str, np.ndarray]
NAMES = [f"{kind}{''.join(map(str, hkl))}" for kind in ("fwhm", "area") for hkl in HKL]
STEP_M = 0.5e-6  # between rays, on a grid of 64
CLOSE, TWICE, COVERED = 0.2, 2.0, 0.9
SMALLEST = 1e-12


@dataclasses.dataclass(frozen=True)
class Setting:
    """The measurement; `every`: which draws have standard errors, from so many solutions."""

    size: int = 32
    views: int = 90
    dose: float = 1.0
    draws: int = 50
    every: int = 5
    solutions: int = 24

    def data(self, seed: int) -> Phantom:
        return phantom(self.size, self.views, self.dose, seed)


def by_name(maps: Maps) -> Maps:
    """Maps y x by the names of `two_step_baselines`."""
    one = {"a": maps["a"], "c": maps["c"], "V": maps["volume"]}
    peaks = [*maps["fwhm_deg"], *maps["area"]]
    return {name: values[..., 0] for name, values in (one | dict(zip(NAMES, peaks))).items()}


def draw(setting: Setting, seed: int, folder: Path) -> None:
    """One measurement and its maps, in a file of its own."""
    data = setting.data(seed)
    model, counts = model_of(data), data.counts[:, None]
    start = first_lattice(counts, model, data.two_theta_deg)
    binned = model.binned(jnp.asarray(counts))
    fitted = direct_lattice(model, binned, start, key=jax.random.key(0))
    found = {f"value_{k}": v for k, v in by_name(readings(fitted.lattice, CELL)).items()}
    if seed % setting.every == 0:
        errors = lattice_errors(model, binned, fitted, draws=setting.solutions, seed=seed)
        for kind in ("noise", "total"):
            found |= {f"{kind}_{k}": v for k, v in by_name(getattr(errors, kind)).items()}
    np.savez(folder / f"{seed:03d}.tmp.npz", **found)  # pyright: ignore[reportArgumentType]
    (folder / f"{seed:03d}.tmp.npz").rename(folder / f"{seed:03d}.npz")


def collected(files: list[Path], kind: str) -> Maps:
    """Maps of all draws that have them, one above the other."""
    stacks: dict[str, list[np.ndarray]] = {}
    for path in files:
        with np.load(path) as stored:
            for name in stored.files:
                if name.startswith(f"{kind}_"):
                    stacks.setdefault(name.removeprefix(f"{kind}_"), []).append(stored[name])
    return {name: np.stack(maps) for name, maps in stacks.items()}


def judged(files: list[Path], setting: Setting) -> tuple[dict[str, dict[str, float]], Maps, np.ndarray]:
    """Figures by quantity; for V the maps of spread, noise and total; which voxels count."""
    data, every = setting.data(0), files[:: setting.every]
    truth, mask = truth_of(data), data.mask
    value, own, noise, total = (
        collected(f, k) for f, k in ((files, "value"), (every, "value"), (every, "noise"), (every, "total"))
    )
    figures, of_volume = {}, {}
    for name, values in value.items():
        spread = values.std(axis=0, ddof=1)
        stated, whole = (np.sqrt(np.mean(e[name] ** 2, axis=0)) for e in (noise, total))
        ratio = (spread / np.maximum(stated, SMALLEST))[mask]
        off = np.abs(own[name] - truth[name])
        bias = (values.mean(axis=0) - truth[name])[mask]
        figures[name] = {
            "spread_over_noise": float(np.median(ratio)),
            "spread_over_noise_quartiles": np.quantile(ratio, [0.25, 0.75]).tolist(),
            "within_two_total": float(np.mean((off <= TWICE * total[name])[:, mask])),
            "within_two_noise": float(np.mean((off <= TWICE * noise[name])[:, mask])),
            "within_two_total_all_draws": float(
                np.mean((np.abs(values - truth[name]) <= TWICE * whole)[:, mask])
            ),
            "noise_median": float(np.median(stated[mask])),
            "total_median": float(np.median(whole[mask])),
            "bias_rms": float(np.sqrt(np.mean(bias**2))),
        }
        if name == "V":
            of_volume = {"spread": spread, "noise": stated, "total": whole}
    return figures, of_volume, mask


def answers(figures: dict[str, dict[str, float]]) -> list[Answer]:
    volume = figures["V"]
    return [
        Answer("V: spread / stated noise in the median, off 1 by", abs(volume["spread_over_noise"] - 1), CLOSE, False),
        Answer("V: share of voxels with the truth within two total errors", volume["within_two_total"], COVERED, True),
    ]  # fmt: skip


def table(figures: dict[str, dict[str, float]]) -> str:
    lines = [
        "  quantity   spread/noise  (quartiles)   truth within 2 total  2 noise    noise     total   bias rms"
    ]
    for name, f in figures.items():
        low, high = f["spread_over_noise_quartiles"]  # pyright: ignore[reportGeneralTypeIssues]
        lines.append(
            f"  {name:<9} {f['spread_over_noise']:>12.3f}  ({low:.2f}, {high:.2f}) {f['within_two_total']:>16.3f}"
            f" {f['within_two_noise']:>12.3f} {f['noise_median']:>10.3g} {f['total_median']:>9.3g} {f['bias_rms']:>9.3g}"
        )
    return "\n".join(lines)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path("lattice_uncertainty"))
    parser.add_argument(
        "--dose", type=float, default=1.0, help="relative to 250 counts in the brightest channel"
    )
    parser.add_argument("--draws", type=int, default=50)
    parser.add_argument("--fast", action="store_true", help="smallest possible run, to check the script")
    return parser.parse_args()


def main() -> None:
    a = arguments()
    setting = Setting(dose=a.dose, draws=a.draws)
    if a.fast:
        setting = Setting(size=20, views=24, dose=4.0, draws=3, every=2, solutions=4)
    a.out.mkdir(parents=True, exist_ok=True)
    said = a.out / "setting.json"
    known = dataclasses.asdict(setting) | {"draws": None}
    if said.is_file() and json.loads(said.read_text()) != known:
        sys.exit(f"{a.out}: holds draws of another setting ({said}); choose another folder.")
    write_json_atomically(said, known)
    files = [a.out / f"{seed:03d}.npz" for seed in range(setting.draws)]
    for seed, path in enumerate(files):
        if not path.is_file():
            draw(setting, seed, a.out)
            print(f"draw {seed}: done", file=sys.stderr, flush=True)
    figures, volume, mask = judged(files, setting)
    write_json_atomically(a.out / "uncertainty.json", {"setting": dataclasses.asdict(setting), **figures})
    save(stated_and_found(volume, mask, "V, Å³", STEP_M * 64 / setting.size), a.out / "uncertainty.png")
    print(f"{setting}, {int(mask.sum())} voxels\n\n{table(figures)}\n")
    print(*answers(figures), sep="\n")


if __name__ == "__main__":
    main()
