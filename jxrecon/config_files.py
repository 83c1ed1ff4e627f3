"""Where config files are, and the refusal of YAML that costs more to open than it can say.

Seven levels of aliases (nine references each) are 9^7 nodes from 1 KiB of text, and OmegaConf expands them all. The parser's
events are counted instead, an alias with the weight of its anchor, so that a hostile file is refused in the time that
reading its text takes. Interpolations `${...}` multiply in the same way and are counted as such.
"""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from .errors import InputError

MAX_BYTES = 1 << 17
MAX_NODES = 20_000  # after expansion; the largest resolved experiment has some hundreds
MAX_DEPTH = 40

_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_REFERENCE = re.compile(r"\$\{([^{}$]*)\}")


def config_dir() -> Path:
    """The packaged configs: inside an installed wheel, else beside the package in a checkout."""
    here = Path(__file__).resolve().parent
    for folder in (here / "configs", here.parent / "configs"):
        if (folder / "config.yaml").is_file():
            return folder
    raise InputError(f"no configs found beside {here}; reinstall jxrecon.")


def read_text(path: str | Path) -> str:
    """Text of a YAML file that is safe to parse; raises `InputError` with the file and the reason."""
    path = Path(path)
    if not path.is_file():
        raise InputError(f"{path}: no such file.")
    size = path.stat().st_size
    if size > MAX_BYTES:
        raise InputError(f"{path}: {size} bytes; a config has at most {MAX_BYTES}.")
    try:
        text = path.read_bytes().decode("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: not readable as UTF-8 text ({error}).") from error
    check_text(text, str(path))
    return text


def check_text(text: str, name: str) -> None:
    """Raise `InputError` when YAML would expand to too many nodes or levels, or does not parse."""
    try:
        nodes = _expanded_nodes(yaml.parse(text, Loader=_LOADER), name)
    except (yaml.YAMLError, RecursionError) as error:
        raise InputError(f"{name}: not valid YAML: {' '.join(str(error).split())}.") from error
    if nodes > MAX_NODES:
        raise InputError(
            f"{name}: expands to {nodes} values through its aliases; a config has at most {MAX_NODES}."
        )


def _expanded_nodes(events: Iterator[Any], name: str) -> int:
    """Nodes of the document when every alias is written out."""
    weights: dict[str, int] = {}  # anchor -> nodes below it
    open_nodes: list[tuple[str | None, int]] = []  # (anchor, nodes so far) of each level
    total = 0
    for event in events:
        if isinstance(event, yaml.AliasEvent):
            if event.anchor not in weights:
                raise InputError(f"{name}: the alias `*{event.anchor}` refers to itself or to nothing.")
            total += weights[event.anchor]
        elif isinstance(event, yaml.ScalarEvent):
            total += 1
            if event.anchor:
                weights[event.anchor] = 1
        elif isinstance(event, (yaml.MappingStartEvent, yaml.SequenceStartEvent)):
            open_nodes.append((event.anchor, total))
            total += 1
            if len(open_nodes) > MAX_DEPTH:
                raise InputError(f"{name}: nested deeper than {MAX_DEPTH} levels.")
        elif isinstance(event, (yaml.MappingEndEvent, yaml.SequenceEndEvent)):
            anchor, before = open_nodes.pop()
            if anchor:
                weights[anchor] = total - before
    return total


def check_interpolations(tree: Mapping[str, Any]) -> None:
    """Raise `InputError` when resolving the `${...}` of an unresolved tree would multiply it beyond `MAX_NODES`."""
    seen: dict[str, int] = {}

    def weigh(value: Any, where: str) -> int:
        if where not in seen:
            seen[where] = MAX_NODES  # while open: a reference to oneself counts as too much
            seen[where] = min(_weight(value, where), MAX_NODES)
        return seen[where]

    def _weight(value: Any, where: str) -> int:
        if isinstance(value, (Mapping, list)):
            pairs = value.items() if isinstance(value, Mapping) else enumerate(value)
            return 1 + sum(weigh(child, f"{where}.{key}".strip(".")) for key, child in pairs)
        references = _REFERENCE.findall(value) if isinstance(value, str) else []
        return 1 + sum(weigh(*_look_up(tree, r.strip(), where)) for r in references)

    if weigh(tree, "") >= MAX_NODES:
        raise InputError(
            f"the config's interpolations `${{...}}` multiply to more than {MAX_NODES} values, or run in a circle."
        )


def _look_up(tree: Any, reference: str, where: str) -> tuple[Any, str]:
    """(value, dotted key) that `a.b`, `.b` or `..b` refers to; (None, reference) for a resolver or nothing."""
    ups = len(reference) - len(reference.lstrip("."))
    parts = reference.replace("[", ".").replace("]", "").strip(".").split(".")
    keys = (where.split(".")[:-ups] if ups else []) + [p for p in parts if p]
    for key in keys:
        if isinstance(tree, Mapping):
            tree = tree.get(key)
        elif isinstance(tree, list) and key.isdigit() and int(key) < len(tree):
            tree = tree[int(key)]
        else:
            return None, f"${reference}"
    return tree, ".".join(keys)
