"""Tables of angles in every form, their units, and what is wrong with them."""

import logging

import h5py
import numpy as np
import pytest

from jxrecon.data.angles import read_angles, suspicion
from jxrecon.errors import InputError

DEGREES = np.linspace(-70, 65, 28)


def written(path, lines):
    path.write_text("\n".join(lines) + "\n")
    return str(path)


@pytest.mark.parametrize(
    "lines, names, angles",
    [
        (["0", "1.5", "", "# done", "3"], None, [0, 1.5, 3]),
        (["# scan angle_deg", "a.h5 0", "b.h5 -2.5"], ("a.h5", "b.h5"), [0, -2.5]),
        (["file,theta", '"a, first.h5",1', "b.h5,2"], ("a, first.h5", "b.h5"), [1, 2]),
        (["angle\tfile", "1\tmy scan.h5", "2e1\tb.h5"], ("my scan.h5", "b.h5"), [1, 20]),
        (["a;1", "b;2 # bad beam"], ("a", "b"), [1, 2]),
        (["number, rotation, dose", "1, 10, 7", "2, 20, 8"], None, [10, 20]),
        (["\ufeffangle", "4"], None, [4]),
    ],
)
def test_text_tables(tmp_path, lines, names, angles):
    found = read_angles(written(tmp_path / "a.txt", lines))
    assert found.names == names and found.unit == "deg"
    np.testing.assert_array_equal(found.angle_deg, angles)


def test_column_that_the_user_names(tmp_path):
    path = written(tmp_path / "a.csv", ["first,second", "1,2", "3,4"])
    with pytest.raises(InputError, match="2 of its 2 columns hold numbers.*`data.angle_column`"):
        read_angles(path)
    assert read_angles(path, column=1).angle_deg.tolist() == [2, 4]
    assert read_angles(path, column="first").angle_deg.tolist() == [1, 3]
    with pytest.raises(InputError, match="has 2 columns; `angle_column` is 2"):
        read_angles(path, column=2)
    with pytest.raises(InputError, match="no column is called `third`"):
        read_angles(path, column="third")


def test_npy_and_list_and_dataset(tmp_path):
    np.save(tmp_path / "a.npy", DEGREES[:, None])
    np.testing.assert_array_equal(read_angles(str(tmp_path / "a.npy")).angle_deg, DEGREES)
    np.testing.assert_array_equal(read_angles(DEGREES.tolist()).angle_deg, DEGREES)
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["scan/theta"] = DEGREES
    np.testing.assert_array_equal(read_angles(f"{tmp_path}/a.h5:/scan/theta").angle_deg, DEGREES)
    np.save(tmp_path / "b.npy", np.ones((3, 2)))
    with pytest.raises(InputError, match=r"b.npy: has shape \(3, 2\)"):
        read_angles(str(tmp_path / "b.npy"))
    with pytest.raises(InputError, match="name the dataset of the angles too"):
        read_angles(str(tmp_path / "a.h5"))


@pytest.mark.parametrize("said", ["rad", "radian", "Radians"])
def test_unit_of_a_dataset_counts_and_the_setting_wins(tmp_path, caplog, said):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["theta"] = np.deg2rad(DEGREES)
        file["theta"].attrs["units"] = said
    name = f"{tmp_path}/a.h5:/theta"
    np.testing.assert_allclose(read_angles(name).angle_deg, DEGREES, atol=1e-12)
    assert not caplog.records
    np.testing.assert_array_equal(read_angles(name, "deg").angle_deg, np.deg2rad(DEGREES))
    assert "says `rad` of its angles; read as `deg`" in caplog.text
    with h5py.File(tmp_path / "a.h5", "a") as file:
        file["theta"].attrs["units"] = "turns"
    with pytest.raises(InputError, match="/theta: unknown unit of angles `turns`"):
        read_angles(name)


def test_unit_in_a_title(tmp_path):
    path = written(tmp_path / "a.csv", ["file,theta [rad]", f"a,{np.pi / 2}", "b,0"])
    np.testing.assert_allclose(read_angles(path).angle_deg, [90, 0], rtol=1e-15)
    path = written(tmp_path / "b.csv", ["file,gradient angle", "a,90", "b,0"])
    assert read_angles(path).angle_deg.tolist() == [90, 0]


def test_radians_given_as_degrees_are_warned_of_and_left_alone(tmp_path, caplog):
    radians = np.linspace(0, np.pi, 61)
    path = written(tmp_path / "theta.txt", [str(a) for a in radians])
    with caplog.at_level(logging.WARNING):
        found = read_angles(path)
    np.testing.assert_array_equal(found.angle_deg, radians)
    (record,) = caplog.records
    assert record.getMessage().startswith(
        f"{path}: 61 angles from 0 to 3.14159 are taken for degrees, but a whole series within 2 pi looks like radians"
    )


def test_degrees_given_as_radians_are_warned_of(tmp_path, caplog):
    read_angles(np.linspace(0, 180, 61).tolist(), "rad")
    assert "`data.angles`: 61 angles from 0 to 180 are taken for radians, which are 28.6 turns" in caplog.text


@pytest.mark.parametrize(
    "angles, unit", [([0, 1, 2], "deg"), (np.arange(0, 180), "deg"), ([5.0] * 20, "deg"), ([0, 360], "rad")]
)
def test_ordinary_series_are_not_suspicious(angles, unit):
    assert suspicion(np.asarray(angles, float), unit) is None


@pytest.mark.parametrize(
    "lines, message",
    [
        (["1", "nan", "3"], r"1 of 3 angles are not finite \(number 1\)"),
        (["1", "inf"], "not finite"),
        (["1", "2", "x3"], "line 3 has `x3` for an angle"),
        (["a 1", "b 2", "c"], "line 3 has 1 columns, line 1 has 2"),
        (["a 1", "b 2", "a 3"], "names `a` 2 times"),
        (["angle", "# nothing"], "holds no row with a number"),
    ],
)
def test_bad_tables(tmp_path, lines, message):
    path = written(tmp_path / "a.txt", lines)
    with pytest.raises(InputError, match=message) as caught:
        read_angles(path)
    assert str(caught.value).startswith(path) and "\n" not in str(caught.value)


def test_bytes_that_are_no_text(tmp_path):
    (tmp_path / "a.txt").write_bytes(bytes(range(128, 256)))
    with pytest.raises(InputError, match="a.txt: cannot be read"):
        read_angles(str(tmp_path / "a.txt"))
    with pytest.raises(InputError, match="none.txt: no such file"):
        read_angles(str(tmp_path / "none.txt"))
