"""The face of a run that goes from data to figures and numbers by itself: a fit of patterns, a map, a tomogram of spectra."""

import abc
from pathlib import Path
from typing import Any

import equinox as eqx


class AbstractTask(eqx.Module):
    """Settings are its fields, of which `data` is the reader that the config's `data` chose."""

    data: eqx.AbstractVar[Any]

    @abc.abstractmethod
    def __call__(self, folder: Path, seed: int) -> dict[str, float | int | None]:
        """Do it all. Result files and figures go into `folder`; the numbers are written to its metrics.json."""
