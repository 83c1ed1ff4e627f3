"""PtyPy's prepared data: a file that PtyPy wrote, and chunks, links and weights after its layout."""

import h5py
import numpy as np
import pytest

from jxrecon.data.ptyd import Ptyd
from jxrecon.errors import InputError

EVERY = np.arange(12)


def test_file_written_by_ptypy(measured_data):
    path = measured_data / "ptycho/example_sim.ptyd"
    geometry, measurement = Ptyd(str(path)).read()
    assert geometry.energy_keV == pytest.approx(6.19920965, rel=1e-9)
    assert geometry.distance_m == 5.0 and geometry.detector_pixel_m == (3e-4, 3e-4)
    assert geometry.pixel_size_m[0] == pytest.approx(2.0e-10 * 5 / (64 * 3e-4), rel=1e-6)
    with h5py.File(path) as file:
        data, moves = file["chunks/0/data"][()], file["chunks/0/positions"][()]
    np.testing.assert_array_equal(measurement.frames.read(np.arange(20)), data)
    metres = measurement.positions_px * geometry.pixel_size_m[0]
    np.testing.assert_allclose(np.diff(metres, axis=0), np.diff(moves, axis=0), atol=1e-15)


def _none(group, name):
    group[name] = np.zeros(1)
    group[name].attrs["type"] = "None"


def _chunk(group, known, part, weights):
    group["data"], group["positions"] = known.counts[part].astype(np.float32), known.positions_m[part]
    group["indices"] = np.arange(12)[part]
    if weights is None:
        _none(group, "weights")
    else:
        group["weights"] = weights[part] if weights.ndim == 3 else weights


def _write(path, known, weights=None, linked=False, **meta):
    numbers = {"distance": 2.0, "energy": 12.398419843, "psize": [75e-6, 75e-6], "center": [8.0, 10.0]} | meta
    with h5py.File(path, "w") as file:
        for name, value in numbers.items():
            if value is None:
                _none(file.require_group("meta"), name)
            else:
                file[f"meta/{name}"] = value
        for k, part in enumerate((slice(0, 5), slice(5, 12))):
            if linked:
                with h5py.File(path.with_name(f"a.chunk{k:02d}.ptyd"), "w") as other:
                    _chunk(other.create_group(f"chunks/{k}"), known, part, weights)
                file[f"chunks/{k}"] = h5py.ExternalLink(f"a.chunk{k:02d}.ptyd", f"chunks/{k}")
            else:
                _chunk(file.create_group(f"chunks/{k}"), known, part, weights)
    return str(path)


@pytest.mark.parametrize("linked", [False, True])
def test_chunks_are_joined_in_order(tmp_path, known, linked):
    geometry, measurement = Ptyd(_write(tmp_path / "a.ptyd", known, linked=linked)).read()
    np.testing.assert_array_equal(measurement.frames.read(EVERY), known.counts)
    np.testing.assert_allclose(measurement.positions_px, known.positions_px, atol=1e-8)
    assert geometry.wavelength_m == pytest.approx(1e-10, rel=1e-9)


def test_a_lost_chunk_is_named(tmp_path, known):
    path = _write(tmp_path / "a.ptyd", known, linked=True)
    (tmp_path / "a.chunk01.ptyd").unlink()
    with pytest.raises(InputError, match="chunks/1.*`a.chunk01.ptyd` is missing"):
        Ptyd(path).read()


def test_weights_of_every_frame(tmp_path, known):
    weights = np.ones((12, 16, 20))
    weights[7, 2, 3] = 0
    _, measurement = Ptyd(_write(tmp_path / "a.ptyd", known, weights)).read()
    found = measurement.frames.read(EVERY)
    assert np.argwhere(found < 0).tolist() == [[7, 2, 3]]
    assert measurement.metadata["invalid_pixels"] == 1


def test_one_weight_for_all_frames(tmp_path, known):
    weights = np.ones((16, 20))
    weights[2, 3] = 0
    _, measurement = Ptyd(_write(tmp_path / "a.ptyd", known, weights)).read()
    assert np.argwhere(~measurement.mask).tolist() == [[2, 3]]


def test_centre_of_the_file(tmp_path, known):
    moved = type(known)()
    moved.counts = np.roll(known.counts, (2, 1), (1, 2))
    _, measurement = Ptyd(_write(tmp_path / "a.ptyd", moved, center=[10.0, 11.0])).read()
    np.testing.assert_array_equal(measurement.frames.read(EVERY)[:, :14, :19], known.counts[:, :14, :19])


def test_none_is_not_a_number(tmp_path, known):
    with pytest.raises(InputError, match="does not hold distance_m; set `data.instrument.distance_m`"):
        Ptyd(_write(tmp_path / "a.ptyd", known, distance=None)).read()


def test_bad_input(tmp_path, known):
    with pytest.raises(InputError, match="meta/energy: 6200 keV is no energy"):
        Ptyd(_write(tmp_path / "a.ptyd", known, energy=6200.0)).read()
    with h5py.File(tmp_path / "b.ptyd", "w") as file:
        file["meta/energy"] = 6.2
    with pytest.raises(InputError, match="no chunk of frames"):
        Ptyd(str(tmp_path / "b.ptyd")).read()
