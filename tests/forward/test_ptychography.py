"""The forward model against an independent NumPy one, its gradients against finite differences, its conventions."""

import jax
import jax.numpy as jnp
import numpy as np
import problems
import pytest

from jxrecon.forward.ptychography import split_position
from jxrecon.numerics.tree import named_leaves
from jxrecon.parameters import Parameters

REGIMES = {"far_field": 0, "near_field": 2}


def numpy_frame(parameters: Parameters, setup, j: int) -> np.ndarray:
    """One frame by direct sums: explicit DFT matrices, no FFT, the object shifted by a DFT interpolation of the probe."""
    n = setup.probe_shape[0]
    k = np.fft.fftfreq(n) * n
    dft = np.exp(-2j * np.pi * np.outer(k, np.arange(n)) / n) / np.sqrt(n)
    nominal = np.asarray(parameters.positions.nominal)
    scale, asymmetry, rotation, shear = np.asarray(parameters.positions.affine)
    c, s = np.cos(rotation), np.sin(rotation)
    matrix = (
        (1 + scale)
        * np.diag([1 + asymmetry / 2, 1 - asymmetry / 2])
        @ np.array([[c, -s], [s, c]])
        @ np.array([[1, 0], [np.tan(shear), 1]])
    )
    position = matrix @ nominal[j] + np.asarray(parameters.positions.shift)[j]
    whole = np.round(position).astype(int)
    rest = position - whole
    transmission = np.asarray(parameters.object[0])
    corner = whole + np.array(transmission.shape) // 2 - n // 2
    patch = transmission[corner[0] : corner[0] + n, corner[1] : corner[1] + n]
    modes = np.asarray(parameters.probe.modes[0])
    if parameters.probe.variations is not None:
        weights = np.asarray(parameters.probe.weights)[j]
        modes = modes + np.einsum("k,kmvu->mvu", weights, np.asarray(parameters.probe.variations[0]))
    ramp = [np.exp(-2j * np.pi * r * np.fft.fftfreq(n)) for r in rest]
    total = 0.0
    for mode in modes:
        spectrum = dft @ mode @ dft.T * np.outer(*ramp)
        moved = dft.conj().T @ spectrum @ dft.conj()
        total = total + np.abs(dft @ (moved * patch) @ dft.T) ** 2
    return float(parameters.flux[j]) * (total + np.asarray(parameters.background) ** 2)


def test_far_field_frames_equal_direct_sums(float64):
    setup, parameters = problems.geometry(), problems.unknowns()
    frames = problems.predicted(problems.model(parameters, setup), parameters)
    for j in range(3):
        expected = numpy_frame(parameters, setup, j)
        np.testing.assert_allclose(frames[j], expected, rtol=1e-10, atol=1e-10 * expected.max())


def test_photons_are_counted(float64):
    """Through an empty object a frame holds flux * sum |probe|^2 photons, in both regimes."""
    for regime in REGIMES:
        setup, parameters = problems.geometry(regime=regime), problems.unknowns(full=False)
        parameters = problems.replaced(parameters, object=jnp.ones_like(parameters.object))
        frames = problems.predicted(problems.model(parameters, setup), parameters)
        np.testing.assert_allclose(frames.sum((1, 2)), 1e4, rtol=1e-9)


@pytest.mark.parametrize("regime", REGIMES)
def test_an_object_moved_with_its_positions_gives_the_same_frames(float64, regime):
    """Fractional parts come from one place or the other: the sum of the two conventions is what counts."""
    setup, parameters = problems.geometry(regime=regime), problems.unknowns(full=False)
    positions = problems.replaced(parameters.positions, nominal=parameters.positions.nominal + 3.0)
    moved = problems.replaced(parameters, object=jnp.roll(parameters.object, 3, (1, 2)), positions=positions)
    keep = np.all(np.abs(np.asarray(parameters.positions.nominal) + 1.5) < 4.5, axis=1)
    assert keep.sum() >= 2
    before, after = (problems.predicted(problems.model(p, setup), p)[keep] for p in (parameters, moved))
    np.testing.assert_allclose(before, after, rtol=1e-9, atol=1e-9 * before.max())


def test_the_near_field_shift_moves_the_object_against_a_fixed_probe(float64):
    """A band-limited object, known in closed form, at a fractional position."""
    setup = problems.geometry(regime="near_field")
    parameters = problems.unknowns(full=False, scan=1, modes=1)
    size = parameters.object.shape[-1]
    y, x = np.mgrid[:size, :size] - size // 2
    wave = lambda dy, dx: np.exp(2j * np.pi * ((y + dy) * 3 + (x + dx) * 2) / 24)  # noqa: E731
    flat = jnp.ones_like(parameters.probe.modes)
    at = lambda r: problems.replaced(  # noqa: E731
        parameters.positions, nominal=jnp.asarray([r]), shift=jnp.zeros((1, 2))
    )
    probe = problems.replaced(parameters.probe, modes=flat)
    beat = 1 + 0.3 * (wave(0, 0) + wave(0, 0).conj())
    moved_beat = 1 + 0.3 * (wave(0.25, 0.4) + wave(0.25, 0.4).conj())
    shifted = problems.replaced(
        parameters, object=jnp.asarray(beat)[None], positions=at([0.25, 0.4]), probe=probe
    )
    whole = problems.replaced(
        parameters, object=jnp.asarray(moved_beat)[None], positions=at([0.0, 0.0]), probe=probe
    )
    a, b = (problems.predicted(problems.model(p, setup), p)[0] for p in (shifted, whole))
    # The window does not hold whole periods, so the Fourier shift rings at its edges and little inside.
    np.testing.assert_allclose(a[5:-5, 5:-5], b[5:-5, 5:-5], atol=0.03 * b.max())
    assert np.abs(b[5:-5, 5:-5] - np.roll(b, 1, 0)[5:-5, 5:-5]).max() > 0.1 * b.max()


@pytest.mark.parametrize("regime", REGIMES)
@pytest.mark.parametrize("seed", [0, 1])
def test_gradients_of_every_parameter_equal_finite_differences(float64, regime, seed):
    setup = problems.geometry(regime=regime, margin=REGIMES[regime])
    inner = setup.frame_shape[0]
    parameters = problems.unknowns(setup.probe_shape[0], scan=3, seed=seed)
    parameters = problems.replaced(parameters, background=parameters.background[:inner, :inner])
    model = problems.model(parameters, setup)
    counts = (
        0.8
        * problems.predicted(
            model, problems.unknowns(setup.probe_shape[0], 3, seed=9) if regime == "far_field" else parameters
        )
        + 1.0
    )
    objective, batch = problems.objective(model), problems.batch(counts)

    def loss(parameters):
        return objective(parameters, batch)[0]

    rng = np.random.default_rng(seed)
    gradient = named_leaves(jax.jit(jax.grad(loss))(parameters))
    leaves, tree = jax.tree.flatten(parameters)
    value = jax.jit(loss)
    for i, (name, leaf) in enumerate(named_leaves(parameters).items()):
        direction = rng.normal(size=leaf.shape)
        if jnp.iscomplexobj(leaf):
            direction = direction + 1j * rng.normal(size=leaf.shape)
        direction = jnp.asarray(direction / np.linalg.norm(direction)) * (jnp.linalg.norm(leaf.ravel()) + 1.0)
        along = float(jnp.sum((gradient[name] * direction).real))
        step = 1e-6
        at = [
            value(tree.unflatten([*leaves[:i], leaf + h * direction, *leaves[i + 1 :]]))
            for h in (step, -step)
        ]
        central = float(at[0] - at[1]) / (2 * step)
        assert along == pytest.approx(central, rel=2e-6, abs=1e-6 * abs(float(value(parameters)))), name


def test_integer_mode_equals_rounded_positions(float64):
    setup, parameters = problems.geometry(), problems.unknowns(full=False)
    rounded = problems.replaced(
        parameters,
        positions=problems.replaced(parameters.positions, nominal=jnp.round(parameters.positions.nominal)),
    )
    integer = problems.predicted(problems.model(parameters, setup, subpixel=False), parameters)
    exact = problems.predicted(problems.model(rounded, setup), rounded)
    np.testing.assert_allclose(integer, exact, rtol=1e-9, atol=1e-9 * exact.max())


def test_position_zero_lays_centre_on_centre():
    corner, rest = split_position(jnp.asarray([0.0, 0.25]), (20, 21), (7, 8))
    np.testing.assert_array_equal(corner, [20 // 2 - 7 // 2, 21 // 2 - 8 // 2])
    np.testing.assert_allclose(rest, [0, 0.25])


def test_the_model_runs_under_vmap(float64):
    setup, parameters = problems.geometry(), problems.unknowns(full=False)
    model = problems.model(parameters, setup)
    batch = problems.batch(problems.predicted(model, parameters))
    objective = problems.objective(model)
    factors = jnp.asarray([1.0, 1.1])

    def loss(factor):
        return objective(problems.replaced(parameters, flux=parameters.flux * factor), batch)[0]

    together = jax.vmap(loss)(factors)
    np.testing.assert_allclose(together, [loss(f) for f in factors], rtol=1e-12, atol=1e-9)
    assert float(together[0]) < 1e-9 < float(together[1])
