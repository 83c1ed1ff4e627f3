"""Simulated tilt series: physics against analytic line integrals and a direct sum, signs, photons, seeds."""

import dataclasses

import numpy as np
import pytest

from jxrecon.forward.material import Material
from jxrecon.twin.acquisition import Nuisances, TiltAngles
from jxrecon.twin.detector import PhotonCounter
from jxrecon.twin.diffraction import fine_axes
from jxrecon.twin.scan import FermatSpiral, Raster
from jxrecon.twin.scene import BallWithHoles, Capillary
from jxrecon.twin.tilt_series import SimulatedTiltSeries
from jxrecon.twin.turned import log_transmission

NOISELESS = PhotonCounter(poisson=False)
BALL = BallWithHoles(shape=(32, 32, 32), radius_m=0.55e-6, holes=6, hole_radius_m=(0.06e-6, 0.15e-6))
SMALL = SimulatedTiltSeries(scene=BALL, scan=FermatSpiral(7, 8.0), angles=TiltAngles(6))
EXACT = dataclasses.replace(SMALL, detector=NOISELESS)
AIR = dataclasses.replace(BALL, density=0.0)
NMC = log_transmission(Material(), 7.0)
NMC_7_KEV = {"delta": 1.393e-5, "beta": 7.60e-7, "density": 1.0244}  # xraylib 4.3, 3.6 g/cm^3


def with_nuisances(series, **changes):
    return dataclasses.replace(series, nuisances=Nuisances(**changes))


def line_integral(ball, seed, y, x, angle):
    """Of the ball with holes in e/A^3 times metres, at v = y and u = x."""
    total = 2 * np.sqrt(np.maximum(ball.radius_m**2 - y[:, None] ** 2 - x**2, 0))
    for hz, hy, hx, radius in ball.balls(seed):
        u = hx * np.cos(angle) + hy * np.sin(angle)
        total -= 2 * np.sqrt(np.maximum(radius**2 - (y[:, None] - hz) ** 2 - (x - u) ** 2, 0))
    return ball.density * total


def test_material_at_7_kev():
    k = 2 * np.pi / 1.77120e-10
    expected = k * (-1j * NMC_7_KEV["delta"] - NMC_7_KEV["beta"]) / NMC_7_KEV["density"]
    found = NMC
    assert found.imag == pytest.approx(expected.imag, rel=2e-3)
    assert found.real == pytest.approx(expected.real, rel=5e-3)


@pytest.fixture(scope="module")
def mini():
    return SimulatedTiltSeries(scene=BallWithHoles()).simulate()


def test_layout_and_mini_series(mini):
    data = mini
    assert data["intensity"].shape == (1500, 32, 32) and data["intensity"].dtype == np.int32
    assert data["positions_px"].shape == (1500, 2) and data["electron_density_true"].shape == (64, 64, 64)
    assert data["pixel_size_m"] == pytest.approx(40e-9, rel=1e-12)
    pixel = data["wavelength_m"] * data["distance_m"] / (32 * data["detector_pixel_m"])
    assert pixel == pytest.approx(40e-9, rel=1e-12)
    assert np.allclose(data["angle_deg"], 3.0 * np.arange(60))
    density, inside = data["electron_density_true"], data["particle_true"]
    assert density.max() == pytest.approx(1.0244, abs=1e-4) and density[~inside].max() < 0.9
    assert inside.sum() == pytest.approx(4 / 3 * np.pi * 28.75**3, rel=3e-3)


def test_whole_particle_is_lit_and_air_around_it(mini):
    """Every pixel of the particle's image gets a twentieth of the mean light, in every view; air about it gets some photons."""
    data = mini
    power = np.abs(data["probe_true"][0]) ** 2
    v, u = np.mgrid[-36:37, -36:37]
    for positions in data["positions_px"].reshape(60, 25, 2)[::7]:
        light = np.zeros(v.shape)
        for row, column in np.rint(positions).astype(int):
            y, x = v - row + 16, u - column + 16
            seen = (y >= 0) & (y < 32) & (x >= 0) & (x < 32)
            light[seen] += power[y[seen], x[seen]]
        radius = np.hypot(v, u)
        assert light[radius < 29].min() > 0.05 * light[radius < 29].mean()
        assert light[radius < 33].min() > 5


def test_the_same_seed_gives_the_same_series():
    noisy = with_nuisances(SMALL, projection_shift=1.0, position_jitter=0.5, flux_fluctuation=0.1)
    first, again, other = noisy.simulate(3), noisy.simulate(3), noisy.simulate(4)
    assert first.keys() == again.keys()
    assert all(np.array_equal(first[name], again[name]) for name in first)
    for name in (
        "intensity",
        "electron_density_true",
        "projection_shift_true",
        "positions_true",
        "flux_true",
    ):
        assert not np.array_equal(first[name], other[name]), name


@pytest.mark.parametrize("view", [0, 1, 4])
def test_transmission_is_that_of_the_balls(view):
    """Phase within 0.005 rad rms of the analytic line integrals (0.4 rad deep), at frames that are no whole pixels apart."""
    series = with_nuisances(EXACT, projection_shift=2.0, angle_error=3.0, axis_offset=1.5)
    frames = series.frames(1)
    found, state = frames.transmission(view), frames.acquisition
    for frame in (0, 5):
        y, x = fine_axes((32, 32), (40e-9, 40e-9), state.true[view, frame] - state.shift[view])
        exact = NMC * line_integral(BALL, 1, y, x, np.deg2rad(state.true_deg[view]))
        assert np.sqrt(np.mean((np.angle(found[frame]) - exact.imag) ** 2)) < 0.005
        assert np.corrcoef(np.log(np.abs(found[frame])).ravel(), exact.real.ravel())[0, 1] > 0.998


@pytest.mark.parametrize("angle", [0.0, 33.0])
def test_projected_phase_is_that_of_all_electrons(angle):
    """The phase summed over an image is -r_e lambda f1/Z times the number of electrons, per pixel area."""
    wide = FermatSpiral(1, 1.0)
    series = dataclasses.replace(
        EXACT, scan=wide, frame_shape=(48, 48), angles=TiltAngles(1), nuisances=Nuisances(angle_error=angle)
    )
    frames = series.frames()
    phase = np.angle(frames.transmission(0)[0]).sum() * (20e-9) ** 2
    body = frames.scene.flat.sum(dtype=float) * (20e-9) ** 3
    assert phase == pytest.approx(NMC.imag * body, rel=1e-4)
    pooled = frames.truth()["electron_density_true"].sum(dtype=float) * (40e-9) ** 3
    assert pooled == pytest.approx(body, rel=1e-6)


def test_frames_agree_with_a_direct_sum():
    """Fraunhofer diffraction as a sum over the fine samples, at the detector's own angles; no fast transform takes part."""
    frames = with_nuisances(EXACT, position_jitter=1.0, flux_fluctuation=0.2).frames()
    view, frame = 2, 3
    waves = frames.modes[0] * frames.transmission(view)[frame]
    n = waves.shape[0]
    phase = np.exp(-2j * np.pi * np.outer(np.arange(32) - 16, np.arange(n)) / n)
    direct = np.abs(phase @ waves @ phase.T) ** 2 / n**2 * frames.acquisition.flux[view, frame]
    found = frames.view(view)[frame]
    assert np.abs(found - direct).max() < 1e-6 * direct.max()


def test_every_photon_of_the_empty_beam_is_counted():
    empty = with_nuisances(
        dataclasses.replace(EXACT, scene=AIR), flux_fluctuation=0.2, projection_shift=3.0, defocus_drift=0.1
    )
    data = empty.simulate()
    assert np.allclose(data["intensity"].sum(axis=(1, 2)), 1e5 * data["flux_true"], rtol=1e-5)
    assert data["flux_true"].mean() == pytest.approx(1, abs=1e-12)
    assert data["flux_true"].std() == pytest.approx(0.2, rel=0.3)


def test_counts_are_poisson():
    expected, counts = EXACT.simulate()["intensity"].astype(float), SMALL.simulate()["intensity"]
    bright = expected > 0.5
    ratio = (counts[bright] - expected[bright]) ** 2 / expected[bright]
    assert ratio.mean() == pytest.approx(1, abs=4 * np.sqrt(4 / bright.sum()))
    assert counts.sum() == pytest.approx(expected.sum(), abs=4 * np.sqrt(expected.sum()))


def mapped(data, view):
    """Where the frames say that the specimen is: (v, u) of the mass that scatters out of the beam, by its positions."""
    mine = data["view"] == view
    frames, empty = (
        data["intensity"][mine].astype(float),
        np.abs(np.fft.fftshift(np.fft.fft2(data["probe_true"][0]))),
    )
    lost = np.abs(frames - empty**2 / 1024).sum(axis=(1, 2))
    return lost @ data["positions_px"][mine] / lost.sum()


def test_a_shift_moves_the_image_to_larger_v_and_u():
    """A small ball under a fine raster: the frames that see it lie where the shift says, in both directions."""
    small = dataclasses.replace(BALL, radius_m=0.2e-6, holes=0)
    series = dataclasses.replace(
        EXACT, scene=small, scan=Raster(17, 17, 3.0), turn_deg=0.0, angles=TiltAngles(8)
    )
    moved = with_nuisances(series, projection_shift=1.5, axis_offset=2.0).simulate()
    still = series.simulate()
    found = np.array([mapped(moved, v) - mapped(still, v) for v in range(8)])
    assert np.abs(moved["projection_shift_true"]).max() > 3
    assert np.allclose(found, moved["projection_shift_true"], atol=0.35)


def test_rotation_is_from_x_to_y():
    """A ball off the axis at (z, y, x) is seen at v = z, u = x cos + y sin."""
    place = np.array([-0.2e-6, 0.16e-6, 0.24e-6])
    series = dataclasses.replace(EXACT, scene=BallWithHoles(shape=(32, 32, 32), holes=0, radius_m=0.1e-6))
    frames = series.frames()
    volume = frames.scene.flat.T.reshape(64, 64, 64)
    rolled = np.roll(volume, np.rint(place / 20e-9).astype(int), axis=(0, 1, 2))
    scene = dataclasses.replace(frames.scene, flat=np.ascontiguousarray(rolled.reshape(64, -1).T))
    frames = dataclasses.replace(frames, scene=scene)
    for view, angle in enumerate(np.deg2rad(frames.acquisition.true_deg)):
        phase = -np.angle(frames.transmission(view)[0])
        y, x = fine_axes((32, 32), (40e-9, 40e-9), frames.acquisition.true[view, 0])
        seen = phase.sum(axis=1) @ y, phase.sum(axis=0) @ x
        expected = place[0], place[2] * np.cos(angle) + place[1] * np.sin(angle)
        assert np.allclose(np.array(seen) / phase.sum(), expected, atol=1e-10)


def test_the_guess_of_the_probe():
    data = dataclasses.replace(SMALL, defocus_error=1.3, powers=(0.9, 0.1)).simulate()
    guess, true = data["probe"].astype(complex), data["probe_true"].astype(complex)
    counts = data["intensity"][:7].sum(axis=(1, 2)).mean()
    assert np.sum(np.abs(guess) ** 2) == pytest.approx(counts, rel=1e-5)
    overlap = abs(np.vdot(guess[0], true[0])) / np.linalg.norm(guess[0]) / np.linalg.norm(true[0])
    assert 0.5 < overlap < 0.95
    right = SMALL.simulate()
    scale = np.sqrt(np.sum(np.abs(right["probe_true"]) ** 2) / np.sum(np.abs(right["probe"]) ** 2))
    assert (
        np.abs(right["probe"] * scale - right["probe_true"]).max() < 0.05 * np.abs(right["probe_true"]).max()
    )


def test_finer_voxels_change_little():
    """4 instead of 2 in one of the reconstruction: frames agree within 3 % of their contrast against the empty beam."""
    two = EXACT.simulate()["intensity"].astype(float)
    four = dataclasses.replace(EXACT, finer=4).simulate()["intensity"].astype(float)
    air = dataclasses.replace(EXACT, scene=AIR).simulate()["intensity"].astype(float)
    amplitude = [np.sqrt(np.maximum(i, 0)) for i in (two, four, air)]
    assert np.linalg.norm(amplitude[0] - amplitude[1]) < 0.03 * np.linalg.norm(amplitude[0] - amplitude[2])


def test_glass_around():
    """The tube's walls are analytic: on the axis of view, twice the wall; its truth has the glass's density."""
    tube = Capillary(inner_radius_m=0.4e-6, wall_m=0.12e-6, centre_m=(0.02e-6, 0.0))
    series = dataclasses.replace(EXACT, scene=AIR, capillary=tube, scan=FermatSpiral(1, 1.0))
    frames = series.frames()
    for view, angle in enumerate(np.deg2rad(frames.acquisition.true_deg)):
        y, x = fine_axes((32, 32), (40e-9, 40e-9), np.zeros(2))
        on_axis = np.argmin(np.abs(x - 0.02e-6 * np.sin(angle)))
        phase = np.angle(frames.transmission(view)[0])
        assert np.allclose(phase, phase[0])
        expected = log_transmission(Material("SiO2"), 7.0).imag * 0.66 * 2 * 0.12e-6
        assert phase[0, on_axis] == pytest.approx(expected, rel=0.01)
    assert frames.truth()["electron_density_true"].max() == pytest.approx(0.66, rel=1e-6)


@pytest.mark.parametrize(
    "change, message",
    [({"finer": 3}, "even"), ({"frame_shape": (32, 48)}, "square"), ({"distance_m": 1.0}, "follows")],
)
def test_impossible_series(change, message):
    with pytest.raises(ValueError, match=message):
        dataclasses.replace(SMALL, **change)
