"""Support: the specimen lies within a known region.

    R = sum_(r outside) n^2

n in e/A^3. A weight of 1 / (2 s^2) lets the density outside of the region be as large as s. It leaves room for what a hard
support would press into the specimen: the tails of the interpolation, and matter that was not expected.
"""

from typing import Literal

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from ..objective import AbstractTerm, Batch
from ..parameters import Parameters
from .density import ball, cylinder, electron_density, squares_where


class Support(AbstractTerm):
    """form, radius: a ball, or a cylinder about the rotation axis, relative to the one that just fits into the volume. mask: the
    region itself instead, True where the specimen may be."""

    weight: Float[Array, ""] = eqx.field(converter=jnp.asarray, default=1.0)
    form: Literal["ball", "cylinder"] = "ball"
    radius: float = 0.9
    mask: Bool[Array, "y x z"] | None = None

    def __check_init__(self):
        if self.form not in ("ball", "cylinder"):
            raise ValueError(f"`form` is {self.form!r}; expected 'ball' or 'cylinder'.")

    def inside(self, shape: tuple[int, int, int]) -> Bool[Array, "y x z"]:
        """The region, of a volume of this shape."""
        if self.mask is None:
            return (ball if self.form == "ball" else cylinder)(shape, self.radius)
        if self.mask.shape != shape:
            raise ValueError(f"`mask` has {self.mask.shape} voxels, the volume {shape}; expected the same.")
        return self.mask

    def __call__(self, parameters: Parameters, batch: dict[str, Batch]) -> Float[Array, ""]:
        density = electron_density(parameters, self)
        y, x, z = density.shape
        return squares_where(density, ~self.inside((y, x, z)))
