"""The loop: what is free, what rests, what it does not depend on, and that it finds what is there."""

import dataclasses
from functools import partial

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import problems
import pytest
from jax.sharding import PartitionSpec

from jxrecon.batches import Batches
from jxrecon.descent import group
from jxrecon.devices import mesh_of, over_devices, summed
from jxrecon.errors import InputError
from jxrecon.measurement import ArrayFrames
from jxrecon.noise import Amplitude, Gaussian, Poisson
from jxrecon.objective import AbstractTerm, Objective
from jxrecon.optimise import NonFiniteError, fit
from jxrecon.optimisers import LBFGS, Adam, GradientDescent
from jxrecon.projections import AmplitudeBound, OrthogonalModes, ProbePower, ProbeSupport

BOTH = {"object": Adam(), "probe.modes": Adam(0.005)}


def scene(seed=0, scan=36, factor=1.0, modes=1, jitter=0.0, n=16, dtype=np.float32):
    """(truth, first guess, set-up, measurement) of a noiseless raster scan; the guess has a flat object."""
    rng = np.random.default_rng(seed)
    side = int(np.sqrt(scan))
    step = n / 2 / (side - 1) * 2
    grid = (np.mgrid[:side, :side].reshape(2, -1).T - (side - 1) / 2) * step
    grid = grid + rng.uniform(-0.7, 0.7, grid.shape)
    truth = problems.unknowns(n, scan, modes, seed, dtype, full=False)
    positions = problems.replaced(truth.positions, nominal=jnp.asarray(grid, dtype))
    probe = problems.replaced(truth.probe, modes=truth.probe.modes * np.sqrt(factor).astype(dtype))
    truth = problems.replaced(truth, positions=positions, probe=probe)
    setup = problems.geometry(n)
    counts = problems.predicted(problems.model(truth, setup), truth)
    data = problems.measurement(np.fft.fftshift(counts, axes=(1, 2)), grid)
    wrong = jnp.asarray(grid + jitter * rng.normal(size=grid.shape), dtype)
    guess = problems.replaced(
        truth,
        object=jnp.ones_like(truth.object),
        positions=problems.replaced(positions, nominal=wrong),
    )
    return truth, guess, setup, data


def run(guess, setup, data, optimisers, epochs=20, noise=None, batch_size=9, **options):
    extra = {k: options.pop(k) for k in ("projections", "state", "terms") if k in options}
    model = problems.model(guess, setup)
    objective = problems.objective(model, noise)
    objective = Objective({**objective.terms, **extra.pop("terms", {})})
    batches = Batches({"scan": (setup, data)}, batch_size=batch_size, **options)
    return list(fit(objective, guess, batches, optimisers, epochs=epochs, **extra))


def losses(states) -> np.ndarray:
    return np.array([np.mean(s.values["total"]) for s in states])


def test_named_parameters_move_and_all_others_stay():
    _, guess, setup, data = scene()
    last = run(guess, setup, data, {"object": Adam()}, epochs=2)[-1].parameters
    assert not np.array_equal(last.object, guess.object)
    np.testing.assert_array_equal(last.probe.modes, guess.probe.modes)
    np.testing.assert_array_equal(last.positions.shift, guess.positions.shift)


def test_the_longest_name_wins_and_a_wrong_one_is_refused():
    guess = problems.unknowns(dtype=np.float32)
    labels = group(guess, ["probe", "probe.modes"])
    assert labels.probe.modes == "probe.modes" and labels.probe.weights == "probe"
    with pytest.raises(InputError, match="`optimisers.prob` is no parameter.*probe.modes"):
        group(guess, ["prob"])


@pytest.mark.parametrize("noise", [Poisson(), Gaussian(), Amplitude()], ids=lambda n: type(n).__name__)
def test_the_loss_falls_a_hundredfold(noise):
    _, guess, setup, data = scene()
    course = losses(run(guess, setup, data, BOTH, 60, noise))
    assert course[-1] < course[0] / 100


@pytest.mark.parametrize("optimiser", [GradientDescent(0.1)], ids=["GradientDescent"])
def test_steepest_descent_falls_too(optimiser):
    _, guess, setup, data = scene()
    course = losses(run(guess, setup, data, {"object": optimiser}, 60))
    assert course[-1] < course[0] / 10


def test_lbfgs_falls_faster_per_pass_than_steepest_descent():
    _, guess, setup, data = scene()
    quick = losses(run(guess, setup, data, {"object": LBFGS()}, 30, batch_size=36))
    slow = losses(run(guess, setup, data, {"object": GradientDescent(0.1)}, 30, batch_size=36))
    assert quick[-1] < slow[-1] / 3
    with pytest.raises(InputError, match="`LBFGS` needs all free parameters"):
        run(guess, setup, data, {"object": LBFGS(), "probe": Adam()}, 1)


@pytest.mark.parametrize("noise", [Poisson(), Amplitude()], ids=lambda n: type(n).__name__)
@pytest.mark.parametrize("factor", [1e-3, 1e3])
def test_the_path_does_not_depend_on_the_counts(noise, factor):
    paths = []
    for scale in (1.0, factor):
        _, guess, setup, data = scene(factor=scale)
        states = run(guess, setup, data, BOTH, 10, noise)
        paths.append((losses(states) / scale, np.asarray(states[-1].parameters.object)))
    np.testing.assert_allclose(paths[1][0], paths[0][0], rtol=0.01)
    assert np.abs(paths[1][1] - paths[0][1]).max() < 0.01


class Ridge(AbstractTerm):
    """Squared distance of the object from 1: a prior for tests."""

    weight: jax.Array = eqx.field(converter=jnp.asarray)

    def __call__(self, parameters, batch):
        return jnp.sum(jnp.abs(parameters.objects() - 1) ** 2)


def test_a_prior_whose_weight_follows_the_counts_leads_along_the_same_path():
    ends = []
    for scale in (1.0, 100.0):
        _, guess, setup, data = scene(factor=scale)
        states = run(guess, setup, data, BOTH, 10, terms={"ridge": Ridge(300.0 * scale)})
        assert set(states[-1].values) == {"data", "ridge", "total"}
        ends.append(np.asarray(states[-1].parameters.object))
    assert np.abs(ends[1] - ends[0]).max() < 0.01
    _, guess, setup, data = scene()
    free = run(guess, setup, data, BOTH, 10)[-1].parameters.object
    assert np.abs(np.asarray(free) - ends[0]).max() > 0.05


def test_a_group_rests_before_its_start_and_after_its_stop():
    _, guess, setup, data = scene()
    optimisers = {"object": Adam(), "probe.modes": Adam(0.005, start=2, stop=4)}
    states = run(guess, setup, data, optimisers, 6)
    probes = [np.asarray(s.parameters.probe.modes) for s in states]
    np.testing.assert_array_equal(probes[1], np.asarray(guess.probe.modes))
    assert not np.array_equal(probes[2], probes[1]) and not np.array_equal(probes[3], probes[2])
    np.testing.assert_array_equal(probes[5], probes[3])


def test_positions_come_back_and_the_gauge_stays():
    truth, guess, setup, data = scene(scan=49, jitter=0.5, n=24)
    optimisers = {**BOTH, "positions.shift": Adam(0.05, start=10)}
    found = run(guess, setup, data, optimisers, 150)[-1].parameters.positions
    error = np.asarray(found() - truth.positions())
    before = np.asarray(guess.positions() - truth.positions())
    rms = lambda e: np.sqrt(np.mean(np.sum((e - e.mean(0)) ** 2, 1)))  # noqa: E731
    assert rms(error) < 0.15 * rms(before)
    np.testing.assert_allclose(np.mean(found.shift, axis=0), 0, atol=1e-5)


def test_an_affine_map_is_found():
    truth, guess, setup, data = scene(scan=49, n=24)
    stretched = guess.positions.nominal @ jnp.asarray([[1.03, 0.0], [0.0, 0.97]])
    guess = problems.replaced(guess, positions=problems.replaced(guess.positions, nominal=stretched))
    optimisers = {**BOTH, "positions.affine": Adam(0.1, start=5)}
    found = run(guess, setup, data, optimisers, 100)[-1].parameters.positions
    error = np.asarray(found() - truth.positions())
    error = error - error.mean(0)
    before = np.asarray(stretched - truth.positions())
    assert np.abs(error).max() < 0.2 * np.abs(before).max()


def test_the_powers_of_two_modes_come_back_within_2_percent():
    truth, guess, setup, data = scene(scan=64, modes=2, n=24)
    start = guess.probe.modes.at[0, 1].set(0.3 * guess.probe.modes[0, 1])
    guess = problems.replaced(guess, probe=problems.replaced(guess.probe, modes=start))
    found = run(guess, setup, data, {"object": Adam(), "probe.modes": Adam(0.01)}, 200)[-1]
    modes = OrthogonalModes()(found.parameters).probe.modes[0]
    powers = np.sum(np.abs(np.asarray(modes)) ** 2, (1, 2))
    np.testing.assert_allclose(powers / powers.sum(), [2 / 3, 1 / 3], atol=0.02)


@pytest.mark.parametrize("devices", [2, 4])
def test_loss_and_gradient_are_the_same_on_many_devices(devices):
    """One whole-scan step of plain descent: the object moves along the summed gradient."""
    _, guess, setup, data = scene()
    ends = []
    for count in (1, devices):
        options = {"batch_size": 36, "devices": count}
        states = run(guess, setup, data, {"object": GradientDescent(0.1)}, 1, **options)
        ends.append((states[0].values["total"][0], np.asarray(states[0].parameters.object)))
    np.testing.assert_allclose(ends[1][0], ends[0][0], rtol=1e-5)
    np.testing.assert_allclose(ends[1][1], ends[0][1], atol=1e-5)


@pytest.mark.parametrize("devices", [2, 4])
def test_the_line_search_is_the_same_on_many_devices(devices):
    """Every device has to see the slope of the whole sum: with one of its own it would take other steps, or wait for ever."""
    _, guess, setup, data = scene()
    one, many = (
        losses(run(guess, setup, data, {"object": LBFGS()}, 5, batch_size=36, devices=count))
        for count in (1, devices)
    )
    np.testing.assert_allclose(many, one, rtol=1e-4)
    assert one[-1] < one[0] / 5


@pytest.mark.parametrize("devices", [1, 4])
@pytest.mark.parametrize("resident_gib", [4.0, 27 * 16 * 16 * 4 / 2**30], ids=["resident", "streaming"])
def test_every_chunk_after_the_first_finds_its_program_compiled(devices, resident_gib, caplog):
    _, guess, setup, data = scene()
    compiled = []
    with jax.log_compiles(), caplog.at_level("WARNING"):
        for _ in run(guess, setup, data, BOTH, 3, devices=devices, resident_gib=resident_gib):
            compiled.append(None)
    messages = [r.getMessage() for r in caplog.records]
    assert sum("Compiling" in m and "run_chunk" in m for m in messages) == 1
    assert len(compiled) == (3 if resident_gib == 4.0 else 12)


def gradient_over(devices: int, twice: bool):
    """Gradient of a sum of squares of sharded numbers, with the package's one sum over devices, or with a second one."""
    mesh = mesh_of(devices)

    def local(x, factor):
        value, slope = jax.value_and_grad(lambda f: jnp.sum((f * x) ** 2))(factor)
        value, slope = summed((value, slope), mesh)
        return summed((value, slope), mesh) if twice else (value, slope)

    specs = (PartitionSpec("frames"), PartitionSpec())
    return over_devices(local, mesh, specs=specs)(jnp.arange(8.0), jnp.asarray(2.0))


@pytest.mark.parametrize("devices", [1, 2, 4])
def test_a_doubled_sum_over_devices_would_be_noticed(devices):
    once = gradient_over(devices, False)
    np.testing.assert_allclose(once, (560.0, 560.0), rtol=1e-5)
    if devices > 1:
        assert not np.allclose(gradient_over(devices, True), once, rtol=1e-5)


def test_too_many_devices_are_refused():
    with pytest.raises(InputError, match="`devices` is 64, but JAX sees 4"):
        mesh_of(64)


def test_a_continued_fit_equals_an_uninterrupted_one_to_the_last_bit():
    _, guess, setup, data = scene()
    whole = run(guess, setup, data, BOTH, 6)[-1]
    model = problems.model(guess, setup)
    batches = Batches({"scan": (setup, data)}, batch_size=9)
    loop = partial(fit, problems.objective(model), guess, batches, BOTH, epochs=6)
    for state in loop():
        if state.epoch == 3:
            break
    rest = list(loop(state=state))[-1]
    for a, b in zip(jax.tree.leaves(whole), jax.tree.leaves(rest), strict=True):
        np.testing.assert_array_equal(a, b)


def test_the_first_nan_stops_the_fit_with_the_last_finite_state():
    _, guess, setup, data = scene()
    frames = np.array(data.frames.array)  # type: ignore[attr-defined]
    frames[5, 3, 3] = np.inf
    broken = dataclasses.replace(data, frames=ArrayFrames(frames))
    with pytest.raises(NonFiniteError, match=r"epoch 1, step \d: .*'data'.*object") as caught:
        run(guess, setup, broken, BOTH, 3)
    for leaf in jax.tree.leaves(caught.value.state.parameters):
        assert np.all(np.isfinite(leaf))


def test_pixels_that_were_not_measured_change_nothing():
    _, guess, setup, data = scene()
    frames = np.array(data.frames.array)  # type: ignore[attr-defined]
    mask = np.ones(frames.shape[1:], bool)
    mask[4:7, 5] = False
    masked = dataclasses.replace(data, mask=mask)
    frames[:, 4:7, 5] = -1
    negative = dataclasses.replace(data, frames=ArrayFrames(frames))
    a, b = (run(guess, setup, d, BOTH, 3)[-1].parameters.object for d in (masked, negative))
    np.testing.assert_allclose(a, b, atol=1e-4)


@pytest.mark.parametrize(
    ("projection", "held"),
    [
        (ProbePower(5e3), lambda p: np.isclose(np.sum(np.abs(p.probe.modes) ** 2), 5e3, rtol=1e-4)),
        (ProbeSupport(0.5), lambda p: np.all(np.asarray(p.probe.modes)[0, :, :3] == 0)),
        (AmplitudeBound(0.2, 1.0), lambda p: np.abs(p.object).max() <= 1 + 1e-6),
        (OrthogonalModes(), lambda p: abs(np.vdot(*np.asarray(p.probe.modes[0]))) < 1e-4 * 1e4),
    ],
    ids=lambda x: type(x).__name__,
)
def test_a_projection_holds_after_every_step_and_repeats_itself(projection, held):
    _, guess, setup, data = scene(modes=2)
    last = run(guess, setup, data, BOTH, 2, projections=(projection,))[-1].parameters
    assert held(last)
    again = projection(last)
    for a, b in zip(jax.tree.leaves(last), jax.tree.leaves(again), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-3)


def test_turning_modes_turns_their_variations_and_changes_no_frame(float64):
    parameters, setup = problems.unknowns(modes=3), problems.geometry()
    turned = OrthogonalModes()(parameters)
    model = problems.model(parameters, setup)
    before, after = problems.predicted(model, parameters), problems.predicted(model, turned)
    np.testing.assert_allclose(after, before, rtol=1e-9, atol=1e-9 * before.max())
    gram = np.einsum("mvu,nvu->mn", turned.probe.modes[0], np.conj(turned.probe.modes[0]))
    assert np.abs(gram - np.diag(np.diag(gram))).max() < 1e-9 * np.abs(gram).max()
    assert not np.allclose(turned.probe.modes, parameters.probe.modes)


def test_lbfgs_wants_the_whole_scan():
    _, guess, setup, data = scene()
    with pytest.raises(InputError, match="`batch_size` is 9 of 36"):
        run(guess, setup, data, {"object": LBFGS()}, 1)


def test_nominal_positions_are_never_free():
    labels = group(problems.unknowns(dtype=np.float32), ["positions"])
    assert labels.positions.nominal is None and labels.positions.shift == "positions"
