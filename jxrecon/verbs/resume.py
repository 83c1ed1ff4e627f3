"""Go on with a run that was stopped or died: jxrecon resume RUN

On one CPU device the outcome is the same, to the last bit, as if the run had never been stopped.
`epochs=N`, `save_every_s=S` and `devices=N` may be changed; a finished run goes on when it gets more epochs.
"""

import argparse
from pathlib import Path
from typing import Any

from ..cli import Parser
from ..errors import InputError


def options(made: Parser) -> None:
    made.add_argument("run", metavar="RUN", help="folder of the run")
    made.add_argument(
        "overrides", nargs="*", metavar="key=value", help="epochs=N, save_every_s=S or devices=N"
    )


def main(options: argparse.Namespace) -> int:
    path = run_path(options.run)
    from ..run import resume

    return resume(path, changes(options.overrides), final=options.final)


def run_path(name: str) -> Path:
    """A run folder, also by one of its files; raises `InputError` when there is none."""
    path = Path(name).expanduser()
    path = path.parent if path.is_file() else path
    if not path.is_dir():
        raise InputError(f"{name}: no such run folder.")
    if not (path / "config.yaml").exists():
        raise InputError(
            f"{name}: is no run folder (it has no `config.yaml`); expected what `jxrecon run` made."
        )
    return path


def changes(overrides: list[str]) -> dict[str, Any]:
    """`key=value` texts of the settings that a resumed run may change."""
    from ..config import loads
    from ..run import FREE_ON_RESUME
    from ..spelling import suggestion

    changed = {}
    for text in overrides:
        key, sign, value = text.partition("=")
        if not sign or key not in FREE_ON_RESUME:
            raise InputError(
                f"`{text}`: a resumed run may not change `{key}`{suggestion(key, FREE_ON_RESUME)}."
            )
        changed.update(loads(f"{key}: {value}", text))
    return changed
