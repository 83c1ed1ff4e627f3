"""Angles, scans and nuisances of a tilt series: sizes, streams of their own, and what each does to the frames."""

import dataclasses

import numpy as np
import pytest

from jxrecon.twin.acquisition import Nuisances, TiltAngles, acquire, slow_walk
from jxrecon.twin.detector import PhotonCounter
from jxrecon.twin.scan import FermatSpiral, Raster
from jxrecon.twin.scene import BallWithHoles, Capillary
from jxrecon.twin.tilt_series import SimulatedTiltSeries

BALL = BallWithHoles(shape=(24, 24, 24), radius_m=0.4e-6, holes=3, hole_radius_m=(0.06e-6, 0.1e-6))
SERIES = SimulatedTiltSeries(
    scene=BALL, scan=FermatSpiral(5, 8.0), angles=TiltAngles(8), detector=PhotonCounter(poisson=False)
)
TRUE = ("projection_shift_true", "angle_deg_true", "positions_true", "defocus_true", "flux_true")
# What each nuisance changes of the truth, and by how much.
EACH = [
    ({"projection_shift": 2.0}, {"projection_shift_true"}),
    ({"axis_offset": 3.0}, {"projection_shift_true", "axis_offset_true"}),
    ({"angle_error": 2.0}, {"angle_deg_true"}),
    ({"position_jitter": 1.0}, {"positions_true"}),
    ({"probe_drift": 1.0}, {"positions_true"}),
    ({"defocus_drift": 0.1}, {"defocus_true"}),
    ({"flux_fluctuation": 0.1}, {"flux_true"}),
]
EVERYTHING = {name: value for change, _ in EACH for name, value in change.items()}


def many(**nuisances):
    return acquire(TiltAngles(400), FermatSpiral(20, 8.0), Nuisances(**nuisances), 5)


@pytest.fixture(scope="module")
def still():
    return SERIES.simulate(1)


@pytest.mark.parametrize("change, changed", EACH, ids=[next(iter(c)) for c, _ in EACH])
def test_each_changes_what_it_should_and_the_frames(still, change, changed):
    data = dataclasses.replace(SERIES, nuisances=Nuisances(**change)).simulate(1)
    different = {k for k in still if k.endswith("_true") and not np.array_equal(still[k], data[k])}
    assert different - {"displacement_true"} == changed
    assert all(np.array_equal(still[k], data[k]) for k in ("positions_px", "angle_deg", "mask", "view"))
    apart = np.abs(np.sqrt(np.maximum(data["intensity"], 0)) - np.sqrt(np.maximum(still["intensity"], 0)))
    assert apart.sum() > 5e-4 * np.sqrt(np.maximum(still["intensity"], 0)).sum()


@pytest.mark.parametrize("name", EVERYTHING)
def test_each_draws_from_its_own_stream(name):
    """Switched off among all the others, it leaves their errors as they were."""
    everything = many(**EVERYTHING)
    others = many(**{k: v for k, v in EVERYTHING.items() if k != name})
    alone, nothing = many(**{name: EVERYTHING[name]}), many()
    for field in ("true_deg", "true", "shift", "defocus"):
        a, b, c, d = (getattr(x, field) for x in (everything, others, alone, nothing))
        assert np.allclose(a - b, c - d, atol=1e-12), field
    assert np.array_equal(everything.flux, (alone if name == "flux_fluctuation" else others).flux)


def test_sizes():
    """Root mean squares of 400 views within 4 standard errors."""
    found = many(**EVERYTHING)
    shift = found.shift - [0.0, 3.0]
    assert shift.std() == pytest.approx(2, rel=4 / np.sqrt(1600))
    assert (found.true_deg - found.nominal_deg).std() == pytest.approx(2, rel=4 / np.sqrt(800))
    error = found.true - found.nominal
    drift = error.mean(axis=1)
    assert (error - drift[:, None]).std() == pytest.approx(1, rel=0.03)
    assert np.sqrt(np.mean(drift**2)) == pytest.approx(1, rel=0.05)
    assert (found.defocus - 1).std() == pytest.approx(0.1, rel=1e-6)
    assert found.flux.std() == pytest.approx(0.1, rel=0.05)


def test_drift_is_slow():
    walk = slow_walk(np.random.default_rng(0), 100, 2)
    assert np.allclose(walk.mean(axis=0), 0, atol=1e-12) and np.allclose(np.mean(walk**2, axis=0), 1)
    assert np.abs(np.diff(walk, axis=0)).max() < 0.15


def test_drift_of_the_beam_and_of_the_specimen_are_one_to_the_frames(still):
    """Beam by d, or specimen by -d: the same frames, and the same displacement."""
    data = dataclasses.replace(SERIES, nuisances=Nuisances(probe_drift=1.5)).frames(1)
    state = data.acquisition
    drift = state.true - state.nominal
    other = dataclasses.replace(state, true=state.nominal, shift=-drift[:, 0])
    moved = dataclasses.replace(data, acquisition=other)
    assert np.allclose(data.view(3), moved.view(3), rtol=1e-4, atol=1e-3)
    assert np.allclose(data.truth()["displacement_true"], moved.truth()["displacement_true"])
    assert not np.allclose(data.view(3), still["intensity"][15:20], rtol=0.05, atol=1)


def test_orders_of_angles():
    equal, golden, shuffled = (TiltAngles(60, order=o).degrees(0) for o in ("equal", "golden", "random"))
    assert np.allclose(equal, 3 * np.arange(60))
    assert not np.array_equal(equal, shuffled) and np.allclose(np.sort(shuffled), equal)
    assert np.allclose(np.diff(golden) % 180, 180 * 2 / (1 + np.sqrt(5)))
    gaps = np.diff(np.sort(golden))
    assert gaps.max() < 1.7 * 3 and gaps.min() > 0.4 * 3


def test_missing_views_change_nothing_else():
    """The frames of the views that are left are the same, noise included."""
    noisy = dataclasses.replace(
        SERIES, detector=PhotonCounter(), nuisances=Nuisances(projection_shift=1.0, flux_fluctuation=0.1)
    )
    whole = noisy.simulate(2)
    wedge = TiltAngles(8, missing_wedge_deg=50.0, missing=(0, 7))
    part = dataclasses.replace(noisy, angles=wedge).simulate(2)
    assert np.allclose(part["angle_deg"], [22.5, 45.0, 135.0])
    kept = np.isin(whole["view"], [1, 2, 6])
    for name in ("intensity", "positions_px", "flux_true", "positions_true"):
        assert np.array_equal(part[name], whole[name][kept]), name
    assert np.array_equal(part["projection_shift_true"], whole["projection_shift_true"][[1, 2, 6]])
    assert np.array_equal(part["view"], np.repeat([0, 1, 2], 5))


def test_dead_pixels_and_gaps(still):
    counting = dataclasses.replace(SERIES, detector=PhotonCounter())
    plain = counting.simulate(1)
    spoilt = dataclasses.replace(counting, detector=PhotonCounter(dead=0.02, gap=2)).simulate(1)
    mask = spoilt["mask"]
    assert 0.8 < mask.mean() < 0.88
    assert np.array_equal(plain["intensity"][:, mask], spoilt["intensity"][:, mask])
    assert np.all(spoilt["intensity"][:, ~mask] == -1)


def test_glass_changes_frames_and_density_only(still):
    data = dataclasses.replace(SERIES, capillary=Capillary(0.45e-6, 0.1e-6)).simulate(1)
    different = {k for k in still if not np.array_equal(still[k], data[k])}
    assert different == {
        "intensity",
        "electron_density_true",
        "electron_density_fine_true",
        "probe",
    }  # the guess has the frames' mean counts
    assert np.array_equal(data["particle_true"], still["particle_true"])


def test_no_scan_repeats_but_the_axis_stays():
    found = acquire(TiltAngles(30), Raster(5, 5, 8.0), Nuisances(), 0)
    assert np.allclose(np.hypot(*found.nominal.T), np.hypot(*found.nominal[0].T)[:, None], atol=1e-9)
    pairs = [np.abs(found.nominal[i] - found.nominal[j]).max() for i in range(30) for j in range(i)]
    assert min(pairs) > 1


@pytest.mark.parametrize("wrong", [{"count": 0}, {"range_deg": 0.0}, {"range_deg": 720.0}])
def test_impossible_angles(wrong):
    with pytest.raises(ValueError, match="count"):
        TiltAngles(**wrong)
