"""First guesses from files, from results, from a search and from engines, on a small simulated scan."""

import dataclasses

import jax.numpy as jnp
import numpy as np
import problems
import pytest

from jxrecon.classical.lsq_ml import LsqMl
from jxrecon.classical.pie import Rpie
from jxrecon.errors import InputError
from jxrecon.initial.automatic import AutomaticProbe
from jxrecon.initial.classical import Classical
from jxrecon.initial.file_probe import FileProbe
from jxrecon.initial.guess import Guess
from jxrecon.initial.mean_frame import mean_frame
from jxrecon.initial.modes import powers
from jxrecon.initial.objects import Flat
from jxrecon.initial.probes import DataProbe
from jxrecon.initial.resample import framed, resampled
from jxrecon.initial.result import Result
from jxrecon.initial.search import SearchedProbe
from jxrecon.measurement import Measurement
from jxrecon.parameters import Parameters, Positions
from jxrecon.result import Result as Stored
from jxrecon.result import write

N = 48
GEOMETRY = problems.geometry(N)


def zone_plate_like(defocus: float) -> np.ndarray:
    """A disc pupil with a stop, `defocus` in units of the distance at which the beam fills the window."""
    f = np.fft.fftfreq(N)
    radius = np.hypot(f[:, None], f)
    pupil = ((radius < 0.3) & (radius > 0.08)) * np.exp(-1j * np.pi * N * defocus * radius**2)
    probe = np.fft.fftshift(np.fft.ifft2(pupil))
    return 100 * probe / np.sqrt(np.sum(np.abs(probe) ** 2))


def scan(
    probe: np.ndarray, side: int = 6, step: float = 4.0, seed: int = 0
) -> tuple[Measurement, np.ndarray]:
    """Noise-free frames at whole pixels, and the object in the shape that a guess has."""
    y, x = (np.mgrid[:side, :side].reshape(2, -1) - (side - 1) / 2) * step
    positions = np.round(np.stack([y, x], axis=1) + 0.25)
    positions -= positions.min(axis=0) + np.ptp(positions, axis=0) // 2
    guess = Guess(probe=DataProbe())(
        GEOMETRY, problems.measurement(np.ones((side**2, N, N)), positions, probe=probe[None])
    )
    shape = guess.object.shape[1:]
    object = np.exp(-0.5j * problems.smooth(np.random.default_rng(seed), shape, 1.5))
    corners = positions.astype(int) + np.array(shape) // 2 - N // 2
    waves = [probe * object[a : a + N, b : b + N] for a, b in corners]
    frames = np.fft.fftshift(np.abs(np.fft.fft2(waves, norm="ortho")) ** 2, axes=(1, 2))
    return problems.measurement(frames.astype(np.float32), positions, probe=probe[None]), object


def likeness(a, b) -> float:
    """|<a, b>|^2 / (<a, a> <b, b>)."""
    return float(abs(np.vdot(a, b)) ** 2 / np.vdot(a, a).real / np.vdot(b, b).real)


@pytest.mark.parametrize("truth", [-0.3, 0.5])
def test_search_finds_the_side_of_the_focus_and_nearly_the_distance(truth):
    """In units of the largest distance that is tried; neighbouring candidates are 0.25 apart."""
    data, _ = scan(zone_plate_like(truth))
    data = dataclasses.replace(data, probe=None)
    search = SearchedProbe(candidates=9, frames=36, engine=Rpie(iterations=8, probe_start=1))
    found = search(GEOMETRY, data, mean_frame(GEOMETRY, data, np.arange(36)))[0]
    distances = np.linspace(-1, 1, 9)
    best = distances[np.argmax([likeness(found, zone_plate_like(d)) for d in distances])]
    assert best == pytest.approx(truth, abs=0.3)


def test_automatic_takes_the_file_s_probe():
    truth = zone_plate_like(0.2)
    data, _ = scan(truth, side=2)
    found = AutomaticProbe()(GEOMETRY, data, mean_frame(GEOMETRY, data, np.arange(4)))
    np.testing.assert_allclose(found[0], truth)


def test_classical_start_is_near_the_truth():
    """Two specimens under two illuminations in one measurement: each finds its own."""
    parts = [scan(zone_plate_like(0.3), seed=1), scan(2 * zone_plate_like(0.35), seed=2)]
    frames = np.concatenate([m.frames.read(np.arange(36)) for m, _ in parts])
    data = problems.measurement(frames, np.concatenate([m.positions_px for m, _ in parts]))
    data = dataclasses.replace(
        data,
        view=np.repeat([0, 1], 36).astype(np.int32),
        specimen=np.array([0, 1], np.int32),
        optics=np.array([0, 1], np.int32),
        angle_deg=np.zeros(2),
        probe=zone_plate_like(0.32)[None],
    )
    start = Classical(LsqMl(iterations=40, batch_size=9), Guess(object=Flat()))
    guess = start(GEOMETRY, data)
    assert guess.object.shape[0] == 2
    middle = (slice(N // 2 + 8, -N // 2 - 8),) * 2
    for number, (_, truth) in enumerate(parts):
        found = np.asarray(guess.object[number])
        assert likeness(truth[middle], found[middle]) > 0.97
        assert likeness(truth[middle], found[middle]) > likeness(parts[1 - number][1][middle], found[middle])
    powers_found = np.sum(np.abs(guess.probe.modes) ** 2, axis=(1, 2, 3))
    np.testing.assert_allclose(powers_found, [1e4, 4e4], rtol=0.1)


@pytest.mark.parametrize("suffix", ["npz", "h5"])
def test_probe_from_a_file_is_brought_to_these_pixels(tmp_path, suffix):
    """A Gaussian on pixels of half the size and on twice as many is the same Gaussian."""
    y, x = np.mgrid[: 2 * N, : 2 * N] - N
    fine = np.exp(-(y**2 + x**2) / 4 / 18.0 + 1j * x / 20)
    path, pitch = tmp_path / f"probe.{suffix}", GEOMETRY.pixel_size_m[0] / 2
    if suffix == "npz":
        np.savez(path, probe=fine, pixel_size_m=pitch)
    else:
        import h5py

        with h5py.File(path, "w") as file:
            file["probe"], file["pixel_size_m"] = fine, pitch
    data, _ = scan(zone_plate_like(0.2), side=2)
    found = FileProbe(str(path))(GEOMETRY, data, mean_frame(GEOMETRY, data, np.arange(4)))
    y, x = np.mgrid[:N, :N] - N // 2
    np.testing.assert_allclose(found[0], np.exp(-(y**2 + x**2) / 18.0 + 1j * x / 10), atol=2e-3)


def test_probe_of_a_ptypy_result(tmp_path):
    import h5py

    modes = problems.probe(N, 2).astype(np.complex64)
    with h5py.File(tmp_path / "a.ptyr", "w") as file:
        file["content/probe/SscanG00/data"] = modes
        file["content/probe/SscanG00/_psize"] = np.array(GEOMETRY.pixel_size_m)
    data, _ = scan(zone_plate_like(0.2), side=2)
    guess = Guess(probe=FileProbe(str(tmp_path / "a.ptyr")))(GEOMETRY, data)
    shares = powers(np.asarray(guess.probe.modes[0]))
    np.testing.assert_allclose(shares / shares.sum(), [2 / 3, 1 / 3], rtol=1e-4)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("absent.npz", None, "no such file"),
        ("other.npz", {"image": np.ones((4, 4))}, "`probe` is missing; it holds image"),
        ("nan.npz", {"probe": np.full((4, 4), np.nan)}, "finite"),
        ("broken.npz", b"PK\x03\x04 and then nothing", "broken.npz"),
        ("text.h5", b"not HDF5 at all", "not an HDF5 file"),
    ],
)
def test_unusable_probe_files_are_refused_in_one_line(tmp_path, name, content, message):
    path = tmp_path / name
    if isinstance(content, dict):
        np.savez(path, **content)
    elif content is not None:
        path.write_bytes(content)
    data, _ = scan(zone_plate_like(0.2), side=2)
    with pytest.raises(InputError, match=message) as caught:
        FileProbe(str(path))(GEOMETRY, data, mean_frame(GEOMETRY, data, np.arange(4)))
    assert "\n" not in str(caught.value)


def finished(tmp_path, data: Measurement, **changes) -> tuple[str, Parameters]:
    """A stored result with every field in use."""
    guess = Guess(probe=DataProbe(), object=Flat(0.3), modes=2, variations=2, background=0.01)(GEOMETRY, data)
    positions = Positions(guess.positions.nominal, guess.positions.shift + 0.25, jnp.full(4, 0.01))
    parameters = dataclasses.replace(guess, positions=positions, flux=guess.flux * 1.1)
    path = str(tmp_path / "result.h5")
    write(Stored(parameters, dataclasses.replace(GEOMETRY, **changes)), path)
    return path, parameters


def test_the_same_scan_goes_on_where_it_stopped(tmp_path):
    data, _ = scan(zone_plate_like(0.2))
    path, stored = finished(tmp_path, data)
    again = Result(path)(GEOMETRY, data)
    for name in ("object", "flux", "background"):
        np.testing.assert_allclose(getattr(again, name), getattr(stored, name), rtol=1e-5)
    np.testing.assert_allclose(again.probe.modes, stored.probe.modes, rtol=1e-5)
    for name in ("variations", "weights"):
        np.testing.assert_allclose(getattr(again.probe, name), getattr(stored.probe, name), rtol=1e-5)
    np.testing.assert_allclose(again.positions(), stored.positions(), rtol=1e-5)


def test_another_scan_takes_object_and_probe_alone(tmp_path):
    data, _ = scan(zone_plate_like(0.2))
    path, stored = finished(tmp_path, data)
    other, _ = scan(2 * zone_plate_like(0.2), side=8)
    again = Result(path, modes=3)(GEOMETRY, other)
    assert again.probe.modes.shape == (1, 3, N, N) and again.probe.weights is None
    np.testing.assert_allclose(np.sum(np.abs(again.probe.modes) ** 2), 4e4, rtol=1e-3)
    assert np.all(again.flux == 1) and np.all(again.positions.shift == 0)
    small, large = np.asarray(stored.object[0]), np.asarray(again.object[0])
    np.testing.assert_allclose(framed(large, (small.shape[0], small.shape[1])), small, rtol=1e-5)
    assert large[0, 0] == 1


def test_result_on_other_pixels_keeps_its_power(tmp_path):
    """The detector was twice as far away: pixels twice as large, positions half as many pixels apart."""
    data, _ = scan(zone_plate_like(0.1))
    path, stored = finished(tmp_path, data, distance_m=2 * GEOMETRY.distance_m)
    closer = dataclasses.replace(data, positions_px=2 * data.positions_px)
    again = Result(path)(GEOMETRY, closer)
    np.testing.assert_allclose(again.positions.shift, 2 * np.asarray(stored.positions.shift), rtol=1e-5)
    # Pixels half as large on as many of them: half of the old window, which holds the beam's middle.
    assert 0.5 < np.sum(np.abs(again.probe.modes) ** 2) / np.sum(np.abs(stored.probe.modes) ** 2) < 1.02


def test_results_that_do_not_fit_are_refused(tmp_path):
    data, _ = scan(zone_plate_like(0.2), side=2)
    path, _ = finished(tmp_path, data)
    near = problems.geometry(N, "near_field")
    with pytest.raises(InputError, match="far_field result, the measurement is near_field"):
        Result(path)(near, data)
    with pytest.raises(InputError, match=r"absent\.h5"):
        Result(str(tmp_path / "absent.h5"))(GEOMETRY, data)


def test_resampling_keeps_the_centre_and_refuses_nonsense():
    point = np.zeros((9, 8), complex)
    point[4, 4] = 1
    assert framed(point, (5, 12))[2, 6] == 1
    found = resampled(point, (2e-8, 2e-8), (18, 16), (1e-8, 1e-8))
    assert np.unravel_index(np.argmax(abs(found)), found.shape) == (9, 8)
    with pytest.raises(InputError, match="both in metres"):
        resampled(point, (20.0, 20.0), (9, 8), (1e-8, 1e-8))
