"""The command line: `jxrecon [VERB] ...`, one file per verb in `verbs`, `run` when none is named.

Exit codes: 0 done, 2 the input cannot be used (one line on stderr), 75 stopped on request and ready to resume, 1 anything else.
Nothing here imports JAX or physics; a verb does when it starts.
"""

import argparse
import importlib
import os
import signal
import sys
import traceback
from collections.abc import Sequence
from typing import NoReturn

from .errors import InputError
from .signals import leave_at_once
from .spelling import suggestion

VERBS = {
    "run": "reconstruct (this is done when no verb is given)",
    "check": "config, data file, devices and predicted memory, without running",
    "resume": "go on with a run that was stopped",
    "report": "draw a run's figures and report again",
    "inspect": "what a data file holds and how it would be read",
    "doctor": "versions, devices, folders, optional packages",
    "collect": "one table of the results of many runs",
}
TAKE_A_VALUE = (
    "--trust",
    "--config-dir",
    "-cd",
    "--cfg",
    "-c",
    "--package",
    "-p",
    "--shell-completion",
    "-sc",
)
USAGE = """jxrecon: differentiable reconstruction for X-ray imaging and diffraction

  jxrecon [run] experiment=NAME data.path=FILE key=value ...
"""
EPILOG = """
Overrides are Hydra's: key=value, +key=value, ~key, group=file; -m experiment=a,b seed=1,2,3 sweeps.
  jxrecon --cfg job experiment=NAME     print the config and stop      hydra.run.dir=DIR   choose the run's folder
  eval "$(jxrecon -sc install=bash)"    completion with the TAB key    jxrecon VERB --help more on a verb
Exit codes: 0 done, 2 wrong input, 75 stopped and ready for `jxrecon resume`, 1 other errors.
"""


class Parser(argparse.ArgumentParser):
    """argparse whose errors are `InputError`s that name the nearest option."""

    def error(self, message: str) -> NoReturn:
        unknown = message.partition("unrecognized arguments: ")[2].split()
        if unknown:
            options = [o for action in self._actions for o in action.option_strings]
            near = suggestion(unknown[0], options)
            message = f"`{unknown[0]}` is no option of `{self.prog}`{near}"
        raise InputError(f"{message.rstrip('.')}.")


def parser(verb: str, description: str) -> Parser:
    """A parser with the options that all verbs share."""
    made = Parser(
        prog="jxrecon" if verb == "run" else f"jxrecon {verb}",
        description=description,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    made.add_argument("--version", action="store_true", help="print the version and stop")
    made.add_argument("--debug", action="store_true", help="show the traceback of an error")
    made.add_argument(
        "--trust", action="append", default=[], metavar="PACKAGE", help="let configs name its Modules"
    )
    return made


def config_options(made: Parser) -> None:
    """Options of the verbs that compose a config."""
    made.add_argument("overrides", nargs="*", metavar="key=value", help="changes to the config")
    made.add_argument(
        "--config-dir",
        "-cd",
        action="append",
        default=[],
        metavar="DIR",
        help="folder with configs of your own",
    )


def split_verb(arguments: Sequence[str]) -> tuple[str, list[str]]:
    """(verb, its arguments); raises `InputError` for a first word that is neither a verb nor an override."""
    position = 0
    while position < len(arguments):
        word = arguments[position]
        if word in VERBS:
            return word, [*arguments[:position], *arguments[position + 1 :]]
        if not (word.startswith(("-", "~")) or "=" in word):
            raise InputError(f"`{word}` is neither a verb nor `key=value`{suggestion(word, VERBS)}.")
        position += 2 if word in TAKE_A_VALUE else 1
    return "run", list(arguments)


def help_text() -> str:
    verbs = "\n".join(f"  {name:9s}{what}" for name, what in VERBS.items())
    return f"{USAGE}\nVerbs\n{verbs}\n{EPILOG}"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command and return its exit code. Without arguments, those of the process, which ends afterwards."""
    final = arguments is None
    arguments = sys.argv[1:] if arguments is None else list(arguments)
    if final:
        signal.signal(signal.SIGINT, leave_at_once)
    try:
        code = _dispatch(list(arguments), final)
        sys.stdout.flush()
        return code
    except BrokenPipeError:  # `jxrecon --cfg job | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        return 0
    except KeyboardInterrupt:
        return _fail("interrupted before the first step; no result was written.", 1)
    except InputError as error:
        return _fail(str(error), 2, "--debug" in arguments)
    except Exception as error:
        return _fail(explain(error), 1, "--debug" in arguments)


def explain(error: Exception) -> str:
    """One line for an error that is not the user's input."""
    text = " ".join(str(error).split())
    if isinstance(error, MemoryError) or "RESOURCE_EXHAUSTED" in text:
        return f"out of memory ({text[:200]}); lower `batch_size` or `model.group`, or crop or bin the data; see `jxrecon check`."
    if isinstance(error, (OSError, ArithmeticError)):
        return text
    return f"{type(error).__name__}: {text[:500]} (the traceback: `--debug`)"


def _fail(message: str, code: int, debug: bool = False) -> int:
    if debug:
        traceback.print_exc()
    print(f"jxrecon: {' '.join(message.split())}", file=sys.stderr)
    return code


def _dispatch(arguments: list[str], final: bool) -> int:
    verb, rest = split_verb(arguments)
    explicit = verb in arguments
    if not explicit and any(word in ("-h", "--help") for word in rest):
        print(help_text())
        return 0
    if "--version" in rest:
        from . import __version__

        print(f"jxrecon {__version__}")
        return 0
    module = importlib.import_module(f".verbs.{verb}", __package__)
    made = parser(verb, module.__doc__ or "")
    module.options(made)
    try:
        options = made.parse_intermixed_args(rest)
    except SystemExit as leave:  # --help of a verb
        return int(leave.code or 0)
    _trust(options.trust)
    options.final = final
    return module.main(options)


def _trust(packages: list[str]) -> None:
    """Hand `--trust` on to this process and the ones that a sweep starts."""
    if packages:
        before = os.environ.get("JXRECON_TRUST", "")
        os.environ["JXRECON_TRUST"] = ",".join(filter(None, [before, *packages]))
