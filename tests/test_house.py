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
    {"kernels", "parameters", "measurement"},
    {"objective", "noise"},
    {"forward", "priors", "data", "twin", "gauge"},
    {"batches", "schedules", "optimisers", "projections"},
    {"classical", "initial", "analysis", "optimise", "nexus", "result", "checkpoint", "devices"},
    {"figures", "targets", "validate", "config_files", "hydra_node", "config", "run_folder", "runtime"},
    {"run", "outcome"},
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
    "measurement",
    "objective",
    "noise",
    "forward",
    "priors",
}
PHYSICS |= {"twin", "gauge", "projections", "classical", "initial", "analysis"}
# Where these packages may be imported; None: anywhere but in physics files.
HOMES = {
    "optax": {"optimise", "optimisers"},
    "hydra": {"config", "hydra_node", "sweep", "completion"},
    "matplotlib": {"figures"},
    "omegaconf": None,
    "h5py": None,
    "hdf5plugin": None,
}
FILE_LINES, FUNCTION_LINES = 260, 45


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


every_file = pytest.mark.parametrize("path", _files("jxrecon"), ids=_name)
every_script = pytest.mark.parametrize("path", _files("jxrecon", "experiments", "tests"), ids=_name)


@every_file
def test_imports_point_down(path):
    here = _top(path)
    if here == "__init__":
        return
    assert here in LEVEL, f"`{here}` has no place in the layers: give it one in LAYERS of {__file__}"
    parts = {name.split(".")[1] for name in _imported(path) if name.startswith("jxrecon.")}
    upward = sorted(there for there in parts & LEVEL.keys() if LEVEL[there] > LEVEL[here])
    assert not upward, f"{_name(path)} imports {upward}, which stand above `{here}`"


@every_file
def test_imports_inside_the_package_are_relative(path):
    modules = {alias.name for n in ast.walk(_tree(path)) if isinstance(n, ast.Import) for alias in n.names}
    modules |= {
        n.module or "" for n in ast.walk(_tree(path)) if isinstance(n, ast.ImportFrom) and not n.level
    }
    assert not [m for m in modules if m.split(".")[0] == "jxrecon"], "write `from .geometry import Geometry`"


@every_file
def test_heavy_packages_stay_at_home(path):
    strangers = {name.split(".")[0] for name in _imported(path)} & HOMES.keys()
    wrong = {name for name in strangers if _top(path) not in (HOMES[name] or LEVEL.keys() - PHYSICS)}
    assert not wrong, f"{_name(path)} imports {sorted(wrong)}, which belong elsewhere: {HOMES}"


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


@pytest.mark.parametrize("path", [p for p in _files("jxrecon") if p.name != "__main__.py"], ids=_name)
def test_abstract_or_final(path):
    for cls in _classes(path):
        bases = [b for b in cls.__mro__[1:] if b.__module__.startswith("jxrecon")]
        finals = [b.__name__ for b in bases if "Abstract" not in b.__name__ and not issubclass(b, Exception)]
        assert not finals, f"`{cls.__name__}` extends the final {finals}: compose, or extend an Abstract one"
        if issubclass(cls, eqx.Module) and inspect.isabstract(cls):
            assert "Abstract" in cls.__name__, (
                f"`{cls.__name__}` is abstract: call it `Abstract{cls.__name__}`"
            )


FORBIDDEN_MODULES = {"pickle", "cPickle", "dill", "cloudpickle", "shelve", "marshal", "joblib"}
FORBIDDEN_CALLS = {"eval", "exec", "compile", "__import__"}


@every_file
def test_no_code_from_data(path):
    for node in ast.walk(_tree(path)):
        assert not _runs_code(node), (
            f"{_name(path)}:{getattr(node, 'lineno', 0)}: data must never become code"
        )
    assert not {name.split(".")[0] for name in _imported(path)} & FORBIDDEN_MODULES


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


@every_script
def test_files_are_short_and_explained(path):
    lines = path.read_text().count("\n")
    assert lines <= FILE_LINES, f"{_name(path)} is longer than {FILE_LINES} lines: split it"
    assert ast.get_docstring(_tree(path)), f"{_name(path)} has no docstring that states what it is about"


def _length(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Lines from `def` on, without the docstring."""
    first = node.body[0]
    has_docstring = ast.get_docstring(node, clean=False) is not None
    docstring = (first.end_lineno or 0) - first.lineno + 1 if has_docstring else 0
    return (node.end_lineno or 0) - node.lineno + 1 - docstring


@every_script
def test_functions_are_short(path):
    functions = [n for n in ast.walk(_tree(path)) if isinstance(n, ast.FunctionDef | ast.AsyncFunctionDef)]
    long = {f.name: _length(f) for f in functions if _length(f) > FUNCTION_LINES}
    assert not long, f"{_name(path)}: {long} lines, at most {FUNCTION_LINES}"


@every_script
def test_no_loose_ends(path):
    marks = re.findall(r"#\s*(TODO|FIXME|XXX|HACK)\b", path.read_text())
    assert not marks, f"{_name(path)} leaves {marks}"


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
