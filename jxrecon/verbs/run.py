"""Reconstruct: read the data, fit, and leave a run folder with result, figures and report.

Without any argument the digital twin is measured and reconstructed in three dimensions: a minute or two, and no file is needed.
"""

import argparse
import sys
from pathlib import Path

from ..cli import Parser, config_options

FIRST_RUN = "experiment=joint_ptychotomography"


def options(made: Parser) -> None:
    config_options(made)
    made.add_argument("--multirun", "-m", action="store_true", help="run all combinations of key=a,b")
    made.add_argument("--cfg", "-c", choices=["job"], help="print the config and stop")
    made.add_argument("--resolve", action="store_true", help="with --cfg: resolve interpolations")
    made.add_argument("--package", "-p", metavar="KEY", help="with --cfg: only this part")
    made.add_argument(
        "--shell-completion", "-sc", metavar="install=bash", help="completion for bash, zsh or fish"
    )


def main(options: argparse.Namespace) -> int:
    folders = [Path(folder) for folder in options.config_dir]
    if options.shell_completion:
        from ..completion import complete

        return complete(options.shell_completion)
    if options.cfg:
        return show(options, folders)
    overrides = options.overrides or [FIRST_RUN]
    if options.multirun:
        return _sweep(overrides, folders)
    from ..config import compose

    composed = compose(overrides, folders)
    if "simulation" in composed.cfg:
        from ..simulate import simulate

        return simulate(composed)
    if "task" in composed.cfg:
        from ..perform import perform

        return perform(composed)
    from ..run import run

    return run(composed, final=options.final)


def show(options: argparse.Namespace, folders: list[Path]) -> int:
    """Print the composed config."""
    from omegaconf import OmegaConf

    from ..config import compose_raw, one_line, without_hydra
    from ..errors import InputError

    cfg = without_hydra(compose_raw(options.overrides, folders))
    with one_line("config"):
        part = OmegaConf.select(cfg, options.package) if options.package else cfg
        if part is None:
            raise InputError(f"`{options.package}` is no key of this config.")
        print(
            OmegaConf.to_yaml(part, resolve=options.resolve) if OmegaConf.is_config(part) else part, end="\n"
        )
    return 0


def _sweep(overrides: list[str], folders: list[Path]) -> int:
    from ..sweep import sweep
    from .collect import collect

    code, folder = sweep(overrides, folders)
    print(collect(folder), file=sys.stderr)
    return code
