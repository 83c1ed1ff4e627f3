"""The orientation trial: which ways there are, what the fit decides, and that matter decides between twins."""

from pathlib import Path

import jax.numpy as jnp
import numpy as np
import problems
import pytest

from jxrecon.data.plain import Plain
from jxrecon.forward.ptychography import Ptychography
from jxrecon.initial.first_guess import AbstractInitial
from jxrecon.noise import Amplitude
from jxrecon.objective import DataTerm, Objective
from jxrecon.optimisers import Adam
from jxrecon.orientation import Trial, Way, advice, explain, judge, trials, ways
from jxrecon.reconstruction import Reconstruction


def test_a_way_after_another_is_their_composition():
    rng = np.random.default_rng(0)
    raw = rng.normal(size=(5, 2))
    for first in ways():
        for second in ways():
            both = second.after(first.swap, first.sign)
            np.testing.assert_array_equal(both(raw), second(first(raw)))


def test_the_eight_ways_differ_and_twins_stand_together():
    raw = np.array([[1.0, 2.0]])
    assert len({tuple(w(raw)[0]) for w in ways()}) == 8
    assert all(a.twin() == b for a, b in zip(ways()[::2], ways()[1::2]))


def scene(path: Path, regime: str, written: Way) -> Plain:
    """A simulated scan in the plain layout whose positions must be read `written` to be right."""
    setup, truth = truth_of(regime)
    frames = problems.predicted(problems.model(truth, setup), truth)
    if regime == "far_field":
        frames = np.fft.fftshift(frames, axes=(1, 2))
    back = next(w for w in ways() if np.array_equal(written.after(w.swap, w.sign)(GRID), GRID))
    np.savez(
        path,
        intensity=frames.astype(np.float32),
        positions_px=back(np.asarray(truth.positions.nominal, float)),
        wavelength_m=setup.wavelength_m,
        distance_m=setup.distance_m,
        detector_pixel_m=setup.detector_pixel_m[0],
        pixel_size_m=setup.pixel_size_m[0],
        regime=regime,
        **({"focus_to_sample_m": setup.focus_to_sample_m} if setup.focus_to_sample_m else {}),
    )
    return Plain(str(path))


GRID = np.array([[1.0, 2.0], [3.0, -1.0]])


def truth_of(regime: str):
    """An absorbing and retarding object with no symmetry, 36 frames."""
    rng = np.random.default_rng(5)
    truth = problems.unknowns(24, 36, 1, 0, np.float32, full=False)
    thickness = np.abs(problems.smooth(rng, (1, 72, 72), 2.5))
    side = np.mgrid[:6, :6].reshape(2, -1).T - 2.5
    grid = side * [4.0, 3.0] + rng.uniform(-0.5, 0.5, side.shape)
    return problems.geometry(24, regime), problems.replaced(
        truth,
        object=jnp.asarray(np.exp((-0.15 - 0.5j) * thickness), jnp.complex64),
        positions=problems.replaced(truth.positions, nominal=jnp.asarray(grid, jnp.float32)),
    )


class TrueProbe(AbstractInitial):
    """The probe is known, the object flat."""

    def __call__(self, geometry, measurement, *, seed):
        _, truth = truth_of(geometry.regime)
        size = 24 + 16 + 24
        nominal = jnp.asarray(measurement.positions_px, jnp.float32)
        return problems.replaced(
            truth,
            object=jnp.ones((1, size, size), jnp.complex64),
            positions=problems.replaced(truth.positions, nominal=nominal),
        )


@pytest.mark.parametrize("regime", ["far_field", "near_field"])
@pytest.mark.parametrize("written", [Way(True, (1, -1)), Way(False, (-1, -1))], ids=["swapped", "turned"])
def test_the_right_way_is_found(regime, written, tmp_path, capsys):
    term = DataTerm("scan", Ptychography(), Amplitude())
    job = Reconstruction(
        data=scene(tmp_path / "scan.npz", regime, written),
        initial=TrueProbe(),
        objective=Objective({"scan": term}),
        optimisers={"object": Adam()},
        batch_size=6,
    )
    verdict = judge(list(trials(job, epochs=25, frames=36)), regime)
    assert verdict.class_decided and verdict.twin_decided
    assert verdict.way == written
    explain(verdict, False, (1, 1))
    assert advice(verdict, False, (1, 1)) in capsys.readouterr().out


def test_what_the_data_cannot_tell_is_said(capsys):
    one, other = Way(False, (1, 1)), Way(True, (1, 1))
    verdict = judge([Trial(one, 0.100, 0.01), Trial(other, 0.101, 0.0)], "far_field")
    assert not verdict.class_decided and not verdict.twin_decided
    explain(verdict, False, (1, 1))
    out = capsys.readouterr().out
    assert "the two best fits are too close" in out and "conjugate" in out
