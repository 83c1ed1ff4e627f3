"""Maps of voxels as NeXus plots, judged by silx and nexusformat."""

import os

import h5py
import numpy as np
import pytest

from jxrecon.data.write_maps import write_maps

AREA = np.random.default_rng(0).uniform(0, 5, (6, 8)).astype(np.float32)
STRAIN = np.random.default_rng(1).normal(0, 1e-3, (6, 8))
MAPS = {"area_003": (AREA, "counts deg"), "strain_a": (STRAIN, "")}


def test_axes_units_and_errors(tmp_path):
    path = tmp_path / "maps.h5"
    write_maps(path, MAPS, (0.5, 0.25), errors={"strain_a": np.abs(STRAIN)}, note="a: 1", title="a particle")
    with h5py.File(path) as file:
        group = file["entry/area_003"]
        np.testing.assert_array_equal(group["data"], AREA)
        assert group["data"].dtype == np.float32 and group["data"].fletcher32
        np.testing.assert_allclose(group["y"], (np.arange(6) - 3) * 0.5)
        np.testing.assert_allclose(group["x"], (np.arange(8) - 4) * 0.25)
        assert group["x"].attrs["units"] == b"um" and group["data"].attrs["units"] == b"counts deg"
        np.testing.assert_array_equal(file["entry/strain_a/data_errors"], np.abs(STRAIN))
        assert file["entry/process/note/data"][()] == b"a: 1"


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("depth", [None, 3])
def test_silx_and_nexusformat_open_it_at_the_first_map(tmp_path, depth):
    io, nxdata = pytest.importorskip("silx.io"), pytest.importorskip("silx.io.nxdata")
    nexus = pytest.importorskip("nexusformat.nexus")
    values = AREA if depth is None else np.stack([AREA] * depth)
    path, pitch = str(tmp_path / "maps.h5"), (0.5,) * values.ndim
    write_maps(
        path,
        {"area_003": (values, "counts deg"), "other": (values + 1, "")},
        pitch,
        errors={"area_003": values},
    )
    with io.open(path) as root:
        shown = nxdata.get_default(root)
        assert shown.is_valid and not shown.issues and shown.group.name == "/entry/area_003"
        np.testing.assert_array_equal(shown.signal, values)
        np.testing.assert_array_equal(shown.errors, values)
        assert [name.split()[0] for name in shown.axes_names] == ["z", "y", "x"][-values.ndim :]
        np.testing.assert_allclose(shown.axes[-1], (np.arange(8) - 4) * 0.5)
    plotted = nexus.nxload(path).plottable_data
    np.testing.assert_array_equal(plotted.nxsignal.nxdata, values)
    assert plotted.nxaxes[-1].units == "um"


@pytest.mark.parametrize(
    "maps, voxel, errors, message",
    [
        ({}, (1.0, 1.0), None, "`maps` is empty"),
        (MAPS, (1.0, 1.0, 1.0), None, "`area_003` has 2 axes and `voxel_um` 3"),
        (MAPS, (1.0, 1.0), {"area_003": AREA[1:]}, r"errors of `area_003` have the shape \(5, 8\)"),
        (MAPS, (1.0, 1.0), {"area": AREA}, "`errors` names area, which is no map"),
    ],
)
def test_mistakes_leave_nothing_behind(tmp_path, maps, voxel, errors, message):
    with pytest.raises(ValueError, match=message):
        write_maps(tmp_path / "maps.h5", maps, voxel, errors=errors)
    assert os.listdir(tmp_path) == []


def test_where_the_step_is_not_known_axes_count_points(tmp_path):
    write_maps(tmp_path / "maps.h5", {"a": (np.zeros((3, 4)), "angstrom")}, None)
    with h5py.File(tmp_path / "maps.h5") as file:
        assert file["entry/a/x"][()].tolist() == [0, 1, 2, 3]
        attributes = file["entry/a/x"].attrs
        assert attributes["long_name"] == np.bytes_(b"x (point)") and attributes["units"] == np.bytes_(b"")
