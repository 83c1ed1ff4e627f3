"""Ctrl-C, SIGTERM, SIGUSR1 and SIGUSR2 as a flag that the loop reads between two chunks of steps.

A handler that only sets a flag cannot tear a checkpoint in two, however often it is called. SLURM sends USR1 or USR2 before a
job's time is over, and TERM when it is. At the interpreter's exit Python restores the default handlers, so that a second
signal would kill a process whose work is done and change its exit code: `final` leaves the signals ignored instead.
"""

import os
import signal
import threading
from types import TracebackType

STOPPED = 75  # EX_TEMPFAIL of sysexits.h: call me again
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1, signal.SIGUSR2)


def leave_at_once(number: int, frame: object) -> None:
    """Ctrl-C before the first step, or in a verb that has none: end now, nothing is lost.

    Not by an exception: one that is raised inside a callback of the garbage collector or of a compiler is swallowed there.
    """
    os.write(2, b"\njxrecon: interrupted before the first step; no result was written.\n")
    os._exit(1)


class StopRequest:
    """Context in which the signals set `name` and do nothing else.

    final: the process ends after this, so signals stay ignored on leaving; otherwise the former handlers come back.
    """

    def __init__(self, final: bool = False):
        self.final = final
        self.name: str | None = None
        self._before = {}

    def __bool__(self) -> bool:
        return self.name is not None

    def __enter__(self) -> "StopRequest":
        if (
            threading.current_thread() is threading.main_thread()
        ):  # elsewhere Python lets nobody install handlers
            self._before = {s: signal.signal(s, self._note) for s in SIGNALS}
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, signal.SIG_IGN if self.final else handler)

    def _note(self, number: int, frame: object) -> None:
        self.name = signal.Signals(number).name
        os.write(2, f"\n{self.name}: stopping after this chunk of steps\n".encode())
