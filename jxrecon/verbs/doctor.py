"""What this installation is and has: versions, devices, precision, folders, optional packages, data.

Exits with 1 when something that every run needs is missing.
"""

import argparse
import importlib.metadata
import importlib.util
import os
import platform
import shutil
from collections.abc import Iterator
from pathlib import Path

from ..cli import Parser

NEEDED = (
    "jax",
    "jaxlib",
    "numpy",
    "optax",
    "equinox",
    "hydra-core",
    "h5py",
    "hdf5plugin",
    "matplotlib",
    "tqdm",
)
OPTIONAL = {
    "silx": "view: result files in a window",
    "nexusformat": "view: check of NeXus files",
    "hydra_plugins.hydra_joblib_launcher": "sweeps: jobs side by side",
    "hydra_plugins.hydra_submitit_launcher": "sweeps: jobs on a cluster",
    "orbax.checkpoint": "orbax: checkpoints of several hosts",
    "tensorboardX": "tensorboard: live curves",
}


def options(made: Parser) -> None:
    made.add_argument("--devices", type=int, default=1, help="host devices to ask for on a CPU")


def main(options: argparse.Namespace) -> int:
    problems = 0
    for good, what, found in [*versions(), *folders(), *devices(options.devices), *extras()]:
        problems += good is False
        print(f"{ {True: 'ok', False: 'BAD', None: '-'}[good]:4s}{what:22s}{found}")
    return 1 if problems else 0


def versions() -> Iterator[tuple[bool | None, str, str]]:
    """(fine?, what, found); None for something that need not be there."""
    yield True, "python", f"{platform.python_version()} on {platform.platform()}"
    for name in ("jxrecon", *NEEDED):
        try:
            yield True, name, importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            yield (None if name == "jxrecon" else False), name, "not installed"


def folders() -> Iterator[tuple[bool | None, str, str]]:
    from ..config_files import config_dir
    from ..runtime import cache_folder, usable

    yield True, "configs", str(config_dir())
    cache = cache_folder()
    yield (
        (True if usable(cache) else None),
        "compilation cache",
        str(cache) + ("" if usable(cache) else " (not writable)"),
    )
    free = shutil.disk_usage(Path.cwd()).free
    yield free > 1 << 30, "free disk here", f"{free / 2**30:.1f} GiB in {Path.cwd()}"
    data = os.environ.get("JXRECON_DATA")
    yield (
        (None if data is None else Path(data).is_dir()),
        "JXRECON_DATA",
        data or "not set (only tests use it)",
    )


def devices(count: int) -> Iterator[tuple[bool | None, str, str]]:
    from ..runtime import configure, memory_bytes

    configure("float32", count)
    import jax

    found = jax.devices()
    yield (
        True,
        "devices",
        f"{len(found)} {found[0].platform} ({found[0].device_kind}), {os.cpu_count()} cores",
    )
    yield True, "memory", f"{memory_bytes() / 2**30:.1f} GiB per device"
    with jax.enable_x64(True):
        yield jax.numpy.zeros(1, "float64").dtype == "float64", "float64", "works with `precision=float64`"


def extras() -> Iterator[tuple[bool | None, str, str]]:
    for module, use in OPTIONAL.items():
        try:
            there = importlib.util.find_spec(module) is not None
        except ModuleNotFoundError:
            there = False
        yield (
            (True if there else None),
            module.rpartition(".")[2],
            use + ("" if there else " (not installed)"),
        )
