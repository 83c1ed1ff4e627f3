"""Standard errors of maps of a lattice: what photon noise does to them, and what the prior cannot know besides.

With J the Jacobian of the expected counts m about the solution, the Fisher information of the counts F = J^T W J, W = 1/m, and
the curvature P of the prior, to first order

    noise     covariance (F + P)^-1 F (F + P)^-1      by how much maps of repeated measurements would differ
    total     covariance (F + P)^-1                   noise, and the bias that the prior is expected to cause

"noise" is what a standard error commonly means; it says nothing of detail that the prior has smoothed away, and the truth may
well lie outside. "total" is the width of the posterior about the solution and covers such detail as far as the prior describes
the specimen. Neither knows of errors of the model. Both are diagonals of inverses, not 1 / diag(F), and are found from draws:
counts y ~ Poisson(m) give (F + P)^-1 J^T W (y - m), of the first covariance; the draw of `lattice_newton` has the second.
Quadratic means over n of them are off by 1 / sqrt(2 n) of themselves.

The prior is not quadratic. Its curvature at the solution, for each difference d_s of weight w and its part q_s
of all the squares q that meet in a voxel,

    w ( 1 - 2 q_s / (nu + q) ),    at least 0,

is what a small change of the counts meets; the majorant w alone, with which steps are made, is stiffer. (Where differences are
mixed it has more terms, which are left out.)

Papandreou & Yuille, NIPS 23, 1858 (2010) (draws); Fessler, IEEE Trans. Image Process. 5, 493 (1996), doi:10.1109/83.491322 (the
noise of penalised likelihood)
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from ..forward.cell import BETWEEN, LENGTHS, SYSTEMS, Cell
from ..forward.diffraction_tomography import DiffractionTomography
from ..lattice import Lattice, from_vectors, to_vectors
from ..priors.lattice_smoothness import (
    Block,
    LatticeSmoothness,
    blocks,
    confidence,
    density,
    robust,
    squares,
    typical_area,
)
from .direct_lattice import START, Fitted
from .lattice_newton import Pull, expected_counts, newton_step, voxels_of

Maps = dict[str, np.ndarray]


class LatticeErrors(NamedTuple):
    """Standard errors of the maps of `readings`, see the file's head; `draws`: from how many they are."""

    noise: Maps
    total: Maps
    draws: int


def _log_volume(strain: Float[Array, "free y x z"], cell: Cell) -> Float[Array, "y x z"]:
    """Change of ln V."""
    value = dict(zip(cell.free, strain))
    entries = SYSTEMS[cell.system]
    total = sum((jnp.log1p(value[name]) for name in entries[:3]), start=jnp.zeros_like(strain[0]))
    if not any(isinstance(name, str) for name in entries[3:]):
        return total
    matrix = jnp.broadcast_to(jnp.eye(3, dtype=strain.dtype), (*strain.shape[1:], 3, 3))
    for name, angle, (i, j) in zip(entries[3:], cell.angles_deg, BETWEEN):
        wider = value[name] if isinstance(name, str) else 0.0
        cosine = jnp.cos(np.radians(angle) + wider)
        matrix = matrix.at[..., i, j].set(cosine).at[..., j, i].set(cosine)
    flat = float(np.log(cell.volume_cubic_angstrom / np.prod(cell.lengths_angstrom)))
    return total + jnp.log(jnp.linalg.det(matrix)) / 2 - flat


def _relative(lattice: Lattice, cell: Cell) -> dict[str, Array]:
    """Small changes, in physical units; of what is positive as it is."""
    scale = [v if n in LENGTHS else 180 / np.pi for n, v in zip(cell.free, cell.parameters)]
    found = {name: s * e for name, s, e in zip(cell.free, scale, lattice.strain)}
    found["volume"] = cell.volume_cubic_angstrom * jnp.expm1(_log_volume(lattice.strain, cell))
    return found | {
        "fwhm_deg": lattice.fwhm_deg(),
        "area": lattice.areas(),
        "background": lattice.backgrounds(),
    }


def readings(lattice: Lattice, cell: Cell) -> Maps:
    """Free lengths of the cell in angstrom and angles in degrees by their names, `volume` in cubic angstrom, all `y x z`;
    `fwhm_deg` and `area` (counts x degree) `peak y x z`, `background` (counts) `term y x z`."""
    found = {name: np.asarray(values, np.float64) for name, values in _relative(lattice, cell).items()}
    start = dict(zip(cell.free, cell.parameters)) | {"volume": cell.volume_cubic_angstrom}
    return {name: values + start.get(name, 0.0) for name, values in found.items()}


def majorant(
    lattice: Lattice,
    scales: Float[np.ndarray, " unknown"],
    plan: Sequence[Block],
    draw: Float[Array, "y x z unknown"] | None = None,
) -> tuple[Pull, Pull]:
    """Weights of the differences as steps have them, and those of the prior's curvature; `draw` as in `direct_lattice`."""
    u, _ = to_vectors(lattice)
    rho = density(lattice, typical_area(lattice))
    stiff, curved = [], []
    for block in plan:
        w, scale = confidence(rho, block), jnp.asarray(scales[block.first : block.stop], u.dtype)
        own = squares(u, block, w)
        weight = robust(own if draw is None else own + squares(draw, block, w), scale, block)
        share = 0.0
        if not np.isinf(block.freedom):
            # weight = (nu + n) / (nu + q)
            terms = weight.shape[0] * (weight.shape[-1] if block.joint else 1)
            share = 2 * own / scale**2 * weight / (block.freedom + terms)
        stiff.append(weight * w / scale**2)
        curved.append(stiff[-1] * jnp.maximum(1 - share, 0))
    return stiff, curved


@eqx.filter_jit
def _change(lattice: Lattice, step: tuple[Array, Array], cell: Cell) -> dict[str, Array]:
    """Of the readings, to first order."""
    here = to_vectors(lattice)
    of = lambda maps, shared: _relative(from_vectors(lattice, maps, shared), cell)  # noqa: E731
    return jax.jvp(of, here, step)[1]


def lattice_errors(
    model: DiffractionTomography,
    counts: Float[Array, "view v u bin"],
    fitted: Fitted,
    *,
    prior: LatticeSmoothness = START,
    draws: int = 24,
    seed: int = 0,
    progress: Callable[[int], None] = lambda done: None,
    tolerance: float = 1e-3,
    most: int = 60,
) -> LatticeErrors:
    """Of a solution that `direct_lattice` found with the same model, counts and prior."""
    lattice, cell = fitted.lattice, model.powder.cell
    plan = blocks(lattice, prior.form_freedom, prior.amount_freedom)
    _, pull = majorant(lattice, fitted.scales, plan, fitted.draw)
    expected = expected_counts(model, voxels_of(model, lattice))
    measured, mean = np.asarray(counts >= 0), np.maximum(np.asarray(expected, np.float64), 0)
    rng = np.random.default_rng([seed, 0xE12])

    def solved(values: np.ndarray, number: int):
        given = jnp.asarray(np.where(measured, values, -1), expected.dtype)
        key = jax.random.key(seed * 65537 + number)
        return newton_step(model, lattice, given, pull, key, blocks=plan, tolerance=tolerance, most=most)

    # Without noise there is still the step that the prior asks for, which all others share.
    still = solved(mean, 0).step
    sums: list[dict[str, np.ndarray]] = [{}, {}]
    for number in range(draws):
        found = solved(rng.poisson(mean).astype(np.float64), number + 1)
        noise = jax.tree.map(jnp.subtract, found.step, still)
        for total, step in zip(sums, (noise, found.draw)):
            for name, values in _change(lattice, step, cell).items():
                total[name] = total.get(name, 0.0) + np.asarray(values, np.float64) ** 2
        progress(number + 1)
    noise, total = ({name: np.sqrt(v / draws) for name, v in found.items()} for found in sums)
    return LatticeErrors(noise, total, draws)
