"""A small lattice with known maps, and models of its diffraction, for tests."""

import dataclasses

import jax.numpy as jnp
import numpy as np

from jxrecon.forward.background import chebyshev
from jxrecon.forward.cell import Cell
from jxrecon.forward.diffraction_tomography import DiffractionTomography
from jxrecon.forward.powder import Powder
from jxrecon.lattice import Lattice

CELL = Cell("hexagonal", (2.86, 14.33))
HKL = np.array([(0, 0, 3), (1, 0, 1), (1, 0, 4)])
WAVELENGTH_M = 0.7167e-10
TWO_THETA_DEG = np.arange(7.8, 21.3, 0.1)
KNOTS = 3


def lattice(
    size: int = 7, slices: int = 1, seed: int = 0, dtype=np.float32, rows: int | None = None
) -> Lattice:
    """A disc with random maps."""
    rng = np.random.default_rng(seed)
    grid = (rows or size, size, slices)

    def maps(count, low, high):
        return jnp.asarray(rng.uniform(low, high, (count, *grid)), dtype)

    return Lattice(
        strain=maps(2, -4e-3, 4e-3),
        log_width=maps(3, -0.2, 0.2),
        area=maps(3, 0.5, 2.0),
        mixing=jnp.asarray([0.0, 0.3, -0.2], dtype),
        background=maps(1, 0.1, 0.3),
        shape=jnp.asarray(rng.normal(0, 0.3, (1, KNOTS)), dtype),
        softness=jnp.asarray(0.1, dtype),
        floor=jnp.asarray(0.02, dtype),
        width_deg=jnp.asarray(0.3, dtype),
    )


def model(
    size: int = 7, slices: int = 1, views: int = 6, dtype=np.float32, **fields
) -> DiffractionTomography:
    """Without beam, absorption and parallax unless told otherwise."""
    plain = DiffractionTomography(
        powder=Powder(CELL, HKL, TWO_THETA_DEG, WAVELENGTH_M, 100.0),
        basis=jnp.asarray(chebyshev(TWO_THETA_DEG, KNOTS + 1)[1:], dtype),
        angle=jnp.asarray(np.arange(views) * np.pi / views, dtype),
        shift=jnp.zeros(views, dtype),
        monitor=jnp.asarray(np.random.default_rng(9).uniform(0.8, 1.2, (views, slices, size)), dtype),
    )
    arrays = {k: jnp.asarray(v, dtype) if isinstance(v, np.ndarray | float) else v for k, v in fields.items()}
    return dataclasses.replace(plain, **arrays)
