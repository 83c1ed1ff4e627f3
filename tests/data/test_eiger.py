"""An Eiger master file with its data files, gaps and positions in files of their own."""

import h5py
import hdf5plugin
import numpy as np
import pytest

from jxrecon.data.eiger import Eiger
from jxrecon.data.preprocess import Preprocess
from jxrecon.errors import InputError

EVERY = np.arange(12)


@pytest.fixture
def raw(known):
    """A larger detector with a gap and a dead pixel, the beam on pixel (21, 13)."""
    raw = np.zeros((12, 40, 32), np.uint32)
    raw[:, 13:29, 3:23] = known.counts
    raw[:, 30:33] = 2**32 - 1
    raw[:, 5, 5] = 2**32 - 2
    return raw


@pytest.fixture
def master(tmp_path, raw, known):
    for k, part in enumerate((slice(0, 5), slice(5, 10), slice(10, 12))):
        with h5py.File(tmp_path / f"scan_data_{k + 1:06d}.h5", "w") as file:
            chunks = (1, 40, 32)
            file.create_dataset(
                "entry/data/data", data=raw[part], chunks=chunks, **hdf5plugin.Bitshuffle(cname="lz4")
            )
    with h5py.File(tmp_path / "scan_master.h5", "w") as file:
        for k in (3, 1, 2):  # their order is that of their names
            name = f"data_{k:06d}"
            file[f"entry/data/{name}"] = h5py.ExternalLink(f"scan_{name}.h5", "/entry/data/data")
        detector = file.create_group("entry/instrument/detector")
        detector["x_pixel_size"], detector["y_pixel_size"], detector["detector_distance"] = 75e-6, 75e-6, 2.0
        detector["beam_center_x"], detector["beam_center_y"] = 13.0, 21.0
        mask = np.zeros((40, 32), np.uint32)
        mask[30:33], mask[5, 5], mask[20, 12] = 1, 2, 8
        detector["detectorSpecific/pixel_mask"] = mask
        file["entry/instrument/beam/incident_wavelength"] = 1.0  # no unit: angstrom
    np.savetxt(tmp_path / "positions.txt", known.positions_m * 1e6, header="y x [um]")
    return tmp_path / "scan_master.h5"


def _reader(master, positions="positions.txt", unit="um", **settings):
    return Eiger(str(master), f"{master.parent}/{positions}", position_unit=unit, **settings)


def test_frames_of_several_files(master, known, monkeypatch):
    monkeypatch.chdir("/")
    geometry, measurement = _reader(master, preprocess=Preprocess(crop=(16, 20))).read()
    found = measurement.frames.read(EVERY)
    assert np.argwhere(~measurement.mask).tolist() == [[7, 9]]
    np.testing.assert_array_equal(found[:, measurement.mask], known.counts[:, measurement.mask])
    np.testing.assert_allclose(measurement.positions_px, known.positions_px, atol=1e-8)
    np.testing.assert_allclose(geometry.pixel_size_m, known.pixel_m, rtol=1e-9)


def test_gaps_are_masked_even_where_the_mask_forgets_them(master, raw):
    with h5py.File(master, "a") as file:
        file["entry/instrument/detector/detectorSpecific/pixel_mask"][()] = 0
    _, measurement = _reader(master).read()
    assert measurement.metadata["invalid_pixels"] == 12 * (3 * 32 + 1) - _lost(raw)
    assert measurement.mask.shape == (40, 32)


def _lost(raw):
    """Gap pixels that the window about the beam leaves out: rows 0 (beam at 21 of 40) and the columns beyond the detector."""
    start = (21 - 20, 13 - 16)
    kept = raw[:, start[0] :, : 32 + start[1]]
    return int((raw >= 2**32 - 2).sum() - (kept >= 2**32 - 2).sum())


@pytest.mark.parametrize("kind", ["npy", "csv", "hdf5"])
def test_positions_from_any_file(master, known, kind):
    folder, xy = master.parent, known.positions_m[:, ::-1]
    np.save(folder / "p.npy", xy)
    np.savetxt(folder / "p.csv", np.column_stack([EVERY, xy]), delimiter=",", header="n,x,y", comments="")
    with h5py.File(folder / "p.h5", "w") as file:
        file["motors/xy"] = xy.T
    name = {"npy": "p.npy", "csv": "p.csv", "hdf5": "p.h5:/motors/xy"}[kind]
    columns = (2, 1) if kind == "csv" else (1, 0)
    settings = Preprocess(crop=(16, 20))
    _, measurement = _reader(master, name, "m", columns=columns, preprocess=settings).read()
    np.testing.assert_allclose(measurement.positions_px, known.positions_px, atol=1e-8)


def test_photon_energy_where_there_is_no_wavelength(master):
    with h5py.File(master, "a") as file:
        del file["entry/instrument/beam/incident_wavelength"]
        file["entry/instrument/detector/detectorSpecific/photon_energy"] = 12398.419843
    assert _reader(master).read()[0].wavelength_m == pytest.approx(1e-10, rel=1e-8)


@pytest.mark.parametrize(
    "change, message",
    [
        (
            lambda m: m.with_name("scan_data_000002.h5").unlink(),
            r"data_000002: the linked file `scan_data_000002.h5`",
        ),
        (lambda m: m.with_name("positions.txt").write_text("1 2\n3\n"), "line 2 has 1 columns"),
        (lambda m: m.with_name("positions.txt").write_text("1 2\n3 x\n"), "line 2 is not a row of numbers"),
        (lambda m: m.with_name("positions.txt").write_text("# nothing\n"), "no row of numbers"),
        (lambda m: m.with_name("positions.txt").write_text("1 2\n" * 9), "12 frames, but 9 positions"),
        (lambda m: m.with_name("positions.txt").unlink(), "no such file"),
    ],
)
def test_bad_input(master, change, message):
    change(master)
    with pytest.raises(InputError, match=message) as caught:
        _reader(master).read()
    assert "\n" not in str(caught.value)


def test_positions_are_asked_for(master):
    with pytest.raises(InputError, match="set `data.positions=FILE`"):
        Eiger(str(master)).read()
    with pytest.raises(InputError, match="unknown unit `steps`"):
        _reader(master, unit="steps").read()
