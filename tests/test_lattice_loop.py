"""The lattice in the common loop: what is free of it, the optimum that Gauss-Newton steps find, and the density beside it."""

import dataclasses

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from small_lattice import lattice, model

from jxrecon.batches import Batches
from jxrecon.classical.smooth_lattice import smooth_objective, smooth_steps, unknowns_of, value_of
from jxrecon.descent import group
from jxrecon.errors import InputError
from jxrecon.forward.pattern_misfit import PatternMisfit
from jxrecon.forward.projection_misfit import ProjectionMisfit
from jxrecon.numerics.tree import named_leaves
from jxrecon.objective import Objective
from jxrecon.optimise import fit
from jxrecon.optimisers import Adam
from jxrecon.parameters import Alignment, Volume
from jxrecon.priors.directional_total_variation import DirectionalTotalVariation
from jxrecon.priors.lattice_smoothness import LatticeSmoothness

SIZE, VIEWS = 8, 10
FREE = {"strain", "log_width", "area", "mixing", "background", "shape"}


def bright(maps, factor: float = 20.0):
    names = ("area", "background", "softness", "floor")
    return dataclasses.replace(maps, **{n: getattr(maps, n) * factor for n in names})


def smooth_truth(dtype=np.float32):
    y, x = (np.mgrid[:SIZE, :SIZE] - (SIZE - 1) / 2) / SIZE
    plain = lattice(SIZE, dtype=dtype)
    slant = jnp.asarray(np.stack([x, y])[..., None], dtype)
    return bright(dataclasses.replace(plain, strain=3e-3 * slant, log_width=0.2 * slant[np.array([0, 1, 0])]))


def measured(maps, here):
    expected = np.asarray(eqx.filter_jit(here)(maps), float)
    return jnp.asarray(np.random.default_rng(0).poisson(expected), maps.area.dtype)


def last(objective, parameters, optimisers, epochs: int):
    *_, state = fit(objective, parameters, Batches({}), optimisers, epochs=epochs)
    return state


def test_only_unknowns_are_free():
    labels = group(unknowns_of(lattice(SIZE)), ["lattice"])
    free = {name.split(".")[1] for name, label in named_leaves(labels).items() if label == "lattice"}
    assert free == FREE
    with pytest.raises(InputError, match="`optimisers.lattice.softness` is no parameter"):
        group(unknowns_of(lattice(SIZE)), ["lattice.softness"])


def test_the_common_loop_finds_the_optimum_of_gauss_newton(float64):
    here, truth = model(SIZE, views=VIEWS, dtype=np.float64), smooth_truth(np.float64)
    counts = measured(truth, here)
    prior = LatticeSmoothness(weight=jnp.asarray(1.0), form_freedom=20.0, amount_freedom=20.0)
    objective = smooth_objective(here, counts, prior)
    start = bright(lattice(SIZE, seed=3, dtype=np.float64))
    *_, direct = smooth_steps(here, counts, start, prior, key=jax.random.key(0), tolerance=1e-3)
    state = last(objective, unknowns_of(start), {"lattice": Adam(0.2)}, 600)
    before = float(value_of(objective, unknowns_of(start)))
    assert direct.objective < 0.2 * before
    # A nat is what one standard error of one parameter would change.
    assert float(state.values["total"][-1]) == pytest.approx(direct.objective, abs=0.05)
    difference = np.asarray(state.parameters.lattice.strain - direct.lattice.strain)
    assert np.sqrt(np.mean(difference**2)) < 2e-5 < 0.1 * np.sqrt(np.mean(np.asarray(truth.strain) ** 2))
    assert jax.tree.all(
        jax.tree.map(
            lambda a, b: bool(jnp.array_equal(a, b)),
            (state.parameters.lattice.width_deg, state.parameters.lattice.softness),
            (start.width_deg, start.softness),
        )
    )


def test_adam_moves_all_of_it_and_frozen_parts_stay():
    here, truth = model(SIZE, views=VIEWS), smooth_truth()
    objective = Objective({"patterns": PatternMisfit(here, measured(truth, here))})
    start = dataclasses.replace(truth, strain=jnp.zeros_like(truth.strain), area=0.8 * truth.area)
    state = last(objective, unknowns_of(start), {"lattice.strain": Adam(0.1), "lattice.area": Adam(0.05)}, 60)
    # Without a prior the counts are explained better than the truth explains them.
    least = float(value_of(objective, unknowns_of(truth)))
    assert state.values["total"][-1] < least < float(value_of(objective, unknowns_of(start)))
    found = state.parameters.lattice
    assert np.array_equal(found.log_width, start.log_width) and not np.array_equal(found.strain, start.strain)


def joint_problem(dtype):
    """(truth, objective): a body with an edge that density and cell share; noisy projections, noisy patterns."""
    inside = np.zeros((SIZE, SIZE, 1))
    inside[1:-1, 1:-1] = 0.6
    inside[1:-1, SIZE // 2 : -1] = 1.0
    edge = jnp.asarray((inside > 0.8).astype(dtype)[None, ..., 0, None], dtype)
    plain = lattice(SIZE, dtype=dtype)
    maps = bright(dataclasses.replace(plain, strain=3e-3 * jnp.concatenate([edge, -edge])), 20.0)
    here = model(SIZE, views=VIEWS, dtype=dtype)
    alignment = Alignment(here.angle, 0 * here.angle, jnp.zeros((VIEWS, 2), dtype), jnp.zeros(1, jnp.int32))
    volume = Volume(jnp.asarray(inside, dtype), softness=jnp.asarray(0.02, dtype))
    truth = dataclasses.replace(unknowns_of(maps), volume=volume, alignment=alignment)
    blank = ProjectionMisfit(jnp.zeros((VIEWS, 1, SIZE), dtype), jnp.full((VIEWS, 1, SIZE), 1e4, dtype))
    clean = np.asarray(eqx.filter_jit(blank.predicted)(truth))
    noisy = jnp.asarray(clean + 0.01 * np.random.default_rng(1).normal(size=clean.shape), dtype)
    terms = {
        "projections": dataclasses.replace(blank, projections=noisy),
        "patterns": PatternMisfit(here, measured(maps, here)),
        "edges": DirectionalTotalVariation(weight=jnp.asarray(20.0, dtype), eps=0.05, edge=0.05),
        "smooth": LatticeSmoothness(strain=1e3, log_width=0.02),
    }
    return truth, Objective(terms)


def test_density_and_lattice_in_one_objective():
    """The tomogram tells where the cell may jump: better than the same patterns with the same prior and an even density."""
    truth, objective = joint_problem(np.float32)
    flat = jnp.full_like(truth.volume.density, 0.5)
    start = dataclasses.replace(
        truth,
        volume=dataclasses.replace(truth.volume, density=flat),
        lattice=dataclasses.replace(truth.lattice, strain=jnp.zeros_like(truth.lattice.strain)),
    )
    both = {"volume.density": Adam(0.05), "lattice": Adam(0.1)}
    joint = last(objective, start, both, 200)
    first = float(eqx.filter_jit(objective)(start, {})[1]["projections"])
    assert joint.values["projections"][-1] < 1e-3 * first
    off = lambda state: float(jnp.std(state.parameters.lattice.strain - truth.lattice.strain))  # noqa: E731
    density = joint.parameters.volume.electron_density() - truth.volume.electron_density()
    assert float(jnp.std(density)) < 0.05
    alone = last(objective, start, {"lattice": Adam(0.1)}, 200)
    assert off(joint) < 0.6 * off(alone)
    assert joint.values["patterns"][-1] < alone.values["patterns"][-1] - 100


def test_derivatives_of_the_joint_objective_by_every_unknown(float64):
    truth, objective = joint_problem(np.float64)
    leaves = ["volume.density", *(f"lattice.{name}" for name in sorted(FREE))]
    # The density and the areas also guide priors, which do not pull at their guides: their derivative is that of the data.
    data = Objective({name: objective.terms[name] for name in ("projections", "patterns")})
    rng = np.random.default_rng(2)
    for of, chosen in (
        (data, ["volume.density", "lattice.area"]),
        (objective, [n for n in leaves[1:] if n != "lattice.area"]),
    ):
        value = eqx.filter_jit(lambda p, of=of: of(p, {})[0])
        slope = named_leaves(eqx.filter_jit(eqx.filter_grad(lambda p, of=of: of(p, {})[0]))(truth))
        for leaf in chosen:
            part, name = leaf.split(".")
            where = lambda p, part=part, name=name: getattr(getattr(p, part), name)  # noqa: E731
            along = jnp.asarray(rng.normal(size=where(truth).shape))
            size = 1e-8 if name == "strain" else 1e-5
            ahead, behind = (
                float(value(eqx.tree_at(where, truth, where(truth) + sign * size * along)))
                for sign in (1, -1)
            )
            found = float(jnp.vdot(slope[leaf], along))
            assert found == pytest.approx((ahead - behind) / (2 * size), rel=5e-6), leaf
