"""JAX set up for one run, before its backend starts: precision, number of host devices, compilation cache."""

import contextlib
import hashlib
import os
import platform
from pathlib import Path

from .errors import InputError

PRECISIONS = ("float32", "float64")
MOST_HOST_DEVICES = 256


def cache_folder() -> Path:
    """Where compiled programs are kept: JAX_COMPILATION_CACHE_DIR, else the user's cache, one folder per kind of CPU.

    A program that was compiled for one CPU's instructions may stop another, and a home folder is often shared by both.
    """
    if chosen := os.environ.get("JAX_COMPILATION_CACHE_DIR"):
        return Path(chosen)
    base = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    return Path(base) / "jxrecon" / f"xla-{platform.machine()}-{_cpu_kind()}"


def _cpu_kind() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = [platform.processor()]
    kind = {line for line in lines if line.startswith(("flags", "Features", "model name"))}
    return hashlib.sha256("".join(sorted(kind)).encode()).hexdigest()[:8]


def usable(folder: Path) -> bool:
    """True when the folder is (or can be made) ours and writable."""
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        return folder.stat().st_uid == os.getuid() and os.access(folder, os.W_OK | os.X_OK)
    except OSError:
        return False


def configure(precision: str = "float32", devices: int = 1) -> None:
    """Set JAX up; raises `InputError` when there are fewer devices than asked for.

    On a CPU `devices` host devices are made, which is possible only before the backend starts.
    """
    import jax

    if precision not in PRECISIONS:
        raise InputError(f"`precision` is {precision!r}; expected {' or '.join(PRECISIONS)}.")
    if not 1 <= devices <= MOST_HOST_DEVICES:
        raise InputError(f"`devices` is {devices}; expected 1 to {MOST_HOST_DEVICES}.")
    jax.config.update("jax_enable_x64", precision == "float64")
    if jax.config.jax_compilation_cache_dir is None and usable(cache_folder()):  # pyright: ignore[reportAttributeAccessIssue]
        jax.config.update("jax_compilation_cache_dir", str(cache_folder()))
        jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.3)
    if devices > jax.config.jax_num_cpu_devices:  # pyright: ignore[reportAttributeAccessIssue]
        with contextlib.suppress(RuntimeError):  # the backend has started already; it may have enough
            jax.config.update("jax_num_cpu_devices", devices)
    available = jax.devices()
    if devices > len(available):
        raise InputError(
            f"`devices` is {devices}, but there are {len(available)} {available[0].platform} device(s); lower it."
        )


def memory_bytes() -> int:
    """What one device may hold: the GPU's own limit, else the machine's memory (or the control group's, when lower)."""
    import jax

    stats = jax.devices()[0].memory_stats() if jax.devices()[0].platform != "cpu" else None
    if stats and "bytes_limit" in stats:
        return int(stats["bytes_limit"])
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    try:
        limit = Path("/sys/fs/cgroup/memory.max").read_text().strip()
    except OSError:
        return total
    return min(total, int(limit)) if limit.isdigit() else total


def peak_memory_mb() -> float:
    """High-water mark of this process's resident memory (VmHWM), MB; nan where the system does not tell."""
    try:
        lines = Path("/proc/self/status").read_text().splitlines()
    except OSError:
        return float("nan")
    kib = [int(line.split()[1]) for line in lines if line.startswith("VmHWM:")]
    return kib[0] * 1024 / 1e6 if kib else float("nan")
