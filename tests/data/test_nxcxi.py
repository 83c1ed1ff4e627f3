"""NXcxi_ptycho as other programs write it: units, rasters, missing fields."""

import h5py
import numpy as np
import pytest

from jxrecon.data.nxcxi import Nxcxi
from jxrecon.errors import InputError

EVERY = np.arange(12)


def _write(path, known, raster=False, definition="NXptycho", energy=(12.398419843, "keV")):
    with h5py.File(path, "w") as file:
        entry = file.create_group("entry_1")
        entry["definition"] = definition
        detector = entry.create_group("instrument_1/detector_1")
        detector["data"] = known.counts.reshape(3, 4, 16, 20) if raster else known.counts
        if raster:
            layout = h5py.VirtualLayout((12, 16, 20), "u2")
            for k in range(12):
                layout[k] = h5py.VirtualSource(".", "/entry_1/instrument_1/detector_1/data", (3, 4, 16, 20))[
                    k // 4, k % 4
                ]
            detector.create_virtual_dataset("data_1", layout)
        for name, value, unit in (
            ("distance", 2000.0, "mm"),
            ("x_pixel_size", 75.0, "um"),
            ("y_pixel_size", 75e-6, "m"),
        ):
            detector[name] = value
            detector[name].attrs["units"] = unit
        source = entry.create_group("instrument_1/source_1")
        source["energy"] = 6.0e9  # of the machine, which must not be taken for that of the photons
        source["energy"].attrs["units"] = "eV"
        beam = entry.create_group("instrument_1/beam_1")
        beam["incident_beam_energy"] = energy[0]
        beam["incident_beam_energy"].attrs["units"] = energy[1]
        xyz = np.column_stack([known.positions_m[:, ::-1], np.zeros(12)]) * 1e6
        entry["sample_1/geometry_1/translation"] = xyz
        entry["sample_1/geometry_1/translation"].attrs["units"] = "um"
    return str(path)


@pytest.mark.parametrize("raster", [False, True])
def test_numbers_with_their_units(tmp_path, known, raster):
    geometry, measurement = Nxcxi(_write(tmp_path / "a.nxs", known, raster)).read()
    assert geometry.wavelength_m == pytest.approx(1e-10, rel=1e-9)
    assert geometry.distance_m == pytest.approx(2.0) and geometry.detector_pixel_m == pytest.approx(
        (75e-6, 75e-6)
    )
    np.testing.assert_array_equal(measurement.frames.read(EVERY), known.counts)
    np.testing.assert_allclose(measurement.positions_px, known.positions_px, atol=1e-8)


def test_raster_without_its_list_of_frames(tmp_path, known):
    path = _write(tmp_path / "a.nxs", known, raster=True)
    with h5py.File(path, "a") as file:
        del file["entry_1/instrument_1/detector_1/data_1"]
    _, measurement = Nxcxi(path).read()
    np.testing.assert_array_equal(measurement.frames.read(EVERY), known.counts)


def test_virtual_frames_from_a_lost_file(tmp_path, known):
    path = _write(tmp_path / "a.nxs", known)
    layout = h5py.VirtualLayout((12, 16, 20), "u2")
    layout[:] = h5py.VirtualSource("frames_0001.h5", "data", (12, 16, 20))
    with h5py.File(path, "a") as file:
        file["entry_1/instrument_1/detector_1"].create_virtual_dataset("data_1", layout)
    with pytest.raises(InputError, match="detector_1/data_1: the linked file `frames_0001.h5` is missing"):
        Nxcxi(path).read()


def test_energies_in_electron_volts_and_joules(tmp_path, known):
    for k, energy in enumerate([(12398.419843, "eV"), (1.98644586e-15, "J")]):
        geometry, _ = Nxcxi(_write(tmp_path / f"{k}.nxs", known, energy=energy)).read()
        assert geometry.wavelength_m == pytest.approx(1e-10, rel=1e-8)


def test_machine_energy_and_foreign_definitions_are_refused(tmp_path, known):
    with pytest.raises(InputError, match="is no energy of X-ray photons"):
        Nxcxi(_write(tmp_path / "a.nxs", known, energy=(6.0, "GeV".replace("G", "M")))).read()
    with pytest.raises(InputError, match="no entry has the definition"):
        Nxcxi(_write(tmp_path / "b.nxs", known, definition="NXtomo")).read()
