"""Volumes from files of several programs, and what is no volume."""

import h5py
import numpy as np
import pytest
import tifffile

from jxrecon.data.volume_file import VolumeFile
from jxrecon.data.write_maps import write_maps
from jxrecon.errors import InputError

VOLUME = np.random.default_rng(0).uniform(0, 1, (9, 10, 11)).astype(np.float32)


def saved(path, values):
    with path.open("wb") as file:
        np.save(file, values)


def test_maps_of_this_package(tmp_path):
    path = tmp_path / "maps.h5"
    write_maps(path, {"electron_density": (VOLUME, "1/angstrom^3"), "other": (VOLUME, "")}, (0.02,) * 3)
    found = VolumeFile(str(path)).read()
    assert np.array_equal(found.electron_density, VOLUME) and found.voxel_m == pytest.approx(20e-9)
    assert found.source == str(path) and not found.truth
    other = VolumeFile(str(path), dataset="/entry/other/data", voxel_nm=35, density_per_unit=2).read()
    assert np.allclose(other.electron_density, 2 * VOLUME) and other.voxel_m == pytest.approx(35e-9)


def test_the_only_volume_of_a_plain_file_and_its_axes(tmp_path):
    path = tmp_path / "plain.h5"
    with h5py.File(path, "w") as file:
        file["flat"] = np.zeros((20, 20))
        file["group/volume"] = VOLUME.transpose(1, 2, 0).astype(np.float64)
        file["name"] = "text"
    found = VolumeFile(str(path), voxel_nm=20, axes="yxz").read()
    assert np.array_equal(found.electron_density, VOLUME)
    with pytest.raises(InputError, match="does not tell the edge of its voxels"):
        VolumeFile(str(path)).read()
    with h5py.File(path, "a") as file:
        file["again"] = VOLUME
    with pytest.raises(InputError, match="holds 2 volumes"):
        VolumeFile(str(path), voxel_nm=20).read()


def test_stacks_and_folders_of_tiff(tmp_path):
    tifffile.imwrite(
        tmp_path / "stack.tif",
        VOLUME,
        imagej=True,
        resolution=(50.0, 50.0),
        metadata={"spacing": 0.02, "unit": "um", "axes": "ZYX"},
    )
    found = VolumeFile(str(tmp_path / "stack.tif")).read()
    assert np.array_equal(found.electron_density, VOLUME) and found.voxel_m == pytest.approx(20e-9, rel=1e-6)
    (tmp_path / "slices").mkdir()
    for k, image in enumerate(VOLUME):
        tifffile.imwrite(tmp_path / f"slices/{k:03}.tif", image)
    folder = VolumeFile(str(tmp_path / "slices"), voxel_nm=20).read()
    assert np.array_equal(folder.electron_density, VOLUME)
    tifffile.imwrite(tmp_path / "slices/999.tif", VOLUME[0, :5])
    with pytest.raises(InputError, match="another shape"):
        VolumeFile(str(tmp_path / "slices"), voxel_nm=20).read()


def test_numpy_with_infinities(tmp_path):
    volume = VOLUME.copy()
    volume[0, 0, :2] = np.inf, np.nan
    np.save(tmp_path / "volume.npy", volume)
    found = VolumeFile(str(tmp_path / "volume.npy"), voxel_nm=20).read().electron_density
    assert np.isnan(found[0, 0, :2]).all() and np.array_equal(found[1:], volume[1:])


@pytest.mark.parametrize(
    ("write", "message"),
    [
        (lambda p: p.write_bytes(b"not a volume"), "begins with"),
        (lambda p: p.write_bytes(b"II*\0garbage"), "cannot be read"),
        (lambda p: p.mkdir(), "holds no .tif file"),
        (lambda p: saved(p, VOLUME[0]), r"of the shape \(10, 11\)"),
        (lambda p: saved(p, VOLUME + 1j), "expected real numbers"),
        (lambda p: None, "no such file"),
    ],
)
def test_what_is_no_volume(tmp_path, write, message):
    write(tmp_path / "file")
    with pytest.raises(InputError, match=message):
        VolumeFile(str(tmp_path / "file"), voxel_nm=20).read()


def test_settings_and_voxels_that_are_no_cubes(tmp_path):
    for wrong in ({"axes": "zyy"}, {"voxel_nm": 0.0}):
        with pytest.raises(InputError, match=next(iter(wrong))):
            VolumeFile("x", **wrong)
    write_maps(tmp_path / "maps.h5", {"a": (VOLUME, "")}, (0.02, 0.02, 0.03))
    with pytest.raises(InputError, match="20, 20, 30 nm; expected cubes"):
        VolumeFile(str(tmp_path / "maps.h5")).read()
