"""Which classes a config may name, and what their constructors take.

A target must be a concrete `equinox.Module` that is defined in the module it is named after, inside this package or one
that the user trusts. A config from elsewhere can therefore make numbers and models, and no file, process or call.
"""

import dataclasses
import importlib
import inspect
import pkgutil
import typing
from collections.abc import Sequence
from typing import Any

import equinox as eqx

from .errors import InputError
from .spelling import suggestion

PACKAGE = __name__.partition(".")[0]


def join(where: str, key: Any) -> str:
    """Dotted key of a child."""
    return f"{where}.{key}" if where else str(key)


def parameters(target: type) -> dict[str, tuple[Any, bool]]:
    """Constructor's arguments: name -> (annotation, required)."""
    signature = inspect.signature(target)
    generated = dataclasses.is_dataclass(target) and target.__dataclass_params__.init  # pyright: ignore[reportAttributeAccessIssue]
    # A generated constructor has forgotten the annotations of fields with a converter; the class remembers.
    hints = typing.get_type_hints(target if generated else target.__init__, include_extras=True)
    return {
        name: (hints.get(name, Any), p.default is inspect.Parameter.empty)
        for name, p in signature.parameters.items()
        if p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)
    }


def is_concrete_module(found: Any) -> typing.TypeGuard[type]:
    return inspect.isclass(found) and issubclass(found, eqx.Module) and not inspect.isabstract(found)


def find_target(name: Any, where: str, trusted: Sequence[str] = ()) -> type:
    """The class that a `_target_` names, or an `InputError` without having called anything."""
    key = join(where, "_target_")
    if not isinstance(name, str) or not all(part.isidentifier() for part in name.split(".")):
        raise InputError(
            f"`{key}` is {name!r}; expected the dotted name of a class such as `{PACKAGE}.noise.Poisson`."
        )
    module, _, attribute = name.rpartition(".")
    if module.split(".")[0] not in (PACKAGE, *trusted):
        raise InputError(
            f"`{key}` is `{name}`, outside `{PACKAGE}`; a config may only name its classes "
            f"(to trust another package: `--trust {name.split('.')[0]}`)."
        )
    try:
        found = getattr(importlib.import_module(module), attribute, None)
    except ModuleNotFoundError as error:
        if error.name and not module.startswith(error.name):
            raise InputError(
                f"`{key}`: `{module}` needs the package `{error.name}`, which is not installed."
            ) from error
        raise InputError(
            f"`{key}` is `{name}`, but there is no module `{module}`{_near_module(module)}."
        ) from error
    if not is_concrete_module(found) or found.__module__ != module:
        choices = [
            n
            for n, c in vars(importlib.import_module(module)).items()
            if is_concrete_module(c) and c.__module__ == module
        ]
        raise InputError(
            f"`{key}` is `{name}`, which is no concrete Module defined in `{module}`{suggestion(attribute, choices)}."
        )
    return found


def _near_module(module: str) -> str:
    package = module.rpartition(".")[0] or module
    try:
        found = importlib.import_module(package)
    except ImportError:
        found = importlib.import_module(module.split(".")[0])
    names = [f"{found.__name__}.{m.name}" for m in pkgutil.iter_modules(getattr(found, "__path__", []))]
    return suggestion(module, [n for n in names if not n.endswith("__main__")])
