"""Tables and images from files that a setting names."""

import h5py
import numpy as np
import pytest

from jxrecon.data.images import load_array, load_image
from jxrecon.errors import InputError


def test_tables_with_titles_commas_and_comments(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("y, x\n# microns\n1, 2\n\n3;4 # last\n")
    np.testing.assert_array_equal(load_array(str(path), "`x`"), [[1, 2], [3, 4]])


def test_stack_is_averaged(tmp_path):
    np.save(tmp_path / "d.npy", np.arange(24).reshape(2, 3, 4))
    np.testing.assert_array_equal(
        load_image(str(tmp_path / "d.npy"), (3, 4), "`x`"), np.arange(12).reshape(3, 4) + 6
    )


def test_bad_images(tmp_path):
    np.save(tmp_path / "object.npy", np.array([{}], object), allow_pickle=True)
    np.save(tmp_path / "nan.npy", np.full((3, 4), np.nan))
    (tmp_path / "cut.npy").write_bytes((tmp_path / "nan.npy").read_bytes()[:150])
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["x"] = 1
    for name, message in (
        ("object.npy", "cannot be read"),
        ("nan.npy", "not finite"),
        ("cut.npy", "cannot be read"),
        ("a.h5", "FILE:/DATASET"),
        ("none.npy", "no such file"),
    ):
        with pytest.raises(InputError, match=message):
            load_image(str(tmp_path / name), (3, 4), "`data.preprocess.dark`")
