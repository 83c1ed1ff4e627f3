"""What all tests share: shapes and types checked at run time, four host devices; fixtures for data, precision, counts."""

import os
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import jax
import pytest
from jaxtyping import install_import_hook

# Before the first import of jxrecon: every annotation of the package is checked at run time.
install_import_hook("jxrecon", "beartype.beartype")

ROOT = Path(__file__).parent.parent
NO_DATA = "measured data wanted: set JXRECON_DATA to the folder that holds `ptycho/`"


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--slow", action="store_true", help="full counts, and the tests marked slow")


def pytest_configure(config: pytest.Config) -> None:
    # Before JAX starts its backend. JAX_PLATFORMS=cuda runs the suite on a GPU; the variable is for subprocesses.
    jax.config.update("jax_platforms", os.environ.setdefault("JAX_PLATFORMS", "cpu"))
    jax.config.update("jax_num_cpu_devices", 4)
    cache = Path(tempfile.gettempdir()) / f"jxrecon-tests-{os.getuid()}"
    cache.mkdir(mode=0o700, exist_ok=True)
    if (
        cache.stat().st_uid == os.getuid()
    ):  # compiled programs are code: never take them from someone else's folder
        jax.config.update("jax_compilation_cache_dir", str(cache))
        jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.3)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if not config.getoption("--slow"):
        for item in items:
            if item.get_closest_marker("slow"):
                item.add_marker(pytest.mark.skip(reason="runs for minutes: wants --slow"))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    skipped = terminalreporter.stats.get("skipped", [])
    without_data = sum(NO_DATA in str(report.longrepr) for report in skipped)
    if without_data:
        terminalreporter.write_line(f"{without_data} tests skipped for want of measured data ({NO_DATA})")


@pytest.fixture(scope="session")
def measured_data() -> Path:
    """Folder of the public data sets that the README names; skips the test where there is none."""
    beside = ROOT / "../shared/data"
    folder = Path(os.environ.get("JXRECON_DATA") or beside).resolve()
    if not folder.is_dir():
        pytest.skip(NO_DATA)
    return folder


@pytest.fixture
def slow(request: pytest.FixtureRequest) -> bool:
    """True when the full counts are wanted."""
    return bool(request.config.getoption("--slow"))


@pytest.fixture
def count(slow: bool) -> Callable[[int], int]:
    """`count(50)` repetitions: 50 with --slow, a tenth of them (at least one) otherwise."""
    return lambda full: full if slow else max(1, full // 10)


@pytest.fixture
def float64() -> Iterator[None]:
    """Double precision for one test."""
    with jax.enable_x64(True):
        yield
