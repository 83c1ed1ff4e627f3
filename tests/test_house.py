"""The house rules that a machine can check: layers, classes, forbidden calls, sizes, words."""

import ast
import functools
import importlib
import inspect
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import equinox as eqx
import pytest

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "jxrecon"
# Imports point to the same line or to one above it.
LAYERS = [
    {"errors", "spelling", "storage", "sealed", "provenance", "signals", "progress"},
    {"numerics", "geometry"},
    {
        "kernels",
        "parameters",
        "lattice",
        "measurement",
        "patterns",
        "fluorescence_maps",
        "fluorescence_sinograms",
    },
    {"objective", "noise", "devices"},
    {"forward", "priors", "data", "twin", "gauge", "ordering"},
    {"batches", "schedules", "optimisers", "projections"},
    {"classical", "initial", "analysis", "descent", "optimise", "nexus", "result", "checkpoint"},
    {"figures", "targets", "validate", "config_files", "hydra_node", "config", "run_folder", "runtime"},
    {"reconstruction", "halves", "truth", "evaluate", "memory", "orientation"},
    {"tasks"},
    {"run", "outcome", "simulate", "perform"},
    {"sweep"},
    {"cli", "verbs", "completion"},
    {"__main__"},
]
LEVEL = {name: level for level, names in enumerate(LAYERS) for name in names}
PHYSICS = {
    "numerics",
    "geometry",
    "kernels",
    "parameters",
    "lattice",
    "measurement",
    "patterns",
    "fluorescence_maps",
    "fluorescence_sinograms",
    "objective",
    "noise",
    "forward",
}
PHYSICS |= {"priors", "twin", "gauge", "projections", "classical", "initial", "analysis"}
# Where these packages may be imported; None: anywhere but in physics files.
HOMES = {
    "optax": {"optimise", "optimisers", "descent"},
    "hydra": {"config", "hydra_node", "sweep", "completion"},
    "matplotlib": {"figures"},
    "omegaconf": None,
    "h5py": None,
    "hdf5plugin": None,
}
FILE_LINES, TEST_FILE_LINES, FUNCTION_LINES = 260, 320, 45


def _name(path: Path) -> str:
    return str(path.relative_to(ROOT))


def _files(*folders: str) -> list[Path]:
    return sorted(p for folder in folders for p in (ROOT / folder).rglob("*.py"))


@functools.cache
def _tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(), str(path))


def _top(path: Path) -> str:
    """The part of the package that a file belongs to: `forward`, `geometry`, ..."""
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def _absolute(node: ast.ImportFrom, path: Path) -> list[str]:
    """Module names, from jxrecon on, that a relative `from ... import ...` may mean."""
    package = path.relative_to(ROOT).parent.parts
    base = ".".join((*package[: len(package) - node.level + 1], *filter(None, [node.module])))
    return [base, *(f"{base}.{alias.name}" for alias in node.names)]


@functools.cache
def _imported(path: Path) -> frozenset[str]:
    """Full names of all that a file imports, at its top or inside functions."""
    return frozenset(_walk_imports(path))


def _walk_imports(path: Path) -> Iterator[str]:
    for node in ast.walk(_tree(path)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from _absolute(node, path) if node.level else [node.module or ""]


MODULES = _files("jxrecon")
SCRIPTS = _files("jxrecon", "experiments", "tests")


def test_imports_point_down():
    wrong = []
    for path in MODULES:
        here = _top(path)
        parts = {name.split(".")[1] for name in _imported(path) if name.startswith("jxrecon.")}
        if here not in LEVEL and here != "__init__":
            wrong += [f"`{here}` has no place in the layers: give it one in LAYERS of {Path(__file__).name}"]
        elif here != "__init__":
            upward = sorted(there for there in parts & LEVEL.keys() if LEVEL[there] > LEVEL[here])
            wrong += [f"{_name(path)} imports `{there}`, which stands above `{here}`" for there in upward]
    assert not wrong


def test_imports_inside_the_package_are_relative():
    wrong = []
    for path in MODULES:
        nodes = list(ast.walk(_tree(path)))
        modules = [alias.name for n in nodes if isinstance(n, ast.Import) for alias in n.names]
        modules += [n.module or "" for n in nodes if isinstance(n, ast.ImportFrom) and not n.level]
        wrong += [f"{_name(path)}: import {m}" for m in modules if m.split(".")[0] == "jxrecon"]
    assert not wrong, "write `from .geometry import Geometry`"


def test_heavy_packages_stay_at_home():
    wrong = []
    for path in MODULES:
        strangers = {name.split(".")[0] for name in _imported(path)} & HOMES.keys()
        for name in strangers:
            if _top(path) not in (HOMES[name] or LEVEL.keys() - PHYSICS):
                wrong += [f"{_name(path)} imports {name}"]
    assert not wrong, f"these packages belong elsewhere: {HOMES}"


def test_no_import_cycles():
    names = {".".join(p.relative_to(ROOT).with_suffix("").parts): p for p in _files("jxrecon")}
    names = {name: path for name, path in names.items() if path.name != "__init__.py"}
    graph = {name: set(_imported(path)) & names.keys() - {name} for name, path in names.items()}
    while leaves := {name for name, below in graph.items() if not below}:
        graph = {name: below - leaves for name, below in graph.items() if name not in leaves}
    assert not graph, f"these import each other in a circle, or one that does: {graph}"


def _classes(path: Path) -> list[type]:
    name = ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
    module = importlib.import_module(name)
    return [c for _, c in inspect.getmembers(module, inspect.isclass) if c.__module__ == name]


def test_classes_are_abstract_or_final():
    wrong = []
    for cls in (c for path in MODULES if path.name != "__main__.py" for c in _classes(path)):
        bases = [
            b for b in cls.__mro__[1:] if b.__module__.startswith("jxrecon") and not issubclass(b, Exception)
        ]
        finals = [b.__name__ for b in bases if "Abstract" not in b.__name__]
        wrong += [
            f"`{cls.__qualname__}` extends the final {finals}: compose, or extend an Abstract one"
        ] * bool(finals)
        if issubclass(cls, eqx.Module) and inspect.isabstract(cls) and "Abstract" not in cls.__name__:
            wrong += [f"`{cls.__qualname__}` is abstract: call it `Abstract{cls.__name__}`"]
    assert not wrong


FORBIDDEN_MODULES = {"pickle", "cPickle", "dill", "cloudpickle", "shelve", "marshal", "joblib"}
FORBIDDEN_CALLS = {"eval", "exec", "compile", "__import__"}


def test_no_code_from_data():
    wrong = []
    for path in MODULES:
        lines = [getattr(node, "lineno", 0) for node in ast.walk(_tree(path)) if _runs_code(node)]
        wrong += [f"{_name(path)}:{line}" for line in lines]
        modules = {name.split(".")[0] for name in _imported(path)} & FORBIDDEN_MODULES
        wrong += [f"{_name(path)} imports {name}" for name in modules]
    assert not wrong, "data must never become code"


def _runs_code(node: ast.AST) -> bool:
    """A builtin that runs text, an unsafe yaml loader, or `allow_pickle` that is anything but a plain False."""
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
        return node.func.id in FORBIDDEN_CALLS
    if isinstance(node, ast.Attribute):
        return node.attr in {"unsafe_load", "UnsafeLoader", "full_load"}
    if isinstance(node, ast.keyword) and node.arg == "allow_pickle":
        return not (isinstance(node.value, ast.Constant) and node.value.value is False)
    return False


def test_help_needs_no_jax():
    heavy = ("jax", "jaxlib", "equinox", "optax", "numpy", "h5py", "matplotlib", "scipy", "skimage")
    code = f"import sys, jxrecon, jxrecon.cli; print(*[m for m in {heavy!r} if m in sys.modules])"
    loaded = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True
    ).stdout
    assert not loaded.split(), f"importing `jxrecon.cli` loads {loaded}"


def test_files_are_short_and_explained():
    wrong = []
    for path in SCRIPTS:
        lines = path.read_text().count("\n")
        most = TEST_FILE_LINES if _name(path).startswith("tests") else FILE_LINES
        wrong += [f"{_name(path)} has {lines} lines, at most {most}: split it"] * (lines > most)
        wrong += [f"{_name(path)} opens with no docstring"] * (ast.get_docstring(_tree(path)) is None)
    assert not wrong


def _length(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Lines from `def` on, without the docstring."""
    first = node.body[0]
    has_docstring = ast.get_docstring(node, clean=False) is not None
    docstring = (first.end_lineno or 0) - first.lineno + 1 if has_docstring else 0
    return (node.end_lineno or 0) - node.lineno + 1 - docstring


def test_functions_are_short():
    wrong = []
    for path in SCRIPTS:
        functions = [
            n for n in ast.walk(_tree(path)) if isinstance(n, ast.FunctionDef | ast.AsyncFunctionDef)
        ]
        long = [f for f in functions if _length(f) > FUNCTION_LINES]
        wrong += [f"{_name(path)}: {f.name} has {_length(f)} lines, at most {FUNCTION_LINES}" for f in long]
    assert not wrong


def test_no_loose_ends():
    marks = re.compile(r"#\s*(TODO|FIXME|XXX|HACK)\b")
    assert not [_name(path) for path in SCRIPTS if marks.search(path.read_text())]


# Built from pieces, so that this file does not name what it forbids.
HOSTS = [
    "py" + "pi.org",
    "python" + "hosted.org",
    "npm" + "js.org",
    "node" + "js.org",
    "anaconda" + ".org",
    "opt/" + "pypi",
]
PLACES = [
    "/ro" + "ot/",
    "/wo" + "rk/",
    "/ho" + "me/",
    "share" + "d/data",
    "share" + "d/peers",
    "share" + "d/examples",
]


def _tracked() -> list[Path]:
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=False)
    if listed.returncode:
        pytest.skip("not a git checkout, or no git")
    return [ROOT / name for name in listed.stdout.split("\0") if name and (ROOT / name).is_file()]


def test_tracked_text_names_no_registry_and_no_machine():
    wrong = []
    for path in _tracked():
        text = path.read_bytes().decode("utf-8", "ignore") if path.suffix not in {".png", ".h5"} else ""
        words = [word for word in HOSTS + PLACES if word in text]
        if (
            path == ROOT / "tests/conftest.py"
        ):  # the one place that knows where data may stand beside a checkout
            words = [word for word in words if not word.startswith("share")]
        wrong += [f"{_name(path)}: {word}" for word in words]
    assert not wrong
