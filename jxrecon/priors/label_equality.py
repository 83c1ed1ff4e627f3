"""All voxels of a grain, or of any other label, have one cell: a penalty for how much they differ within it.

    R = 1/2 sum_k sum_(r in k) sum_m ( u_m(r) - <u_m>_k )^2 / scale_m^2,        <u>_k the mean over the voxels of label k

over the maps m of strain in 1e-3 and of the logarithms of widths. It has no pull on the means. With scales far below the standard
errors of single voxels, voxels of a label are as good as tied; `tied` ties them altogether.

Parameters: weight; labels: whole numbers (y, x, z), 0 for voxels without one, such as grains of a segmented tomogram;
strain: scale in 1e-3; log_width: scale of ln FWHM, None to leave widths alone.
"""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from ..errors import InputError
from ..forward.pattern_misfit import lattice_of
from ..lattice import STRAIN, Lattice
from ..objective import AbstractTerm, Batch
from ..parameters import Parameters


def consecutive(labels: object) -> Int[Array, "y x z"] | None:
    """The same labels numbered 1, 2, ...; 0 stays."""
    if labels is None:
        return None
    array = np.asarray(labels)
    if array.ndim != 3 or not np.issubdtype(array.dtype, np.integer) or np.any(array < 0):
        raise ValueError(
            f"`labels` has {array.ndim} axes of {array.dtype}; expected whole numbers from 0 on, (y, x, z)."
        )
    _, number = np.unique(np.append(array.ravel(), 0), return_inverse=True)
    return jnp.asarray(number[:-1].reshape(array.shape), jnp.int32)


def means(maps: Float[Array, "map y x z"], labels: Int[Array, "y x z"]) -> Float[Array, "map y x z"]:
    """In every voxel the mean over its label, of `consecutive` ones; a voxel without a label keeps its value."""
    number = labels.ravel()
    most = number.size + 1  # what is certain of the number of labels when compiled
    size = jnp.zeros(most, maps.dtype).at[number].add(1)
    flat = maps.reshape(maps.shape[0], -1)
    total = jax.vmap(lambda v: jnp.zeros(most, v.dtype).at[number].add(v))(flat)
    found = (total / jnp.maximum(size, 1))[:, number].reshape(maps.shape)
    return jnp.where(labels != 0, found, maps)


def tied(lattice: Lattice, labels: Int[np.ndarray, "y x z"]) -> Lattice:
    """The lattice with one cell and one width of each peak in every label."""
    number = consecutive(labels)
    assert number is not None
    return eqx.tree_at(
        lambda p: (p.strain, p.log_width),
        lattice,
        (means(lattice.strain, number), means(lattice.log_width, number)),
    )


class LabelEquality(AbstractTerm):
    """See above."""

    weight: Float[Array, ""] = eqx.field(converter=jnp.asarray, default=1.0)
    labels: Int[Array, "y x z"] | None = eqx.field(converter=consecutive, default=None)
    strain: float = 0.1
    log_width: float | None = None

    def __check_init__(self):
        for name in ("strain", "log_width"):
            value = getattr(self, name)
            if value is not None and not value > 0:
                raise ValueError(f"`{name}` is {value:g}; expected a scale above 0.")

    def __call__(self, parameters: Parameters, batch: dict[str, Batch]) -> Float[Array, ""]:
        lattice = lattice_of(parameters, self)
        if self.labels is None or self.labels.shape != lattice.strain.shape[1:]:
            has = "there is none" if self.labels is None else f"it has {self.labels.shape}"
            raise InputError(
                f"`labels` of `LabelEquality`: {has}; expected a whole number for each of {lattice.strain.shape[1:]} voxels."
            )
        scaled = [(lattice.strain, self.strain * STRAIN), (lattice.log_width, self.log_width)]
        total = jnp.zeros((), lattice.strain.dtype)
        for maps, scale in scaled:
            if scale is not None:
                total = total + jnp.sum(((maps - means(maps, self.labels)) / scale) ** 2) / 2
        return total
