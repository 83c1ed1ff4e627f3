"""Both fluorescence tasks, small: files, figures and numbers."""

import h5py
import numpy as np

from jxrecon.data.fluorescence_reader import Calibration
from jxrecon.data.xrf_maps import XrfMaps
from jxrecon.tasks.fluorescence_map import FluorescenceMap
from jxrecon.tasks.fluorescence_tomography import FluorescenceTomography
from jxrecon.twin.fluorescence import SimulatedFluorescence
from jxrecon.twin.particle import preset


def stored(folder, name):
    """(values, units) of a dataset of maps.h5."""
    with h5py.File(folder / "maps.h5") as file:
        found = file[f"entry/{name}"]
        assert isinstance(found, h5py.Dataset)
        return np.asarray(found), bytes(found.attrs["units"]).decode()  # pyright: ignore[reportArgumentType]


def test_tomography_of_a_small_particle(tmp_path):
    (tmp_path / "figures").mkdir()
    particle = preset("tiny", voxel_m=240e-9, radius_m=3.4e-6, grain_m=450e-9, layer_m=1.1e-6)
    data = SimulatedFluorescence(particle=particle, views=40, finer=2, supersample=1)
    found = FluorescenceTomography(data, iterations=40)(tmp_path, 0)
    numbers = {name: float(value or 0) for name, value in found.items()}
    for element in ("Mn", "Co", "Ni"):
        assert abs(numbers[f"{element}_share_error"]) < 0.02
        assert numbers[f"{element}_share_cv"] < 0.03
    assert numbers["Co_share_error_uncorrected"] < -0.04
    assert len(list((tmp_path / "figures").glob("*.png"))) == 4
    cobalt, units = stored(tmp_path, "Co_reconstruction/data")
    assert cobalt.shape == (1, 20, 20)
    assert units == "g/cm3"
    share, _ = stored(tmp_path, "Mn_share_truth/data")
    np.testing.assert_allclose(share[np.isfinite(share)], 0.54 / 0.83, rtol=1e-4)


def test_maps_of_the_measured_fly_scan(tmp_path, measured_data):
    (tmp_path / "figures").mkdir()
    folder = measured_data / "fluorescence"
    calibration = Calibration(str(folder / "maps_fit_parameters_override.txt"))
    data = XrfMaps(str(folder / "2xfm_0011_2xfm3__0.h5"), calibration)
    groups = ("Si", "Ar", "Ca", "Fe", "Ni", "Cu", "La_L")
    numbers = {name: float(value or 0) for name, value in FluorescenceMap(data, groups)(tmp_path, 0).items()}
    assert numbers["points"] == 99
    assert 240 < numbers["Fe_mean"] < 285
    assert numbers["Ni_mean"] < 12
    assert {p.name for p in (tmp_path / "figures").iterdir()} == {"spectra.png", "maps.png"}
    (rate, units), (error, _) = (stored(tmp_path, f"Fe/{name}") for name in ("data", "data_errors"))
    assert units == "counts/s"
    # An even film: its points differ by no more than their standard deviations say.
    assert 0.75 < np.sqrt(np.mean(((rate - rate.mean()) / error) ** 2)) < 1.3
