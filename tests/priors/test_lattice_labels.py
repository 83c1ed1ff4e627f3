"""Bounds of the cell and equality within labels: what costs nothing, what costs what, gradients, and tying."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import yaml
from small_lattice import lattice

from jxrecon.errors import InputError
from jxrecon.lattice import from_vectors, to_vectors
from jxrecon.objective import Objective
from jxrecon.parameters import Parameters, Positions, Probe
from jxrecon.priors.cell_bounds import CellBounds
from jxrecon.priors.label_equality import LabelEquality, tied

SIZE = 6
LABELS = np.random.default_rng(0).integers(0, 4, (SIZE, SIZE, 1))


def unknowns(maps) -> Parameters:
    probe = Probe(jnp.ones((1, 1, 2, 2), jnp.complex64))
    return Parameters(None, probe, Positions(*jnp.zeros((2, 1, 2)), jnp.zeros(4)), jnp.ones(1), lattice=maps)


def value(prior, maps) -> float:
    return float(eqx.filter_jit(prior)(unknowns(maps), {}))


def with_strain(maps, strain):
    return eqx.tree_at(lambda p: p.strain, maps, jnp.asarray(strain, maps.strain.dtype))


def test_bounds_cost_only_what_is_beyond_them():
    strain = np.zeros((2, SIZE, SIZE, 1))
    strain[0, 0, 0], strain[1, 2, 3] = 0.012, -0.0205
    maps = with_strain(lattice(SIZE), strain)
    assert value(CellBounds(), maps) == 0
    prior = CellBounds(low=-0.02, high=0.01, tolerance=5e-4)
    assert value(prior, maps) == pytest.approx(((2e-3 / 5e-4) ** 2 + (5e-4 / 5e-4) ** 2) / 2, rel=1e-4)


def test_equality_is_the_spread_within_labels():
    maps = lattice(SIZE)
    strain = np.asarray(maps.strain, float)
    expected = sum(
        float(np.sum((s[k == LABELS] - s[k == LABELS].mean()) ** 2)) for s in strain for k in (1, 2, 3)
    )
    assert value(LabelEquality(labels=LABELS, strain=0.2), maps) == pytest.approx(
        expected / 2 / 0.2e-3**2, rel=1e-4
    )
    one = tied(maps, LABELS)
    prior = LabelEquality(labels=LABELS, log_width=0.1)
    assert value(prior, one) < 1e-6 * value(prior, maps)
    for k in (1, 2, 3):
        assert np.ptp(np.asarray(one.strain[:, k == LABELS]), axis=1) == pytest.approx(0, abs=1e-9)
    np.testing.assert_array_equal(one.strain[:, LABELS == 0], maps.strain[:, LABELS == 0])


@pytest.mark.parametrize(
    "prior", [CellBounds(low=-2e-3, high=1e-3), LabelEquality(labels=LABELS, log_width=0.1)], ids=["bounds", "labels"]
)  # fmt: skip
def test_gradient_is_that_of_finite_differences(float64, prior):
    maps = lattice(SIZE, dtype=np.float64)
    u, shared = to_vectors(maps)
    along = jnp.asarray(np.random.default_rng(1).normal(size=u.shape))
    at = jax.jit(lambda t: prior(unknowns(from_vectors(maps, u + t * along, shared)), {}))
    difference = (at(1e-6) - at(-1e-6)) / 2e-6
    assert float(jax.grad(at)(0.0)) == pytest.approx(float(difference), rel=1e-6)


def test_they_are_terms_and_say_what_is_missing(pytestconfig):
    objective = Objective({"bounds": CellBounds(), "labels": LabelEquality(labels=LABELS)})
    total, values = eqx.filter_jit(objective)(unknowns(lattice(SIZE)), {})
    assert float(total) == pytest.approx(float(values["labels"]), rel=1e-6)
    with pytest.raises(InputError, match="there is none; expected a whole number for each of"):
        LabelEquality()(unknowns(lattice(SIZE)), {})
    with pytest.raises(InputError, match="`CellBounds` speaks of the lattice"):
        CellBounds()(unknowns(None), {})
    with pytest.raises(ValueError, match="expected low below high"):
        CellBounds(low=0.1)
    for name in ("cell_bounds", "label_equality"):
        said = yaml.safe_load((pytestconfig.rootpath / f"configs/prior/{name}.yaml").read_text())
        made = {"cell_bounds": CellBounds, "label_equality": LabelEquality}[name]()
        assert {k: v for k, v in said.items() if k != "_target_"} == {
            k: getattr(made, k) for k in said if k != "_target_"
        }
