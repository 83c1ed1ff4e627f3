"""Other packages' scripts as contestants of a speed comparison.

Each package keeps an environment of its own. A folder (`--peers`) holds one script per package, which reads the plain layout

    SCRIPT DATA --batch B --epochs E --warmup W --threads 1 --out FILE [its own options]

and prints one line of JSON. Engines and options are those with which each package did best, on the simulated set of the README.
Packages: pty-chi (PyPI `ptychi`), phaser (`phaserem[jax]`), CDTools (`cdtools-py`).
"""

import dataclasses
import sys
from collections.abc import Sequence
from pathlib import Path

from contest import Contestant


@dataclasses.dataclass(frozen=True)
class Peer:
    """One engine of one package. `python` names its interpreter in `--python PACKAGE=PATH`."""

    name: str
    package: str
    script: str
    options: tuple[str, ...]


LSQML = Peer("pty-chi LSQML", "ptychi", "ptychi_ptycho.py", ("--engine", "lsqml"))
AUTODIFF = Peer("pty-chi autodiff", "ptychi", "ptychi_ptycho.py", ("--engine", "autodiff", "--lr", "0.01"))
PHASER = Peer(
    "phaser gradient",
    "phaser",
    "phaserem_ptycho.py",
    ("--engine", "gradient", "--backend", "jax", "--lr", "0.03"),
)
FANCY = Peer("CDTools fancy", "cdtools", "cdtools_ptycho.py", ("--model", "fancy"))
SIMPLE = Peer("CDTools simple", "cdtools", "cdtools_ptycho.py", ("--model", "simple"))

SUBPIXEL = (LSQML, PHASER, AUTODIFF, FANCY)
INTEGER = (SIMPLE,)


def interpreters(pairs: Sequence[str]) -> dict[str, str]:
    """`PACKAGE=PATH` pairs of the command line as a dict."""
    packages = sorted({peer.package for peer in (*SUBPIXEL, *INTEGER)})
    chosen = {}
    for pair in pairs:
        package, equals, path = pair.partition("=")
        if not equals or package not in packages:
            raise SystemExit(f"`--python {pair}`: expected PACKAGE=PATH with one of {', '.join(packages)}.")
        if not Path(path).exists():
            raise SystemExit(f"`--python {pair}`: there is no file {path}.")
        chosen[package] = path
    return chosen


def contestants(
    peers: Sequence[Peer], folder: Path | None, python: dict[str, str], data: Path, batch: int, epochs: int
) -> list[Contestant]:
    """Those of `peers` whose script is in `folder`, ready to run; none without a folder."""
    if folder is None:
        return []
    common = ("--batch", str(batch), "--epochs", str(epochs), "--warmup", "3", "--threads", "1")
    return [
        Contestant(
            peer.name,
            (
                python.get(peer.package, sys.executable),
                str(folder / peer.script),
                str(data),
                *common,
                *("--out", f"{peer.package}.npz"),
                *peer.options,
            ),
        )
        for peer in peers
        if (folder / peer.script).exists()
    ]
