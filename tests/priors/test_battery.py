"""Every prior of a porous solid, found by its yaml: its gradients by every unknown, as a term under jit, in single precision."""

import dataclasses
import functools
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import problems
import pytest
import yaml

from jxrecon.errors import InputError
from jxrecon.forward.cell import Cell
from jxrecon.lattice import Lattice
from jxrecon.objective import Objective
from jxrecon.parameters import Morphology, Volume
from jxrecon.priors.air_and_glass import AirAndGlass
from jxrecon.priors.crystal_solid import CrystalSolid
from jxrecon.priors.density_cell_coupling import DensityCellCoupling
from jxrecon.priors.directional_total_variation import DirectionalTotalVariation
from jxrecon.priors.double_well import DoubleWell
from jxrecon.priors.euler_number import EulerNumber
from jxrecon.priors.granulometry import Granulometry
from jxrecon.priors.huber_total_variation import HuberTotalVariation
from jxrecon.priors.lineal_path import LinealPath
from jxrecon.priors.local_thickness import LocalThickness
from jxrecon.priors.minimum_pore_size import MinimumPoreSize
from jxrecon.priors.modica_mortola import ModicaMortola
from jxrecon.priors.partial_volume_mixture import PartialVolumeMixture
from jxrecon.priors.radial_profile import RadialProfile
from jxrecon.priors.two_point_correlation import TwoPointCorrelation

SHAPE = (10, 12, 14)
CONFIGS = Path(__file__).parents[2] / "configs/prior"
ELSEWHERE = {
    "total_variation",
    "tikhonov",
    "support",
    "air",
    "positivity",
    "lattice_smoothness",
    "cell_bounds",
    "label_equality",
}  # have tests of their own
HALF = np.indices(SHAPE)[0] < 5
PRIORS = {
    "air_and_glass": lambda: AirAndGlass(air=jnp.asarray(HALF), glass=jnp.asarray(~HALF)),
    "density_cell_coupling": DensityCellCoupling,
    "directional_total_variation": DirectionalTotalVariation,
    "directional_total_variation of density": lambda: DirectionalTotalVariation(of="density", eps=0.01),
    "double_well": DoubleWell,
    "double_well of a crystal": lambda: DoubleWell(solid=CrystalSolid()),
    "euler_number": lambda: EulerNumber(3.0),
    "granulometry": lambda: Granulometry((0.3, 0.2), radii=(1.0, 1.5), spread=0.1, mask=jnp.asarray(HALF)),
    "huber_total_variation": HuberTotalVariation,
    "lineal_path": lambda: LinealPath((0.3, 0.2, 0.1), spread=0.1, mask=jnp.asarray(HALF)),
    "local_thickness": lambda: LocalThickness(2.0, radii=(1.0, 1.5)),
    "minimum_pore_size": lambda: MinimumPoreSize(mask=jnp.asarray(HALF)),
    "modica_mortola": ModicaMortola,
    "partial_volume_mixture": PartialVolumeMixture,
    "partial_volume_mixture of a crystal": lambda: PartialVolumeMixture(solid=CrystalSolid()),
    "radial_profile": lambda: RadialProfile((0.9, 0.8, 0.7)),
    "two_point_correlation": lambda: TwoPointCorrelation((0.3, 0.2, 0.1), spread=0.1, mask=jnp.asarray(HALF)),
}
every_prior = pytest.mark.parametrize("name", PRIORS)


def unknowns(dtype, seed=0):
    """A soft porous volume, maps of the lattice on voxels twice as large, and every shared number."""
    rng = np.random.default_rng(seed)
    density = 0.45 + 0.5 * problems.smooth(rng, SHAPE, 1.5) + 0.02 * rng.normal(size=SHAPE)
    array = lambda x: jnp.asarray(x, dtype)  # noqa: E731
    coarse = tuple(n // 2 for n in SHAPE)
    one, maps = array(1.0), array(rng.normal(size=(2, *coarse)))
    lattice = Lattice(
        3e-3 * maps, maps, maps, jnp.zeros(2, dtype), maps[:1], jnp.zeros((1, 2), dtype), one, one, one
    )
    with jax.enable_x64(dtype == np.float64):
        shared = Morphology(0.93, -2.5, (0.1, 0.4, -0.2), 1.02, 0.9, 0.05)
    bare = problems.unknowns(8, 4, 1, full=False, dtype=dtype)
    return dataclasses.replace(
        bare, object=None, volume=Volume(array(density)), lattice=lattice, morphology=shared
    )


def test_every_prior_is_in_a_battery():
    files = {path.stem for path in CONFIGS.glob("*.yaml")}
    assert files - ELSEWHERE == {name.partition(" ")[0] for name in PRIORS}
    for path in CONFIGS.glob("*.yaml"):
        assert path.read_text().startswith("# "), f"{path.stem} says nothing"
        assert "_target_" in yaml.safe_load(path.read_text())


STEP = 1e-6


@functools.cache
def in_double_precision(name) -> tuple[np.ndarray, float]:
    """Values at t = -STEP, 0, STEP along a direction of all unknowns, and the slope at 0."""
    with jax.enable_x64(True):
        prior, here = PRIORS[name](), unknowns(np.float64)
        rng = np.random.default_rng(1)
        free = (here.volume.density, here.lattice.strain, here.morphology)
        sizes = [1.0, 1e-3, 0.1]
        if name.startswith("directional"):  # whose guide is held
            sizes[0 if prior.of == "lattice" else 1] = 0.0
        along = tuple(
            jax.tree.map(lambda x, s=s: jnp.asarray(s * rng.normal(size=x.shape)), part)
            for s, part in zip(sizes, free)
        )

        @jax.jit
        @jax.value_and_grad
        def at(t):
            density, strain, shared = jax.tree.map(lambda x, d: x + t * d, free, along)
            lattice = dataclasses.replace(here.lattice, strain=strain)
            return prior(
                dataclasses.replace(here, volume=Volume(density), lattice=lattice, morphology=shared), {}
            )

        found = [at(t) for t in (-STEP, 0.0, STEP)]
        return np.array([float(value) for value, _ in found]), float(found[1][1])


@every_prior
def test_gradients_by_every_unknown_are_those_of_finite_differences(name):
    (low, _, high), slope = in_double_precision(name)
    difference = (high - low) / (2 * STEP)
    assert abs(difference) > 1e-3
    assert slope == pytest.approx(difference, rel=2e-6)


@every_prior
def test_it_is_a_term_under_jit_and_single_precision_does(name):
    prior, here = PRIORS[name](), unknowns(np.float32)
    objective = Objective({"prior": dataclasses.replace(prior, weight=2.0)})

    @jax.jit
    def at(density):
        return objective(dataclasses.replace(here, volume=Volume(density)), {})

    (total, values), back = jax.vjp(at, here.volume.density)
    (slope,) = back((jnp.ones(()), {"prior": jnp.zeros(())}))
    assert float(total) == pytest.approx(2 * in_double_precision(name)[0][1], rel=2e-3)
    assert total.dtype == jnp.float32 and float(values["prior"]) == float(total)
    assert slope.dtype == jnp.float32 and np.isfinite(slope).all()


@every_prior
def test_it_says_when_there_is_no_volume(name):
    prior, here = PRIORS[name](), dataclasses.replace(unknowns(np.float32), volume=None)
    with pytest.raises(InputError, match=f"`{type(prior).__name__}` is one of a volume"):
        prior(here, {})


def test_masks_and_spreads_that_do_not_fit_are_refused():
    here = unknowns(np.float32)
    for prior in (
        MinimumPoreSize(mask=jnp.ones((4, 4, 4), bool)),
        DensityCellCoupling(mask=jnp.ones((4, 4, 4), bool)),
    ):
        with pytest.raises(ValueError, match=r"`mask` has \(4, 4, 4\) voxels"):
            prior(here, {})
    for make in (lambda: EulerNumber(1.0, spread=0.0), lambda: TwoPointCorrelation((0.1,), spread=-1.0)):
        with pytest.raises(ValueError, match="`spread` is"):
            make()
    with pytest.raises(ValueError, match="`radii` is"):
        Granulometry((0.1, 0.2), radii=(2.0, 1.0))
    with pytest.raises(ValueError, match="`target` has 1 values"):
        Granulometry((0.1,), radii=(1.0, 2.0))
    with pytest.raises(ValueError, match="do not fit a volume"):
        MinimumPoreSize(radius=5.0)(here, {})
    with pytest.raises(InputError, match="give `expansion`"):
        DensityCellCoupling()(dataclasses.replace(here, lattice=None), {})
    with pytest.raises(ValueError, match="no trigonal cell"):
        CrystalSolid(cell=Cell("trigonal", (2.85, -14.2)))
