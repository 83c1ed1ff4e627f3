"""PtyPy's results: the object must lie under the positions where PtyPy put it."""

import h5py
import numpy as np
import pytest

from jxrecon.data.plain import Plain
from jxrecon.data.ptyr import Ptyr
from jxrecon.errors import InputError


@pytest.fixture
def result(tmp_path, known):
    """Object storage on PtyPy's grid: pixel k is the point origin + k psize; a marked pixel lies at the 4th position."""
    pixel = known.pixel_m
    origin = np.array([-2.3e-6, -1.7e-6])
    corner = np.floor((known.positions_m[4] - origin) / pixel).astype(int)
    positions = known.positions_m.copy()
    positions[4] = origin + corner * pixel  # this one lies on the grid exactly
    shape = np.ceil((np.abs(origin) * 2) / pixel).astype(int) + 40
    data = np.full((1, *shape), np.exp(-0.5j), np.complex64)
    data[0, corner[0], corner[1]] = 5j
    with h5py.File(tmp_path / "a.ptyr", "w") as file:
        file["content/obj/SMFG00/data"] = data
        file["content/obj/SMFG00/_psize"], file["content/obj/SMFG00/_origin"] = pixel, origin
        file["content/probe/SMFG00/data"] = 2 * known.probe
        file["content/positions/SMFG00"] = positions
    return tmp_path / "a.ptyr"


def test_object_probe_and_positions(result, plain_file, known):
    _, measurement = Ptyr(str(result), Plain(str(plain_file()))).read()
    with h5py.File(result) as file:
        positions = file["content/positions/SMFG00"][()]
    steps = np.diff(positions, axis=0) / known.pixel_m
    np.testing.assert_allclose(np.diff(measurement.positions_px, axis=0), steps, atol=1e-8)
    np.testing.assert_allclose(measurement.probe, 2 * known.probe, rtol=1e-6)
    # The middle of the probe at position 4 looks at the marked pixel.
    y, x = np.round(measurement.positions_px[4] + np.array(measurement.object.shape) // 2).astype(int)
    assert measurement.object[y, x] == 5j
    assert np.abs(measurement.positions_px[4] - np.round(measurement.positions_px[4])).max() < 1e-6
    assert np.abs(measurement.positions_px.max(0) + measurement.positions_px.min(0)).max() <= 1.0 + 1e-9


def test_number_of_positions(result, plain_file, known):
    path = plain_file(intensity=known.counts[:7], positions_px=known.positions_px[:7])
    with pytest.raises(InputError, match="7 frames, but 12 positions in .*a.ptyr"):
        Ptyr(str(result), Plain(str(path))).read()


def test_several_storages_ask_for_a_choice(result, plain_file):
    with h5py.File(result, "a") as file:
        file.copy("content/probe/SMFG00", "content/probe/SNNG00")
    with pytest.raises(InputError, match="SMFG00, SNNG00; choose one with `data.storage`"):
        Ptyr(str(result), Plain(str(plain_file()))).read()
    assert Ptyr(str(result), Plain(str(plain_file())), storage="SMF").read()[1].probe is not None
