"""How far a run is: a bar on a terminal, else a line every few seconds, as batch systems want it."""

import sys
import time
from typing import Any

SECONDS = 5.0  # between two lines where there is no terminal


def duration(seconds: float | int) -> str:
    """`42 s`, `3 min 05 s`, `2 h 10 min`."""
    whole = max(0, round(seconds))
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"


def line(
    epoch: int, epochs: int, step: int, loss: float | int, elapsed: float | int, left: float | int
) -> str:
    """One line of progress: epoch, step, loss, time passed and left."""
    return f"epoch {epoch}/{epochs}  step {step}  loss {loss:.6g}  {duration(elapsed)}, {duration(left)} left"


class Progress:
    """Shows the state of a loop of `epochs` epochs, of which `start` are done, on `stream` (stderr); use as a context."""

    def __init__(self, epochs: int, start: int = 0, stream: Any = None, name: str = ""):
        self.epochs, self.start, self.name = epochs, start, name
        self.stream = stream or sys.stderr
        self._bar: Any = None
        self._began = self._shown = time.monotonic()

    def __enter__(self) -> "Progress":
        if self.stream.isatty():
            from tqdm import tqdm

            self._bar = tqdm(
                total=self.epochs,
                initial=self.start,
                unit="epoch",
                desc=self.name or None,
                file=self.stream,
                dynamic_ncols=True,
            )
        return self

    def __exit__(self, *error: object) -> None:
        if self._bar is not None:
            self._bar.close()

    def update(self, epoch: int, step: int, loss: float | int) -> None:
        """Report that `epoch` epochs and `step` steps are complete."""
        if self._bar is not None:
            self._bar.set_postfix_str(f"step {step}, loss {loss:.6g}", refresh=False)
            self._bar.update(epoch - self._bar.n)
            return
        now = time.monotonic()
        if now - self._shown >= SECONDS or epoch >= self.epochs:
            self._shown, elapsed = now, now - self._began
            left = elapsed * (self.epochs - epoch) / max(epoch - self.start, 1)
            text = line(epoch, self.epochs, step, loss, elapsed, left)
            print(f"{self.name}  {text}" if self.name else text, file=self.stream, flush=True)
