"""Shared numbers of a porous solid among the unknowns: names, units, files, a fit that moves them, configs."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import problems
import pytest

from jxrecon import checkpoint, config
from jxrecon.batches import Batches
from jxrecon.descent import group
from jxrecon.errors import InputError
from jxrecon.numerics.tree import named_leaves
from jxrecon.objective import Objective
from jxrecon.optimise import fit
from jxrecon.optimisers import Adam
from jxrecon.parameters import Morphology, Parameters, Volume, natural_units
from jxrecon.priors.crystal_solid import CrystalSolid
from jxrecon.priors.partial_volume_mixture import PartialVolumeMixture
from jxrecon.result import Result, load, write

NUMBERS = {"solid_level": 0.8, "log_noise": -2.0, "shares": [0.0, 1.0, -1.0], "lithium": 0.7}


def unknowns(morphology: Morphology, density=None) -> Parameters:
    bare = problems.unknowns(16, 4, 1, full=False, dtype=np.float32)
    volume = Volume(jnp.zeros((4, 4, 4)) if density is None else jnp.asarray(density, jnp.float32))
    return dataclasses.replace(bare, object=None, volume=volume, morphology=morphology)


def test_they_have_names_units_and_can_be_freed():
    here = unknowns(Morphology(**NUMBERS))
    names = {
        name.removeprefix("morphology.") for name in named_leaves(here) if name.startswith("morphology.")
    }
    assert names == set(NUMBERS)
    units = natural_units(here).morphology
    assert float(units.solid_level) == pytest.approx(0.1) and float(units.shares) == 1
    assert jax.tree.leaves(group(here, ["morphology.solid_level"])) == ["morphology.solid_level"]
    with pytest.raises(InputError, match="`optimisers.morphology.reference` is no parameter"):
        group(here, ["morphology.reference"])


def test_they_survive_checkpoints_and_results(tmp_path):
    here = unknowns(Morphology(**NUMBERS, porosity=np.linspace(-1, 1, 64).reshape(4, 4, 4)))
    checkpoint.save(tmp_path / "checkpoint.h5", here, {})
    found, _ = checkpoint.load(tmp_path / "checkpoint.h5", here)
    write(Result(here, problems.geometry(16)), tmp_path / "result.h5")
    for other in (found, load(tmp_path / "result.h5").parameters):
        assert jax.tree.structure(other) == jax.tree.structure(here)
        for a, b in zip(jax.tree.leaves(other), jax.tree.leaves(here)):
            assert a.dtype == b.dtype
            np.testing.assert_array_equal(a, b)
    write(Result(dataclasses.replace(here, morphology=None), problems.geometry(16)), tmp_path / "older.h5")
    assert load(tmp_path / "older.h5").parameters.morphology is None


def test_a_fit_moves_them_to_the_volume_they_describe():
    rng = np.random.default_rng(0)
    density = np.where(rng.uniform(size=(24, 24, 24)) < 0.3, 0.0, 0.95) + 0.04 * rng.normal(size=(24, 24, 24))
    setup, start = problems.geometry(16), unknowns(Morphology(**NUMBERS), density)
    scan = problems.measurement(np.ones((4, 16, 16), np.float32), np.zeros((4, 2)))
    batches = Batches({"scan": (setup, scan)}, batch_size=4)
    rates = {"morphology": Adam(learning_rate=0.2), "morphology.lithium": Adam(learning_rate=0.0)}
    *_, last = fit(Objective({"mixture": PartialVolumeMixture()}), start, batches, rates, epochs=120)
    learnt = last.parameters.morphology
    assert float(learnt.solid_level) == pytest.approx(0.95, abs=0.01)
    assert float(jnp.exp(learnt.log_noise)) == pytest.approx(0.04, rel=0.15)
    assert float(jax.nn.softmax(learnt.shares)[0]) == pytest.approx(0.3, abs=0.03)
    assert float(learnt.lithium) == pytest.approx(0.7)
    np.testing.assert_array_equal(last.parameters.volume.density, start.volume.density)


def test_a_config_starts_them_and_gives_a_prior_a_crystal():
    command = [
        "initial=flat_volume",
        "morphology=morphology",
        "morphology.solid_level=0.95",
        "morphology.shares=[0,1,0]",
    ]
    command += [
        "+prior@objective.terms.well=double_well",
        "+prior@objective.terms.mixture=partial_volume_mixture",
    ]
    command += [
        "+prior@objective.terms.coupling=density_cell_coupling",
        "objective.terms.coupling.solid.expansion=0.02",
    ]
    command += ["prior/solid@objective.terms.mixture.solid=crystal_solid", "data.path=nowhere.cxi"]
    job = config.build(config.compose(command).cfg)
    assert float(job.morphology.solid_level) == pytest.approx(0.95) and job.morphology.shares.tolist() == [
        0,
        1,
        0,
    ]
    assert job.morphology.porosity is None
    terms = job.objective.terms
    assert isinstance(terms["mixture"].solid, CrystalSolid) and isinstance(
        terms["coupling"].solid, CrystalSolid
    )
    assert float(terms["coupling"].solid.expansion) == pytest.approx(0.02)
    assert float(terms["well"].solid.level) == 1
