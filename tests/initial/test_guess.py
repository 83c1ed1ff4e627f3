"""First guesses: power, centring, shapes, what each source needs."""

import dataclasses

import jax.numpy as jnp
import numpy as np
import problems
import pytest

from jxrecon.errors import InputError
from jxrecon.geometry import Geometry
from jxrecon.initial.first_guess import object_shape
from jxrecon.initial.guess import Guess
from jxrecon.initial.mean_frame import filled, mean_frame
from jxrecon.initial.objects import DataObject, Flat
from jxrecon.initial.probes import Aperture, DataProbe, MeanFrameProbe, ZonePlate
from jxrecon.measurement import ArrayFrames, Measurement

N = 32
GEOMETRY = problems.geometry(N)


def frames(photons=1e4, count=9, seed=0) -> np.ndarray:
    """Patterns of a defocused Gaussian probe through phase noise, beam at the centre."""
    rng = np.random.default_rng(seed)
    probe = problems.probe(N, 1, photons)[0]
    objects = np.exp(0.3j * problems.smooth(rng, (count, N, N), 2.0))
    pattern = np.abs(np.fft.fft2(probe * objects, norm="ortho")) ** 2
    return np.fft.fftshift(pattern, axes=(1, 2)).astype(np.float32)


def measurement(intensity=None, **fields) -> Measurement:
    intensity = frames() if intensity is None else intensity
    side = int(np.ceil(np.sqrt(len(intensity))))
    y, x = np.mgrid[:side, :side].reshape(2, -1)[:, : len(intensity)] * 5.0
    positions = np.stack([y - y.max() / 2, x - x.max() / 2], axis=1)
    return problems.measurement(intensity, positions, **fields)


def centre_of_mass(field) -> np.ndarray:
    density = np.abs(np.asarray(field)) ** 2
    return np.array([np.sum(i * density) for i in np.indices(density.shape)]) / density.sum()


def diameter_holding(field, share: float, pixel: float) -> float:
    """Diameter of the centred disc that holds `share` of the power."""
    v, u = (np.arange(n) - n // 2 for n in field.shape)
    radius = np.hypot(v[:, None], u).ravel()
    order = np.argsort(radius)
    power = np.cumsum(np.abs(field).ravel()[order] ** 2)
    return 2 * pixel * radius[order][np.searchsorted(power, share * power[-1])]


def test_object_shape_is_the_rule():
    positions = np.array([[-10.2, -7.0], [10.2, 7.0]])
    assert object_shape(positions, (32, 30)) == (21 + 32 + 16 + 1, 14 + 30 + 16)
    # Positions that are not centred still have their windows inside.
    assert object_shape(positions + [5, 0], (32, 30))[0] == 31 + 32 + 16 + 1


def test_what_is_not_known_is_neutral():
    data = measurement()
    guess = Guess(probe=MeanFrameProbe())(GEOMETRY, data)
    assert guess.object.shape == (1, *object_shape(data.positions_px, (N, N)))
    assert np.all(guess.object == 1) and np.all(guess.flux == 1)
    np.testing.assert_allclose(guess.positions(), data.positions_px, atol=1e-5)
    assert guess.background is None and guess.probe.variations is None


@pytest.mark.parametrize("modes", [1, 3])
@pytest.mark.parametrize(
    "source", [DataProbe(), MeanFrameProbe(), MeanFrameProbe(0.0), Aperture(10e-6, 1e-3)], ids=repr
)
def test_probe_has_the_power_of_the_mean_frame(source, modes):
    data = measurement(probe=problems.probe(N, 1, 3.0))
    guess = Guess(probe=source, modes=modes)(GEOMETRY, data)
    assert guess.probe.modes.shape == (1, modes, N, N)
    np.testing.assert_allclose(np.sum(np.abs(guess.probe.modes) ** 2), 1e4, rtol=1e-3)


@pytest.mark.parametrize("source", [MeanFrameProbe(), Aperture(10e-6, 1e-3)], ids=repr)
def test_probe_is_centred(source):
    guess = Guess(probe=source)(GEOMETRY, measurement())
    np.testing.assert_allclose(centre_of_mass(guess.probe.modes[0, 0]), N // 2, atol=0.6)


def test_hidden_pixels_do_not_dim_the_probe():
    """A masked gap, and one in half of the frames only: the power is that of the whole pattern within 2 %."""
    intensity = frames()
    mask = np.ones((N, N), bool)
    mask[:, 20] = False
    intensity[:4, 12] = -1
    intensity[:, :, 20] = 1e6
    guess = Guess(probe=MeanFrameProbe())(GEOMETRY, measurement(intensity, mask=mask))
    np.testing.assert_allclose(np.sum(np.abs(guess.probe.modes) ** 2), 1e4, rtol=0.02)


def test_filled_takes_the_nearest():
    known = np.array([[True, False, False, True]])
    np.testing.assert_array_equal(filled(np.array([[1.0, 0, 0, 4]]), known), [[1, 1, 4, 4]])


def test_no_light_is_an_input_error():
    with pytest.raises(InputError, match="no frame has a count"):
        Guess(probe=MeanFrameProbe())(GEOMETRY, measurement(np.zeros((4, N, N))))


def test_only_a_sample_of_a_long_scan_is_read():
    @dataclasses.dataclass
    class Counting:
        shape: tuple = (5000, 4, 4)
        count: int = 0
        largest: int = 0

        def read(self, index):
            self.count += len(index)
            self.largest = max(self.largest, len(index))
            return np.ones((len(index), 4, 4), np.float32)

    source = Counting()
    data = problems.measurement(np.ones((1, 4, 4)), np.zeros((1, 2)))
    data = dataclasses.replace(
        data, frames=source, positions_px=np.zeros((5000, 2)), view=np.zeros(5000, np.int32)
    )
    assert mean_frame(problems.geometry(4), data, np.arange(5000)).photons == 16
    assert source.count <= 500 and source.largest <= 16


def test_far_field_mean_frame_is_the_probe_s_own_pattern():
    """An empty specimen: the guess has the measured pattern, whatever the defocus."""
    intensity = np.repeat(frames(count=1), 4, axis=0)
    for defocus in (0.0, -2e-3, None):
        guess = Guess(probe=MeanFrameProbe(defocus))(GEOMETRY, measurement(intensity))
        pattern = np.abs(np.fft.fftshift(np.fft.fft2(guess.probe.modes[0, 0], norm="ortho"))) ** 2
        np.testing.assert_allclose(pattern, intensity[0], atol=1e-3 * intensity.max())


def test_near_field_mean_frame_comes_back_from_the_detector():
    """A probe that has no phase on the detector is found to the last digit of float32."""
    from jxrecon.forward.propagation import near_field

    setup = problems.geometry(N, "near_field", 4)
    y, x = np.mgrid[: N + 8, : N + 8] - N // 2 - 4
    detected = 10 * np.exp(-(y**2 + x**2) / 60.0)
    frame = (detected**2)[4:-4, 4:-4]
    guess = Guess(probe=MeanFrameProbe())(setup, measurement(np.repeat(frame[None], 4, axis=0)))
    assert guess.probe.modes.shape == (1, 1, N + 8, N + 8)
    again = near_field(guess.probe.modes[0, 0], setup.fresnel_number)[4:-4, 4:-4]
    np.testing.assert_allclose(abs(again), detected[4:-4, 4:-4], atol=2e-2)


def test_the_zone_plate_of_the_paper():
    """Tsai et al. 2019: 150 um, 60 nm, stop 50 um at 7 keV make a beam of 5 um, 1.69 mm from the focus."""
    setup = Geometry(1.7712e-10, 7.2, (172e-6, 172e-6), (371, 371))
    data = problems.measurement(np.ones((2, 371, 371), np.float32), np.array([[-50.0, 0], [50, 0]]))
    lens = {"diameter_m": 150e-6, "outermost_zone_m": 60e-9, "central_stop_m": 50e-6}
    for extra in ({}, {"order_sorting_aperture_m": 30e-6, "aperture_to_focus_m": 5e-3}):
        guess = Guess(probe=ZonePlate(**lens, defocus_m=1.69e-3, **extra))(setup, data)
        # The geometric disc has a rim of fringes: 95 % of the light is inside.
        found = diameter_holding(guess.probe.modes[0, 0], 0.95, setup.pixel_size_m[0])
        assert found == pytest.approx(5e-6, rel=0.1)
    with pytest.raises(InputError, match="defocus_m"):
        ZonePlate(**lens)(setup, data, mean_frame(setup, data, np.arange(2)))


def test_several_optics_and_specimens_get_their_own():
    dim, bright = frames(1e3), frames(4e3, seed=1)
    data = measurement(np.concatenate([dim, bright]))
    data = dataclasses.replace(
        data,
        view=np.repeat([0, 1], 9).astype(np.int32),
        specimen=np.array([0, 1], np.int32),
        optics=np.array([0, 1], np.int32),
        angle_deg=np.zeros(2),
    )
    guess = Guess(probe=MeanFrameProbe(), object=Flat(0.1))(GEOMETRY, data, seed=4)
    powers = np.sum(np.abs(guess.probe.modes) ** 2, axis=(1, 2, 3))
    np.testing.assert_allclose(powers, [1e3, 4e3], rtol=1e-3)
    assert guess.object.shape[0] == 2
    assert not np.array_equal(guess.object[0], guess.object[1])
    np.testing.assert_allclose(np.angle(guess.object).std(), 0.1, rtol=0.05)
    again = Guess(probe=MeanFrameProbe(), object=Flat(0.1))(GEOMETRY, data, seed=4)
    np.testing.assert_array_equal(again.object, guess.object)


def test_missing_sources_are_named():
    data = measurement(source="scan.h5")
    mean = mean_frame(GEOMETRY, data, np.arange(9))
    with pytest.raises(InputError, match="scan.h5: holds no probe"):
        DataProbe()(GEOMETRY, data, mean)
    with pytest.raises(InputError, match="scan.h5: holds no object"):
        DataObject()((40, 40), data, np.random.default_rng(0))


def test_object_of_the_file_stays_centred():
    stored = np.zeros((5, 6), complex)
    stored[2, 3] = 2
    found = DataObject()((8, 4), measurement(object=stored), np.random.default_rng(0))
    assert found[4, 2] == 2 and found[0, 0] == 1
    assert found.shape == (8, 4)


def test_background_is_relative_to_the_counts():
    guess = Guess(probe=MeanFrameProbe(), background=0.01)(GEOMETRY, measurement())
    assert guess.background is not None
    np.testing.assert_allclose(guess.background**2, 0.01 * 1e4 / N**2, rtol=1e-3)
    assert guess.background.dtype == jnp.float32


@pytest.mark.parametrize("wrong", [{"modes": 0}, {"variations": -1}, {"background": 0.0}])
def test_impossible_settings_are_refused(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        Guess(**wrong)


def test_measurement_fixture_is_on_the_beam():
    """The simulated frames have their beam at the array's centre."""
    data = measurement()
    assert isinstance(data.frames, ArrayFrames)
    np.testing.assert_allclose(centre_of_mass(np.sqrt(data.frames.array.mean(axis=0))), N // 2, atol=0.5)
