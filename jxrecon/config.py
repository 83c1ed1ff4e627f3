"""Configs: composed by Hydra, checked as a whole, then built into Modules.

    compose(["experiment=siemens_star", "epochs=50"]) -> Composed     the packaged yaml files plus the user's changes
    build(cfg) -> objects                                             the tree's `_target_`s, all checked before the first call
    load(path) -> dict                                                a config that somebody else wrote

Hydra only composes (its Compose API): `hydra.main` would act on callbacks, launchers and environment settings before our
code. What a config may say to Hydra itself is in `hydra_node`. This file and `hydra_node` are the only ones that know Hydra.
"""

import contextlib
import dataclasses
import os
import warnings
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from .config_files import check_interpolations, check_text, read_text
from .errors import InputError
from .spelling import nearest, suggestion

MISSING = "???"
FILES = ("path", "dark", "flat", "mask", "positions")
"""Arguments that name files wherever they stand in a config; text behind `FILE.h5:` is a dataset."""


@dataclasses.dataclass(frozen=True)
class Composed:
    """A composed config and what was decided beside it.

    cfg: resolved plain tree, without the `hydra` node. run_dir: what `hydra.run.dir` asks for, or None. experiment: name, or
    None. overrides: as given.
    """

    cfg: dict[str, Any]
    run_dir: Path | None
    experiment: str | None
    overrides: list[str]


def trusted_packages() -> tuple[str, ...]:
    """Packages that configs may name besides this one, from JXRECON_TRUST (separated by commas); never from a yaml."""
    return tuple(name.strip() for name in os.environ.get("JXRECON_TRUST", "").split(",") if name.strip())


def plan(cfg: Any, annotation: Any = Any) -> Any:
    """The checked tree of `Plan`s that `build` would construct. Imports JAX, allocates nothing."""
    from .validate import check

    return check(_plain(cfg), annotation, "", trusted_packages())


def build(cfg: Any, annotation: Any = Any) -> Any:
    """Objects that a config describes, after the whole tree has been checked.

    cfg: mapping, DictConfig or list; nodes with `_target_` become Modules. annotation: what the whole is expected to be.
    Raises `InputError` naming the dotted key, what was found, what was expected and the nearest valid name.
    """
    from .validate import construct

    return construct(plan(cfg, annotation))


def load(path: str | os.PathLike) -> dict[str, Any]:
    """Open a resolved config of unknown origin: no `hydra` node, no interpolation, no expanding aliases."""
    return loads(read_text(Path(path)), str(path))


def loads(text: str, name: str = "config") -> dict[str, Any]:
    """`load` for text; `name` is for error messages."""
    from omegaconf import OmegaConf

    check_text(text, name)
    if "${" in text:
        raise InputError(f"{name}: holds an interpolation `${{...}}`; a saved config is resolved.")
    with one_line(name):
        tree = OmegaConf.to_container(OmegaConf.create(text))
    if not isinstance(tree, dict):
        raise InputError(f"{name}: holds a {type(tree).__name__}; expected a mapping.")
    if "hydra" in tree:
        raise InputError(f"{name}: holds a `hydra` node, which only the command line may set.")
    return {str(key): value for key, value in tree.items()}


def dumps(cfg: Mapping[str, Any]) -> str:
    """YAML text of a resolved tree."""
    from omegaconf import OmegaConf

    return OmegaConf.to_yaml(OmegaConf.create(dict(cfg)))


def compose(overrides: Sequence[str], config_dirs: Sequence[Path] = ()) -> Composed:
    """The packaged `config.yaml` with overrides in Hydra's grammar; `config_dirs` add files of the user.

    Raises `InputError` for a misspelt group, file or key (naming the nearest), bad syntax, and anything said to Hydra that
    is not on `hydra_node`'s list.
    """
    return composed(compose_raw(overrides, config_dirs), overrides)


def composed(cfg: Any, overrides: Sequence[str]) -> Composed:
    """Resolve what Hydra composed, and take the `hydra` node off it."""
    from omegaconf import OmegaConf

    node, choices = cfg.hydra, dict(cfg.hydra.runtime.choices)
    if node.sweeper.params:
        raise InputError(f"`sweep={choices.get('sweep')}` lists many runs; start them with `-m`.")
    run_dir = None if node.run.dir == "auto" else Path(str(node.run.dir)).expanduser()
    tree = without_hydra(cfg)
    check_interpolations(OmegaConf.to_container(tree, resolve=False))  # pyright: ignore[reportArgumentType]
    with one_line("config"):
        plain = OmegaConf.to_container(tree, resolve=True)
    return Composed(absolute_paths(plain), run_dir, choices.get("experiment"), list(overrides))


def compose_raw(overrides: Sequence[str], config_dirs: Sequence[Path] = ()) -> Any:
    """The composed DictConfig with its `hydra` node, checked, not resolved."""
    from . import hydra_node

    with hydra_node.composing(config_dirs) as composer:
        lines = checked_overrides(composer, overrides)
        with one_line("config"):
            return composer.compose(lines)


def checked_overrides(
    composer: Any, overrides: Sequence[str], bases: dict[tuple[str, ...], Any] | None = None
) -> list[str]:
    """Overrides as Hydra wants them; raises `InputError` for a name that does not exist.

    bases: keeps what was composed from the same choices of files, for a sweep of many values.
    """
    from .hydra_node import parse

    bases = {} if bases is None else bases
    parsed = parse(overrides)
    swept = [o.input_line for o in parsed if o.is_sweep_override()]
    if swept:
        raise InputError(f"`{swept[0]}` gives several values: `-m` runs them all, `[a,b]` is a list.")
    groups, values = composer.split(parsed)
    chosen = [str(o.input_line) for o in groups]
    if tuple(chosen) not in bases:
        with one_line("config"):
            bases[tuple(chosen)] = composer.compose(chosen)
    return [*chosen, *(_valued(o, bases[tuple(chosen)]) for o in values)]


def absolute_paths(tree: Any) -> Any:
    """Every file name of a tree made absolute, so that a saved config means the same file wherever it is opened."""
    if isinstance(tree, dict):
        return {
            key: absolute_paths(v) if isinstance(v, dict) or key not in FILES else _absolute(v)
            for key, v in tree.items()
        }
    return [absolute_paths(v) for v in tree] if isinstance(tree, list) else tree


def _absolute(value: Any) -> Any:
    if isinstance(value, list):
        return [_absolute(v) for v in value]
    named = isinstance(value, str) and value not in ("", MISSING)
    return os.path.abspath(os.path.expanduser(value)) if named else value


def dotted(tree: Any, where: str = "") -> Iterator[str]:
    """All dotted keys of a nested mapping."""
    for key, value in tree.items() if isinstance(tree, Mapping) else ():
        here = f"{where}.{key}" if where else str(key)
        yield here
        yield from dotted(value, here)


def _valued(override: Any, base: Any) -> str:
    """An override as Hydra wants it: `+` is added for an argument that the constructor has and the yaml leaves out."""
    from omegaconf import OmegaConf

    key, line = override.key_or_group, str(override.input_line)
    if override.is_add() or override.is_force_add() or key.startswith("hydra."):
        return line
    tree = OmegaConf.to_container(without_hydra(base), resolve=False)
    known = list(dotted(tree))
    if key in known:
        return line
    arguments = _arguments_beside(tree, key)
    if not override.is_delete() and key in arguments:
        return f"+{line}"
    near = nearest(key, [*known, *arguments, "experiment", "sweep"])
    hint = f"; the nearest is `{near}`" if near else ""
    raise InputError(f"`{key}` is no key of this config{hint} (a new entry is added with `+{key}=...`).")


def _arguments_beside(tree: Any, key: str) -> list[str]:
    """Dotted names of the constructor arguments at the parent of `key`, when that is a `_target_` node."""
    from .targets import find_target, parameters

    parent = key.rpartition(".")[0]
    for part in parent.split(".") if parent else ():
        tree = tree.get(part) if isinstance(tree, Mapping) else None
    if not isinstance(tree, Mapping) or "_target_" not in tree:
        return []
    names = parameters(find_target(tree["_target_"], parent, trusted_packages()))
    return [f"{parent}.{name}" if parent else name for name in names]


def without_hydra(cfg: Any) -> Any:
    from omegaconf import OmegaConf

    return OmegaConf.masked_copy(cfg, [str(key) for key in cfg if key != "hydra"])


def _plain(cfg: Any) -> Any:
    from omegaconf import Container, OmegaConf

    if isinstance(cfg, Container):
        with one_line("config"):
            return OmegaConf.to_container(cfg, resolve=True)
    return cfg


@contextlib.contextmanager
def one_line(name: str) -> Iterator[None]:
    """Turns what Hydra, OmegaConf and YAML raise into one-line `InputError`s."""
    from hydra.errors import HydraException, MissingConfigException
    from omegaconf.errors import OmegaConfBaseException
    from yaml import YAMLError

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # hydra's hints on its own versions
            yield
    except MissingConfigException as error:
        raise InputError(_missing_file(error)) from error
    except InputError:
        raise
    except (HydraException, OmegaConfBaseException, YAMLError, KeyError, ValueError, RecursionError) as error:
        cause = error.__cause__ or error
        raise InputError(f"{name}: {' '.join(str(cause).split())}") from error


def _missing_file(error: Any) -> str:
    """A file of a group that does not exist, with the nearest one that does."""
    group, _, name = (error.missing_cfg_file or "?").rpartition("/")
    if group == "hydra/launcher":
        return f"the launcher `{name}` is not installed; it comes with `pip install 'jxrecon[sweeps]'`."
    return f"there is no `{group}={name}`{suggestion(name, error.options or [])}."
