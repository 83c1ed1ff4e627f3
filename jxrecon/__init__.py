"""What a research script needs; loaded on first use (PEP 562), so that `jxrecon --help` imports no JAX."""

import importlib
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .config import build
    from .geometry import Geometry
    from .measurement import Measurement
    from .objective import DataTerm, Objective
    from .optimise import fit
    from .parameters import Parameters, Positions, Probe
    from .result import load

try:
    __version__ = version("jxrecon")
except PackageNotFoundError:  # a checkout on PYTHONPATH, not installed
    __version__ = "0+unknown"

__all__ = [
    "DataTerm",
    "Geometry",
    "Measurement",
    "Objective",
    "Parameters",
    "Positions",
    "Probe",
    "build",
    "fit",
    "load",
]

_HOME = {
    "DataTerm": "objective",
    "Objective": "objective",
    "Geometry": "geometry",
    "Measurement": "measurement",
    "Parameters": "parameters",
    "Positions": "parameters",
    "Probe": "parameters",
    "build": "config",
    "fit": "optimise",
    "load": "result",
}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"`jxrecon` has no `{name}`; it has {', '.join(__all__)}.")
    return getattr(importlib.import_module(f".{_HOME[name]}", __name__), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
