"""Incoherent modes: the unitary freedom among them, removed.

Modes P_m enter the frames only through sum_m |F P_m|^2, which is the same for U P with any unitary U. The orthogonal set
sorted by power is the one whose first power is the coherent fraction. It is found from the Gram matrix (mode x mode)
G_mn = sum_r P_m conj(P_n) rather than from a singular value decomposition of (mode, pixel): if G V = V D, the modes V^H P
have the diagonal Gram matrix D. Eigenvectors are fixed to have their largest element real and positive, so that modes that
are orthogonal and sorted already come back as they were, which keeps an optimiser's momentum meaningful.
"""

import jax.numpy as jnp
from jaxtyping import Array, Complex, Float


def powers(modes: Complex[Array, "*batch mode v u"]) -> Float[Array, "*batch mode"]:
    """sum over the pixels of |P_m|^2."""
    return jnp.sum(modes.real**2 + modes.imag**2, axis=(-2, -1))


def rotation(modes: Complex[Array, "*batch mode v u"]) -> Complex[Array, "*batch mode mode"]:
    """The unitary matrix that makes modes mutually orthogonal, strongest first, when it acts on their index."""
    flat = modes.reshape(*modes.shape[:-2], -1)
    # Unit power keeps the decomposition clear of underflow and overflow in float32.
    power = jnp.sum(powers(modes), axis=-1)[..., None, None]
    unit = jnp.where(power > 0, power, jnp.ones_like(power)).astype(modes.dtype)
    gram = flat @ jnp.conj(jnp.swapaxes(flat, -1, -2)) / unit
    _, vectors = jnp.linalg.eigh(gram)
    vectors = vectors[..., ::-1]
    largest = jnp.argmax(jnp.abs(vectors), axis=-2, keepdims=True)
    pivot = jnp.take_along_axis(vectors, largest, axis=-2)
    vectors = vectors * (jnp.conj(pivot) / jnp.abs(pivot).astype(pivot.dtype))
    return jnp.conj(jnp.swapaxes(vectors, -1, -2))


def rotated(modes: Complex[Array, "*batch mode v u"], by: Complex[Array, "*#batch mode mode"]) -> Array:
    """Modes mixed among themselves: `by` acts on the index of the mode."""
    return (by @ modes.reshape(*modes.shape[:-2], -1)).reshape(modes.shape)


def orthogonalise(modes: Complex[Array, "*batch mode v u"]) -> Complex[Array, "*batch mode v u"]:
    """The same incoherent sum from mutually orthogonal modes, strongest first."""
    return modes if modes.shape[-3] == 1 else rotated(modes, rotation(modes))
