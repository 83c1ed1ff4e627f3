"""Incoherent modes beyond those that are known, and variations for orthogonal probe relaxation.

A new mode is the strongest known one times y, x, yx, y^2, x^2, ... (coordinates from the beam's centre of mass, in units of its
width), made orthogonal to all modes before it: the Hermite-Gauss modes, if the beam is Gaussian. Each of them gets the share
`share` of the power; the known modes keep their proportions in the rest.
"""

import itertools

import numpy as np
from jaxtyping import Complex, Float

from ..errors import InputError


def powers(modes: Complex[np.ndarray, "*mode v u"]) -> Float[np.ndarray, "*mode"]:
    """sum |P|^2 of every mode."""
    return np.asarray(np.sum(np.abs(modes) ** 2, axis=(-2, -1)))


def orthogonalised(modes: Complex[np.ndarray, "mode v u"]) -> Complex[np.ndarray, "mode v u"]:
    """Gram-Schmidt in the given order, every mode keeping its power."""
    flat = modes.reshape(len(modes), -1)
    basis, triangle = np.linalg.qr(flat.T)
    phase = np.diagonal(triangle) / np.maximum(np.abs(np.diagonal(triangle)), 1e-300)
    basis = (basis * phase).T.reshape(modes.shape)
    return basis * np.sqrt(powers(modes))[:, None, None]


def beam_coordinates(mode: Complex[np.ndarray, "v u"]) -> tuple[np.ndarray, np.ndarray]:
    """(y, x) from the centre of mass, in root-mean-square widths of the beam."""
    density = np.abs(mode) ** 2
    axes = []
    for axis, n in enumerate(mode.shape):
        profile = density.sum(axis=1 - axis) / density.sum()
        centred = np.arange(n) - np.arange(n) @ profile
        axes.append(centred / max(np.sqrt(centred**2 @ profile), 0.5))
    return axes[0][:, None], axes[1][None]


def polynomial_orders():
    """Exponents of (y, x): (1,0), (0,1), (1,1), (2,0), (0,2), (2,1), ..."""
    for total in itertools.count(1):
        exponents = [(i, total - i) for i in range(total, -1, -1)]
        squares = [e for e in exponents if min(e) == 0]
        mixed = [e for e in exponents if min(e) > 0]
        yield from (mixed + squares if total == 2 else squares + mixed)


def with_modes(
    modes: Complex[np.ndarray, "known v u"], count: int, share: float
) -> Complex[np.ndarray, "mode v u"]:
    """`count` modes, the first of them from `modes`; unit power in all."""
    known = modes[:count]
    extra = count - len(known)
    rest = 1 - extra * share
    if rest <= 0 or share < 0:
        raise InputError(
            f"`mode_share` = {share} for each of {extra} further modes leaves the first ones {rest:.3g} of the power; "
            "expected a share below 1 / modes."
        )
    main = known[np.argmax(powers(known))]
    y, x = beam_coordinates(main)
    orders = itertools.islice(polynomial_orders(), extra)
    new = [main * y**i * x**j for i, j in orders]
    result = orthogonalised(np.stack([*known, *new])) if extra else known
    weights = np.concatenate([powers(known) / powers(known).sum() * rest, np.full(extra, share)])
    return result * np.sqrt(weights / powers(result))[:, None, None]


def random_variations(
    modes: Complex[np.ndarray, "mode v u"], count: int, rng: np.random.Generator
) -> Complex[np.ndarray, "k mode v u"]:
    """`count` random fields where each mode shines, orthogonal to it and to one another, with its power."""
    result = np.empty((count, *modes.shape), complex)
    for m, mode in enumerate(modes):
        noise = rng.standard_normal((2, count, *mode.shape))
        random = (noise[0] + 1j * noise[1]) * np.abs(mode)
        random = random * np.sqrt(powers(mode) / powers(random))[:, None, None]
        result[:, m] = orthogonalised(np.concatenate([mode[None], random]))[1:]
    return result
