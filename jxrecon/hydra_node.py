"""What a config may say to Hydra itself: where the run goes, what is swept, which launcher of a fixed list.

Everything else of the `hydra` node can run code or leave the run's folder (callbacks, environment, search path, targets of
launchers and sweepers, logging), so the composed node is compared with the packaged one, and any other difference is refused,
wherever it came from. Files of the user may not touch the node at all, except to name the parameters of a sweep.
"""

import contextlib
import dataclasses
import functools
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml
from hydra._internal.core_plugins.file_config_source import FileConfigSource
from hydra._internal.sources_registry import SourcesRegistry
from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from hydra.errors import HydraException
from hydra.initialize import initialize_config_dir
from hydra.plugins.config_source import ConfigResult
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf

from .config_files import config_dir, read_text
from .errors import InputError
from .spelling import suggestion

LAUNCHERS = {
    "basic": "hydra._internal.core_plugins.basic_launcher.BasicLauncher",
    "joblib": "hydra_plugins.hydra_joblib_launcher.joblib_launcher.JoblibLauncher",
    "submitit_local": "hydra_plugins.hydra_submitit_launcher.submitit_launcher.LocalLauncher",
    "submitit_slurm": "hydra_plugins.hydra_submitit_launcher.submitit_launcher.SlurmLauncher",
}
SWEEPERS = {"basic": "hydra._internal.core_plugins.basic_sweeper.BasicSweeper"}
FREE = (
    "hydra.run.dir",
    "hydra.sweep.dir",
    "hydra.sweep.subdir",
    "hydra.sweeper.params",
    "hydra.sweeper.max_batch_size",
    "hydra.launcher",
    "hydra.mode",
)
BOOKKEEPING = ("hydra.runtime", "hydra.overrides", "hydra.searchpath", "hydra.job", "hydra.hydra_logging")
FILE_SCHEME = "jxrecon"
"""Scheme of the user's folders in Hydra's search path: their files pass `GuardedSource`."""


class GuardedSource(FileConfigSource):
    """Files of the user, each checked when it is read, and only then."""

    @staticmethod
    def scheme() -> str:
        return FILE_SCHEME

    def load_config(self, config_path: str) -> ConfigResult:
        path = Path(self.path) / self._normalize_file_name(config_path)
        if not path.resolve().is_relative_to(Path(self.path).resolve()):
            raise InputError(f"{path}: lies outside {self.path}.")
        check_user_file(read_text(path), str(path), config_path)
        return super().load_config(config_path)


def check_user_file(text: str, name: str, config_path: str) -> None:
    """Raise `InputError` when a file of the user speaks to Hydra or reaches out of its folder."""
    if config_path.startswith("hydra/") or config_path == "hydra":
        raise InputError(f"{name}: files of the group `hydra` are not read from a user's folder.")
    for line in text.splitlines():
        if line.startswith("#") and "@package" in line and "hydra" in line.partition("@package")[2]:
            raise InputError(
                f"{name}: `{line.strip()}` sets the `hydra` node, which only the command line may."
            )
    tree = yaml.safe_load(text)
    if not isinstance(tree, Mapping):
        return
    for entry in _defaults(tree):
        if ".." in entry or "@hydra" in entry:
            raise InputError(f"{name}: `{entry}` in `defaults` is not allowed; name a file of a group.")
        if entry.removeprefix("override ").lstrip("/").startswith("hydra") and "launcher" not in entry:
            raise InputError(
                f"{name}: `{entry}` in `defaults` speaks to Hydra; only `hydra/launcher` may be chosen."
            )
    node = tree.get("hydra") or {}
    for key in _leaves(node, "hydra"):
        if not key.startswith("hydra.sweeper.params."):
            raise InputError(
                f"{name}: `{key}` is not allowed in a file; a file may only set `hydra.sweeper.params`."
            )


@dataclasses.dataclass(frozen=True)
class Composer:
    """Hydra, initialised on the packaged configs and the user's folders."""

    searchpath: list[str]
    known: dict[str, Any]

    def split(self, overrides: Sequence[Override]) -> tuple[list[Override], list[Override]]:
        """(choices of a group's file, values of keys)."""
        loader = GlobalHydra.instance().config_loader()
        groups: list[Override] = []
        values: list[Override] = []
        for override in overrides:
            name = self._full_name(override)
            is_group = "/" in name or bool(loader.get_group_options(name)) or name in ("experiment", "sweep")
            if is_group and override.value() is None and name not in ("experiment", "sweep"):
                raise InputError(f"`{override.input_line}`: choose a file of `{name}`{self._choices(name)}.")
            (groups if is_group else values).append(override)
        return groups, values

    def _choices(self, group: str) -> str:
        return suggestion("", GlobalHydra.instance().config_loader().get_group_options(group))

    def _full_name(self, override: Override) -> str:
        """The group's name; `noise=poisson` is put right to the one place that has a `noise`."""
        name, places = override.key_or_group, self.known["runtime"]["choices"]
        here = [place.partition("@")[2] for place in places if place.startswith(f"{name}@")]
        if here and name not in places and override.package is None:
            if len(here) > 1:
                raise InputError(
                    f"`{override.input_line}`: say which one, {' or '.join(f'`{name}@{p}`' for p in here)}."
                )
            line = str(override.input_line)
            override.package = here[0]
            override.input_line = line.replace(name, f"{name}@{here[0]}", 1)
        return name

    def compose(self, overrides: Sequence[str], multirun: bool = False) -> DictConfig:
        """Composed config whose `hydra` node has passed `check_node`."""
        hydra = GlobalHydra.instance().hydra
        assert hydra is not None
        cfg = hydra.compose_config(
            config_name="config",
            overrides=[*self._searchpath_override(), *overrides],
            run_mode=RunMode.MULTIRUN if multirun else RunMode.RUN,
            from_shell=True,
        )
        check_node(OmegaConf.to_container(cfg.hydra, resolve=False), self.known)  # pyright: ignore[reportArgumentType]
        return cfg

    def _searchpath_override(self) -> list[str]:
        return [f"hydra.searchpath=[{','.join(map(repr, self.searchpath))}]"] if self.searchpath else []


@contextlib.contextmanager
def composing(config_dirs: Sequence[Path] = ()) -> Iterator[Composer]:
    """Hydra ready to compose; it is left as it was found."""
    SourcesRegistry.instance().register(GuardedSource)
    folders = [Path(folder).expanduser().resolve() for folder in config_dirs]
    for folder in folders:
        if not folder.is_dir():
            raise InputError(f"{folder}: no such folder (`--config-dir`).")
        _no_double(folder)
    with initialize_config_dir(str(config_dir()), job_name="jxrecon", version_base="1.3"):
        yield Composer([f"{FILE_SCHEME}://{folder}" for folder in folders], _packaged_node(config_dir()))


@functools.cache
def _packaged_node(folder: Path) -> dict[str, Any]:
    """The `hydra` node of the packaged configs in `folder`, on which Hydra is initialised."""
    hydra = GlobalHydra.instance().hydra
    assert hydra is not None
    plain = hydra.compose_config("config", [], run_mode=RunMode.RUN, from_shell=True)
    return OmegaConf.to_container(plain.hydra, resolve=False)  # pyright: ignore[reportReturnType]


def parse(overrides: Sequence[str]) -> list[Override]:
    """Overrides in Hydra's grammar; raises `InputError` on bad syntax and on keys of Hydra that are not free."""
    parsed = []
    for text in overrides:
        if "=" not in text and not text.startswith("~"):
            raise InputError(f"`{text}` is neither a verb nor `key=value`.")
        try:
            override = OverridesParser.create().parse_override(text)
        except (HydraException, RecursionError) as error:
            raise InputError(f"`{text[:80]}` is not understood: {' '.join(str(error).split())}.") from error
        _check_override(override, text)
        parsed.append(override)
    return parsed


def _check_override(override: Override, text: str) -> None:
    key, package = override.key_or_group, override.package or ""
    value = str(override.value())
    if "hydra" in package:
        raise InputError(f"`{text}` writes into the `hydra` node; that is not allowed.")
    if key in ("hydra/launcher", "hydra/sweeper"):
        valid = LAUNCHERS if key.endswith("launcher") else SWEEPERS
        if value not in valid:
            raise InputError(f"`{text}` is not on the list{suggestion(value, valid)}.")
    elif key.split(".")[0].split("/")[0] == "hydra":
        if not _is_free(key) or key.endswith("_target_"):
            raise InputError(f"`{key}` cannot be set; of Hydra's own settings {', '.join(FREE)} can.")
    elif ("/" in key or "." not in key) and (".." in value or value.startswith(("/", "~"))):
        raise InputError(f"`{text}`: a config is chosen by its name, not by a path (see `--config-dir`).")


def check_node(node: Mapping[str, Any], known: Mapping[str, Any]) -> None:
    """Raise `InputError` when a composed `hydra` node differs from the packaged one in anything that is not free."""
    packaged = dict(_items(known, "hydra"))
    given = dict(_items(node, "hydra"))
    for key in {**packaged, **given}:
        same = given.get(key) == packaged.get(key) and (key in given) == (key in packaged)
        harmless = key.startswith(BOOKKEEPING) and not key.startswith(("hydra.job.env", "hydra.job_"))
        if not same and not harmless and not _is_free(key):
            raise InputError(f"`{key}` cannot be set by a config.")
    for name, valid in (("launcher", LAUNCHERS), ("sweeper", SWEEPERS)):
        target = given.get(f"hydra.{name}._target_")
        if target not in valid.values():
            raise InputError(
                f"`hydra.{name}._target_` is {target!r}; use `hydra/{name}=` {' or '.join(valid)}."
            )


def _is_free(key: str) -> bool:
    return any(key == free or key.startswith(f"{free}.") for free in FREE)


def _items(tree: Any, where: str) -> Iterator[tuple[str, Any]]:
    if isinstance(tree, Mapping) and tree:
        for key, value in tree.items():
            yield from _items(value, f"{where}.{key}")
    else:
        yield where, tree


def _leaves(tree: Any, where: str) -> list[str]:
    return [key for key, _ in _items(tree, where)] if tree else []


def _defaults(tree: Mapping[str, Any]) -> Iterator[str]:
    """Entries of a defaults list as `group: file` text."""
    for entry in tree.get("defaults") or []:
        if isinstance(entry, Mapping):
            yield from (f"{key}: {value}" for key, value in entry.items())
        else:
            yield str(entry)


def _no_double(folder: Path) -> None:
    """A user's experiment with the name of a packaged one would never be read."""
    ours = {p.name for p in (config_dir() / "experiment").glob("*.yaml")}
    for path in sorted((folder / "experiment").glob("*.yaml")):
        if path.name in ours:
            raise InputError(f"{path}: jxrecon has an experiment of this name; give the file another.")
