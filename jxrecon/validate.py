"""Checks a plain config tree against the constructors that its `_target_`s name, before anything is built.

There is no second schema: keys are the constructor's arguments and types are its annotations. The result is a tree of
`Plan`s, which `construct` turns into objects. `_target_` is the only underscore key of a config.
"""

import contextlib
import dataclasses
import inspect
import math
import types
import typing
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import equinox as eqx
import jaxtyping
import numpy as np

from .errors import InputError
from .spelling import suggestion
from .targets import find_target, join, parameters


@dataclasses.dataclass(frozen=True)
class Plan:
    """A class, the checked arguments to call it with, and the dotted key it stands at."""

    target: type
    arguments: dict[str, Any]
    where: str


def construct(plan: Any) -> Any:
    """Objects in the place of `Plan`s; an error of a constructor becomes an `InputError` with the key in front."""
    if isinstance(plan, Plan):
        arguments = {name: construct(value) for name, value in plan.arguments.items()}
        try:
            return plan.target(**arguments)
        except InputError:
            raise
        except (ValueError, TypeError) as error:
            raise InputError(f"`{plan.where or 'config'}`: {' '.join(str(error).split())}") from error
    if isinstance(plan, dict):
        return {key: construct(value) for key, value in plan.items()}
    if isinstance(plan, (list, tuple)):
        return type(plan)(construct(value) for value in plan)
    return plan


@contextlib.contextmanager
def blamed_on_input() -> Iterator[None]:
    """Before the first step of a run, a ValueError is about what the user gave."""
    try:
        yield
    except InputError:
        raise
    except ValueError as error:
        raise InputError(" ".join(str(error).split())) from error


def describe(annotation: Any) -> str:
    """An annotation as a person would say it."""
    if annotation is type(None):
        return "null"
    if _is_array(annotation):
        return "number" if getattr(annotation, "dim_str", " ") == "" else "list of numbers"
    if typing.get_origin(annotation) is typing.Literal:
        return " or ".join(repr(x) for x in typing.get_args(annotation))
    if _is_union(annotation):
        return " or ".join(describe(x) for x in typing.get_args(annotation))
    if _is_module(annotation):
        return f"a node whose `_target_` is a `{annotation.__name__}`"
    if annotation in (int, float, bool, str):
        return {int: "integer", float: "number", bool: "true or false", str: "text"}[annotation]
    return str(annotation).replace("typing.", "") if typing.get_origin(annotation) else annotation.__name__


def check(value: Any, annotation: Any, where: str, trusted: Sequence[str] = ()) -> Any:
    """The value as its annotation wants it (lists to tuples, integers to floats), with a `Plan` for every `_target_`.

    Raises `InputError` with the dotted key, what was found and what was expected.
    """
    if typing.get_origin(annotation) is typing.Annotated:
        annotation = typing.get_args(annotation)[0]
    if value == "???":
        raise InputError(f"`{where}` is missing; give it as `{where}=...`, {describe(annotation)}.")
    if isinstance(annotation, typing.TypeVar) or annotation in (Any, object):
        return _check_untyped(value, where, trusted)
    if _is_union(annotation):
        return _check_union(value, annotation, where, trusted)
    if isinstance(value, Mapping) and "_target_" in value:
        return _check_node(value, annotation, where, trusted)
    if isinstance(value, Mapping):
        return _check_mapping(value, annotation, where, trusted)
    if isinstance(value, (list, tuple)):
        return _check_list(value, annotation, where, trusted)
    return _check_scalar(value, annotation, where)


def _wrong(value: Any, annotation: Any, where: str) -> InputError:
    shown = repr(value) if len(repr(value)) < 60 else repr(value)[:56] + " ..."
    kind = "null" if value is None else type(value).__name__
    found = "null" if value is None else f"{shown} ({kind})"
    return InputError(f"`{where or 'config'}` is {found}; expected {describe(annotation)}.")


def _check_scalar(value, annotation, where):
    if typing.get_origin(annotation) is typing.Literal:
        valid = typing.get_args(annotation)
        if any(value == v and type(value) is type(v) for v in valid):
            return value
        near = suggestion(str(value), [str(v) for v in valid])
        raise InputError(f"`{where}` is {value!r}; expected {describe(annotation)}{near}.")
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if number and math.isnan(value):
        raise InputError(f"`{where}` is nan; expected {describe(annotation)}.")
    if annotation is float and number:
        return float(value)
    if annotation in (complex, np.ndarray) or _is_array(annotation):
        if number and getattr(annotation, "dim_str", "") == "":
            return value
    elif annotation is type(None):
        if value is None:
            return None
    elif annotation is Path:
        if isinstance(value, str):
            return Path(value)
    elif annotation in (int, bool, str) and type(value) is annotation:
        return value
    raise _wrong(value, annotation, where)


def _check_list(value, annotation, where, trusted):
    origin, arguments = typing.get_origin(annotation) or annotation, typing.get_args(annotation)
    if _is_array(annotation) or annotation is np.ndarray:
        return _check_numbers(value, annotation, where)
    if not (inspect.isclass(origin) and issubclass(origin, Sequence) and not issubclass(origin, str)):
        raise _wrong(value, annotation, where)
    if origin is tuple and arguments and arguments[-1] is not Ellipsis:
        if len(arguments) != len(value):
            raise InputError(f"`{where}` is {value!r}; expected a list of {len(arguments)}.")
        kinds = arguments
    else:
        kinds = (arguments[0] if arguments else Any,) * len(value)
    items = [
        check(v, kind, f"{where}[{i}]", trusted) for i, (v, kind) in enumerate(zip(value, kinds, strict=True))
    ]
    return tuple(items) if origin is not list else items


def _check_numbers(value, annotation, where):
    """A nested list of numbers with as many levels as the annotation has axes, when it says."""
    try:
        found = np.asarray(value, float)
    except (ValueError, TypeError):
        raise _wrong(value, annotation, where) from None
    names = getattr(annotation, "dim_str", "...").split()
    if not any("..." in name or "*" in name for name in names) and found.ndim != len(names):
        raise _wrong(value, annotation, where)
    return value


def _check_mapping(value, annotation, where, trusted):
    origin, arguments = typing.get_origin(annotation) or annotation, typing.get_args(annotation)
    if not (inspect.isclass(origin) and issubclass(origin, Mapping)):
        raise _wrong(dict(value), annotation, where)
    _no_underscores(value, where)
    kind = arguments[1] if arguments else Any
    return {str(key): check(v, kind, join(where, key), trusted) for key, v in value.items()}


def _check_union(value, annotation, where, trusted):
    alternatives, errors = typing.get_args(annotation), []
    for alternative in alternatives:
        try:
            return check(value, alternative, where, trusted)
        except InputError as error:
            errors.append((alternative, error))
    # The alternative that the value was meant for tells best what is wrong with it.
    meant = [e for a, e in errors if _meant_for(value, a)]
    if len(meant) == 1:
        raise meant[0]
    raise _wrong(value, annotation, where)


def _meant_for(value, annotation):
    kind = typing.get_origin(annotation) or annotation
    if isinstance(value, Mapping) and "_target_" in value:
        return _is_module(kind)
    return (
        inspect.isclass(kind) and isinstance(value, (Mapping, list)) and issubclass(kind, (Mapping, Sequence))
    )


def _check_untyped(value, where, trusted):
    if isinstance(value, Mapping):
        return (
            _check_node(value, Any, where, trusted)
            if "_target_" in value
            else _check_mapping(value, dict[str, Any], where, trusted)
        )
    if isinstance(value, (list, tuple)):
        return [_check_untyped(v, f"{where}[{i}]", trusted) for i, v in enumerate(value)]
    return value


def _check_node(value, annotation, where, trusted):
    target = find_target(value["_target_"], where, trusted)
    origin = typing.get_origin(annotation) or annotation
    if annotation is not Any and not (inspect.isclass(origin) and issubclass(target, origin)):
        raise InputError(f"`{where}` is a `{target.__name__}`; expected {describe(annotation)}.")
    _no_underscores(value, where)
    wanted = parameters(target)
    given = {key: v for key, v in value.items() if key != "_target_"}
    for key in given:
        if key not in wanted:
            raise InputError(
                f"`{join(where, key)}` is no argument of `{target.__name__}`"
                f"{suggestion(str(key), wanted) or '; it has none'}."
            )
    for name, (kind, required) in wanted.items():
        if required and name not in given:
            raise InputError(
                f"`{join(where, name)}` is missing; give it as `{join(where, name)}=...`, {describe(kind)}."
            )
    return Plan(
        target, {key: check(v, wanted[key][0], join(where, key), trusted) for key, v in given.items()}, where
    )


def _no_underscores(value: Mapping, where: str) -> None:
    for key in value:
        if str(key).startswith("_") and key != "_target_":
            raise InputError(
                f"`{join(where, key)}` is not allowed; the only underscore key of a config is `_target_`."
            )


def _is_union(annotation: Any) -> bool:
    return typing.get_origin(annotation) in (typing.Union, types.UnionType)


def _is_array(annotation: Any) -> bool:
    import jax

    return inspect.isclass(annotation) and issubclass(annotation, (jaxtyping.AbstractArray, jax.Array))


def _is_module(annotation: Any) -> bool:
    return inspect.isclass(annotation) and issubclass(annotation, eqx.Module)
