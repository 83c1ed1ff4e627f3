"""The folder that a run leaves behind, and the claim on it.

    config.yaml  command.txt  versions.json  run.log      what was asked, by which program
    status.json                                           running, stopped, finished or failed; epoch, step, loss, time
    metrics.jsonl                                         one line per epoch, as it goes
    checkpoint.h5                                         the state to go on from
    metrics.json  result.h5  figures/  report.html        the outcome

A folder belongs to the first process that creates `.claim` in it (O_EXCL, which holds on network file systems too); that
process keeps the file locked while it lives, so that `resume` can tell a dead run from a running one.
"""

import contextlib
import dataclasses
import datetime
import fcntl
import json
import math
import os
import shlex
import socket
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from .errors import InputError
from .storage import write_json_atomically, write_text_atomically

CLAIM = ".claim"


def stamp() -> str:
    """Date, time to the microsecond and process id: `2026-01-31_14-05-59-123456_4711`."""
    return f"{datetime.datetime.now():%Y-%m-%d_%H-%M-%S-%f}_{os.getpid()}"


@dataclasses.dataclass
class RunFolder:
    """A claimed run folder; `lock` is the open claim. `facts` (epoch, step, loss, ...) go into every status."""

    path: Path
    lock: int
    facts: dict[str, Any] = dataclasses.field(default_factory=dict)
    pulsed: float = float("-inf")

    def write(self, name: str, text: str) -> None:
        """A text file of the folder, replaced as a whole."""
        write_text_atomically(self.path / name, text)

    def log(self, text: str) -> None:
        """A line with the time in run.log."""
        with (self.path / "run.log").open("a") as file:
            file.write(
                f"{datetime.datetime.now().isoformat(timespec='milliseconds')} {' '.join(text.split())}\n"
            )

    def status(self, state: str, **facts: Any) -> None:
        """Replace status.json: `state` is running, stopped, finished or failed."""
        now = datetime.datetime.now().astimezone().isoformat(timespec="seconds")
        host = {"pid": os.getpid(), "host": socket.gethostname(), "time": now}
        self.facts.update(facts)
        write_json_atomically(self.path / "status.json", {"state": state, **host, **self.facts})

    def pulse(self, **facts: Any) -> None:
        """The same for a run that goes on, written at most once per second."""
        self.facts.update(facts)
        if time.monotonic() - self.pulsed > 1:
            self.pulsed = time.monotonic()
            self.status("running")

    def append_metrics(self, record: Mapping[str, Any]) -> None:
        """One line of metrics.jsonl, flushed."""
        with (self.path / "metrics.jsonl").open("a") as file:
            file.write(json.dumps({key: _finite(value) for key, value in record.items()}) + "\n")

    def forget_after(self, chunk: int) -> None:
        """Drop lines of metrics.jsonl that lie after the checkpoint a run goes on from, and a line cut short."""
        kept = [json.dumps(record) for record in read_metrics(self.path) if record["chunk"] <= chunk]
        self.write("metrics.jsonl", "".join(f"{line}\n" for line in kept))

    def release(self) -> None:
        os.close(self.lock)


def create(where: Path | None, name: str, config: str, overrides: list[str]) -> RunFolder:
    """Make and claim a folder (`where`, or a new one under runs/name) and write down what was asked.

    Raises `InputError` when `where` already holds a run or anything else.
    """
    path = _fresh(Path("runs") / name) if where is None else where
    _make(path)
    folder = RunFolder(path.resolve(), _claim(path))
    write_text_atomically(folder.path / "config.yaml", config)
    write_text_atomically(folder.path / "overrides.txt", "".join(f"{o}\n" for o in overrides))
    write_text_atomically(
        folder.path / "command.txt", f"cd {shlex.quote(os.getcwd())}\n{shlex.join(sys.argv)}\n"
    )
    return folder


def refuse_if_taken(path: Path | None) -> None:
    """Raise `InputError` early, before data are read, when a folder cannot be used for a new run."""
    if path is None or not path.exists():
        return
    if not path.is_dir():
        raise InputError(f"{path}: is a file; `hydra.run.dir` names a folder.")
    if (path / CLAIM).exists():
        raise InputError(
            f"{path}: already holds a run; go on with `jxrecon resume {shlex.quote(str(path))}` or choose another."
        )
    if any(path.iterdir()):
        raise InputError(f"{path}: is not empty; choose a new folder for `hydra.run.dir`.")


def reopen(path: Path) -> RunFolder:
    """Take over the folder of a run that has ended; raises `InputError` when it is no run or still going on."""
    claim = path / CLAIM
    if not claim.exists():
        raise InputError(f"{path}: is no run folder (it has no `{CLAIM}`); expected what `jxrecon run` made.")
    handle = os.open(claim, os.O_RDWR)
    if not _locked(handle):
        os.close(handle)
        raise InputError(f"{path}: the run is still going on (process {read_status(path).get('pid', '?')}).")
    return RunFolder(path.resolve(), handle)


def read_status(path: Path) -> dict[str, Any]:
    """status.json of a run folder; empty when it is not there."""
    try:
        return json.loads((path / "status.json").read_text())
    except (OSError, ValueError):
        return {}


def read_metrics(path: Path) -> list[dict[str, Any]]:
    """Records of metrics.jsonl, without a last line that was cut short."""
    return list(_records(path / "metrics.jsonl"))


def _records(path: Path) -> Iterator[dict[str, Any]]:
    for line in path.read_text().splitlines() if path.exists() else ():
        with contextlib.suppress(ValueError):
            yield json.loads(line)


def _finite(value: Any) -> Any:
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _fresh(parent: Path) -> Path:
    """A folder that did not exist: `mkdir` succeeds for one process only."""
    while True:
        path = parent / stamp()
        try:
            _make(path.parent)
            path.mkdir()
            return path
        except FileExistsError:
            time.sleep(1e-5)
        except OSError as error:
            raise _unwritable(path, error) from error


def _make(path: Path) -> None:
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise _unwritable(path, error) from error


def _unwritable(path: Path, error: OSError) -> InputError:
    return InputError(
        f"{path}: cannot make this folder ({error.strerror}); choose one with `hydra.run.dir=DIR`."
    )


def _claim(path: Path) -> int:
    refuse_if_taken(path)
    try:
        handle = os.open(path / CLAIM, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o644)
    except FileExistsError:
        raise InputError(f"{path}: another run has just taken this folder; choose another.") from None
    except OSError as error:
        raise _unwritable(path, error) from error
    _locked(handle)
    return handle


def _locked(handle: int) -> bool:
    """Lock an open file without waiting; False when another process holds it. File systems without locks say True."""
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        pass
    return True
