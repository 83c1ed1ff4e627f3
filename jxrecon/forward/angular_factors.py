"""How much stronger a voxel scatters into a reflection in one view than in the mean of all: few coefficients, smooth in angle.

    factor_k(t, r) = 1 + sum_j s_kj g_j(t) w_j(r)

A powder has none. Grains that are few or lie in order have one, and what is common to a reflection's maps and its factor must be
said, or they drift: g_j have no mean over the views (`fourier`), so that the maps are means over all of them.

A factor that follows the radius of the particle, as grains do that point outwards (`radial_texture`),

    factor_k(t, r) = 1 + s_k P2(cos alpha),      cos alpha = (y cos t - x sin t) / r,

looks the same from all sides: no factor of the angle alone can stand for it, and maps of areas without it have a core and a
shell that are not there. It has one coefficient for each reflection; with normals that have the density 1 + t P2(cos chi) about
the radius it is t P2(cos phi_k) P2(sin theta_k), phi_k between the reflection's normal and c*. P2 is Legendre's polynomial.

Bunge, Texture Analysis in Materials Science (1982), chapter 11 (fibre textures).
"""

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from ..kernels.ray_transform import middle


class AngularFactors(eqx.Module):
    """See above. weight: w_j, None for 1 everywhere.

    coefficient: the free ones; `mixture` makes s of them, (peak, term) <- (peak, coefficient).
    """

    function: Float[Array, "view term"]
    coefficient: Float[Array, "peak free"]
    mixture: Float[Array, "free term"]
    weight: Float[Array, "term y x z"] | None = None

    def strength(self) -> Float[Array, "peak term"]:
        """s of the file's head."""
        return jnp.matmul(self.coefficient, self.mixture, precision="highest")

    def terms(self, parts: Float[Array, "free y x z bin"]) -> Float[Array, "term y x z bin"]:
        """Patterns whose transforms are to be added, times g_j; `parts` hold the reflections times their coefficients."""
        mixed = jnp.einsum("fj,fyxzk->jyxzk", self.mixture, parts, precision="highest")
        return mixed if self.weight is None else mixed * self.weight[..., None]

    def values(self) -> Float[Array, "view peak"]:
        """1 + sum_j s_kj g_j(t): of factors that are the same in all voxels."""
        return 1 + jnp.matmul(self.function, self.strength().T, precision="highest")


def fourier(angle_rad: Float[np.ndarray, " view"], peaks: int, harmonics: int = 2) -> AngularFactors:
    """cos 2jt and sin 2jt without their means: what two views half a turn apart see alike. Coefficients are zero at first."""
    order = 2 * np.arange(1, harmonics + 1)
    phase = np.asarray(angle_rad, float)[:, None] * order
    waves = np.concatenate([np.cos(phase), np.sin(phase)], axis=1)
    terms = 2 * harmonics
    return AngularFactors(
        function=jnp.asarray(waves - waves.mean(axis=0), jnp.float32),
        coefficient=jnp.zeros((peaks, terms)),
        mixture=jnp.eye(terms),
    )


def radial_texture(
    angle_rad: Float[np.ndarray, " view"],
    peaks: int,
    shape: tuple[int, int, int],
    height: Float[np.ndarray, " z"] | None = None,
) -> AngularFactors:
    """P2(cos alpha) about the middle of a grid `y x z`; height of the slices above it, in voxels. One coefficient for a peak."""
    y, x = (np.arange(n) - middle(n) for n in shape[:2])
    z = np.arange(shape[2]) - middle(shape[2]) if height is None else np.asarray(height, float)
    y, x = y[:, None, None], x[:, None]
    # Half a voxel is what the middle one has for a radius.
    square = np.maximum(y**2 + x**2 + z**2, 0.25)
    weight = np.stack(np.broadcast_arrays(np.ones_like(square), y**2 / square, x * y / square, x**2 / square))
    cos, sin = np.cos(angle_rad), np.sin(angle_rad)
    function = np.stack([np.full_like(cos, -0.5), 1.5 * cos**2, -3 * sin * cos, 1.5 * sin**2], axis=1)
    return AngularFactors(
        function=jnp.asarray(function, jnp.float32),
        coefficient=jnp.zeros((peaks, 1)),
        mixture=jnp.ones((1, 4)),
        weight=jnp.asarray(weight, jnp.float32),
    )
