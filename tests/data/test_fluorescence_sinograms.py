"""The plain layout of fluorescence sinograms: there and back, and what is refused."""

import h5py
import numpy as np
import pytest

from jxrecon.data.fluorescence_sinograms import FluorescenceSinogramFile, write_fluorescence_sinograms
from jxrecon.errors import InputError
from jxrecon.fluorescence_sinograms import FluorescenceSinograms


@pytest.fixture
def scan():
    rng = np.random.default_rng(1)
    return FluorescenceSinograms(
        counts=rng.poisson(5, (4, 2, 6, 1, 2)).astype(float),
        angle_deg=np.arange(4.0),
        step_m=0.5e-6,
        beam_m=1e-6,
        monitor=rng.uniform(0.5, 1, (4, 6)),
        energy_keV=17.3,
        detector_deg=np.array([-90.0, 90.0]),
        elements=("Mn", "Ni"),
        companion="O2",
        lines=((0, 5.895), (1, 7.472)),
        response=rng.uniform(0, 1, (2, 2, 2)),
        axis_u=2.75,
    )


def test_there_and_back(scan, tmp_path):
    write_fluorescence_sinograms(tmp_path / "a.h5", scan)
    found = FluorescenceSinogramFile(str(tmp_path / "a.h5")).read()
    for name in ("counts", "angle_deg", "monitor", "detector_deg", "response"):
        np.testing.assert_array_equal(getattr(found, name), getattr(scan, name))
    for name in ("step_m", "beam_m", "energy_keV", "elements", "companion", "lines", "axis_u"):
        assert getattr(found, name) == getattr(scan, name)


def test_what_may_be_absent(scan, tmp_path):
    write_fluorescence_sinograms(tmp_path / "a.h5", scan)
    with h5py.File(tmp_path / "a.h5", "a") as file:
        for name in ("monitor", "axis_u", "companion"):
            del file[name]
    found = FluorescenceSinogramFile(str(tmp_path / "a.h5")).read()
    assert np.all(found.monitor == 1)
    assert found.axis_u == 2.5
    assert found.companion is None


@pytest.mark.parametrize(
    "name, value, message",
    [
        ("counts", np.ones((4, 2)), "5 axes"),
        ("response", np.full((2, 2, 2), np.nan), "not finite"),
        ("angle_deg", np.arange(3.0), "`angle_deg` has the shape"),
        ("line_element", np.array([0, 7]), "names the element 7"),
        ("line_keV", np.array([1.0]), "`line_keV` 1"),
    ],
)
def test_what_is_refused(scan, tmp_path, name, value, message):
    write_fluorescence_sinograms(tmp_path / "a.h5", scan)
    with h5py.File(tmp_path / "a.h5", "a") as file:
        del file[name]
        file[name] = value
    with pytest.raises(InputError, match=message):
        FluorescenceSinogramFile(str(tmp_path / "a.h5")).read()
