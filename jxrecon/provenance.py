"""Where a result comes from: program, versions, machine, command, seed, time. Plain values, ready for JSON."""

import datetime
import importlib.metadata
import os
import platform
import shlex
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

PACKAGES = ("jax", "jaxlib", "equinox", "optax", "numpy", "h5py", "jaxtyping", "scikit-image", "hydra-core")


def versions() -> dict[str, str]:
    """Package -> version, of what can change a result; `jxrecon` and Python first."""
    from . import __version__

    found = {"jxrecon": __version__, "python": platform.python_version()}
    for name in PACKAGES:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            found[name] = "not installed"
    return found


def git_revision() -> str | None:
    """Commit of the checkout that runs, with `-dirty` when tracked files differ from it; None outside a checkout."""
    root = Path(__file__).parent.parent
    if not (root / ".git").exists():
        return None
    try:
        commit = _git(root, "rev-parse", "HEAD")
        return commit + ("-dirty" if _git(root, "status", "--porcelain", "--untracked-files=no") else "")
    except (OSError, subprocess.SubprocessError):
        return None


def _git(root: Path, *arguments: str) -> str:
    # safe.directory: a checkout of another user's is refused otherwise; optional locks: reading must not write
    command = ["git", "--no-optional-locks", "-c", f"safe.directory={root}", "-C", str(root), *arguments]
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=10, check=True, stdin=subprocess.DEVNULL
    )
    return done.stdout.strip()


def devices() -> list[str]:
    """What JAX computes on, one text for each device."""
    import jax

    return [f"{d.platform}:{d.id} {d.device_kind}" for d in jax.devices()]


def provenance(seed: int | None = None, **more: Any) -> dict[str, Any]:
    """A record for result and log: versions, git revision, machine, devices, command, seed, start of this call (ISO 8601)."""
    return {
        "versions": versions(),
        "git_revision": git_revision(),
        "platform": platform.platform(),
        "host": socket.gethostname(),
        "devices": devices(),
        "command": shlex.join(sys.argv),
        "working_directory": os.getcwd(),
        "seed": seed,
        "start_time": datetime.datetime.now().astimezone().isoformat(timespec="seconds"),
        **more,
    }
