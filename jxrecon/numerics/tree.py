"""Leaves of a pytree by their dotted names."""

from typing import Any

import jax
import jax.numpy as jnp
import jax.tree_util as jtu


def dotted(path) -> str:
    """`positions.shift`, `probe.modes`, `terms.tv`: the name by which configs, files and messages call a leaf."""
    return jtu.keystr(path, simple=True, separator=".")


def named_leaves(tree: Any) -> dict[str, Any]:
    """Dotted name -> leaf, in the tree's order; None is no leaf."""
    return {dotted(path): leaf for path, leaf in jtu.tree_leaves_with_path(tree)}


def first_non_finite(tree: Any) -> str | None:
    """Name of the first inexact leaf that holds a NaN or an infinity, or None."""
    for name, leaf in named_leaves(tree).items():
        if jnp.issubdtype(jnp.result_type(leaf), jnp.inexact) and not bool(jnp.all(jnp.isfinite(leaf))):
            return name
    return None


def conjugated(tree: Any) -> Any:
    """Complex leaves conjugated: JAX's gradient is dL/dx - i dL/dy, descent needs dL/dx + i dL/dy."""
    return jax.tree.map(jnp.conj, tree)
