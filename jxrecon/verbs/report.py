"""Draw a run's figures and report again, from its result: jxrecon report RUN"""

import argparse

from ..cli import Parser
from .resume import run_path


def options(made: Parser) -> None:
    made.add_argument("run", metavar="RUN", help="folder of a finished run")


def main(options: argparse.Namespace) -> int:
    path = run_path(options.run)
    from ..outcome import show
    from ..result import load

    show(load(path), path)
    print(path / "report.html")
    return 0
