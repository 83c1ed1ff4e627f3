"""Every yaml under configs/ mirrors a constructor, and every experiment says what it does."""

import importlib
import inspect
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parent.parent
CONFIGS = ROOT / "configs"


def _name(path: Path) -> str:
    return str(path.relative_to(ROOT))


def _yaml_files(pattern: str) -> list[Path]:
    return sorted(p for p in CONFIGS.glob(pattern) if "local" not in p.parts)


def _targets(node: object) -> Iterator[dict]:
    """Every mapping with a `_target_`, outermost first."""
    if isinstance(node, dict):
        if "_target_" in node:
            yield node
        for value in node.values():
            yield from _targets(value)
    elif isinstance(node, list):
        for value in node:
            yield from _targets(value)


def _class_of(node: dict) -> type:
    module, _, name = node["_target_"].rpartition(".")
    return getattr(importlib.import_module(module), name)


def _filled_by_defaults(defaults: list) -> set[str]:
    """Keys that a defaults list brings in: `/noise@objective.terms.x.noise: poisson` fills `objective`."""
    groups = [next(iter(entry)) for entry in defaults if isinstance(entry, dict)]
    packages = [group.removeprefix("override ").rpartition("@")[2] for group in groups]
    return {package.lstrip("/").split(".")[0] for package in packages}


@pytest.mark.parametrize("path", _yaml_files("**/*.yaml"), ids=_name)
def test_yaml_names_arguments_of_its_classes(path):
    content = yaml.safe_load(path.read_text())
    if path == CONFIGS / "config.yaml":
        content.pop("hydra")  # speaks to Hydra, not to the constructor
    for node in _targets(content):
        known = set(inspect.signature(_class_of(node)).parameters)
        wrong = set(node) - known - {"_target_", "defaults"}
        assert not wrong, f"`{node['_target_']}` has no {sorted(wrong)}; it takes {sorted(known)}"


@pytest.mark.parametrize("path", _yaml_files("*/*.yaml"), ids=_name)
def test_yaml_mirrors_the_constructor(path):
    node = yaml.safe_load(path.read_text())
    if "_target_" not in (node or {}):
        return  # an experiment, a sweep, a group of several
    cls = _class_of(node)
    snake = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", cls.__name__).lower()
    assert path.stem == snake, f"the config of `{cls.__name__}` is to be called {snake}.yaml"
    keys = set(node) - {"_target_", "defaults"} | _filled_by_defaults(node.get("defaults", []))
    arguments = set(inspect.signature(cls).parameters)
    if path.parent.name == "task":
        arguments -= {"data"}  # which the config's own `data` fills
    assert keys == arguments, f"{_name(path)}: missing {arguments - keys}, unknown {keys - arguments}"


@pytest.mark.parametrize("path", _yaml_files("experiment/*.yaml"), ids=_name)
def test_experiment_says_command_time_and_result(path):
    lines = path.read_text().splitlines()
    comments = [line for line in lines[: _first_key(lines)] if not line.startswith("# @package")]
    head = "\n".join(comments)
    assert f"jxrecon experiment={path.stem}" in head, (
        f"begin with its command, `# jxrecon experiment={path.stem} ...`"
    )
    assert re.search(r"Time: .*\d", head), "say how long it takes (`Time: 40 s on 2 cores.`)"
    assert "Expected" in head, "say what comes out (`Expected: r_factor 0.120.`)"


def _first_key(lines: list[str]) -> int:
    return next((i for i, line in enumerate(lines) if line.strip() and not line.startswith("#")), len(lines))
