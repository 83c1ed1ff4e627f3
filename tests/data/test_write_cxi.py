"""CXI and NXcxi_ptycho written and read again; the NeXus file judged by an independent program."""

import re
import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest

from jxrecon.data.auto import Auto
from jxrecon.data.write_cxi import write_cxi, write_nxcxi
from jxrecon.geometry import Geometry
from jxrecon.measurement import ArrayFrames, single_view

EVERY = np.arange(12)


@pytest.fixture
def set_up(known):
    geometry = Geometry(known.wavelength_m, known.distance_m, (75e-6, 80e-6), (16, 20))
    counts = known.counts.astype(np.float32)
    counts[2, 3, 4] = -1
    mask = np.ones((16, 20), bool)
    mask[5, 6], counts[:, 5, 6] = False, -1
    return geometry, single_view(ArrayFrames(counts), known.positions_px, mask=mask, probe=known.probe)


@pytest.fixture
def specimen(known):
    shape = np.ceil(np.ptp(known.positions_px, axis=0)).astype(int) + [16, 20] + 30
    rng = np.random.default_rng(2)
    return np.exp(1j * rng.uniform(-1, 0, shape)).astype(np.complex64)


@pytest.mark.parametrize("write, kind", [(write_cxi, "cxi"), (write_nxcxi, "nxcxi")])
def test_round_trip_with_a_result(tmp_path, set_up, specimen, write, kind):
    geometry, measurement = set_up
    path = tmp_path / "result"
    write(path, geometry, measurement, object=specimen)
    again, found = Auto(str(path)).read()
    assert found.metadata["format"] == kind
    assert again.frame_shape == geometry.frame_shape and again.regime == "far_field"
    assert again.wavelength_m == pytest.approx(geometry.wavelength_m, rel=1e-9)
    assert again.detector_pixel_m == pytest.approx(geometry.detector_pixel_m, rel=1e-12)
    np.testing.assert_array_equal(found.frames.read(EVERY), measurement.frames.read(EVERY))
    np.testing.assert_allclose(found.positions_px, measurement.positions_px, atol=1e-7)
    np.testing.assert_array_equal(found.mask, measurement.mask)
    np.testing.assert_allclose(found.probe, measurement.probe, rtol=1e-6)
    # Position (0, 0) looks at the middle pixel of what was written.
    here, there = (np.array(a.shape) // 2 for a in (found.object, specimen))
    part = [slice(*pair) for pair in np.stack([here - 9, here + 9], 1)]
    wanted = [slice(*pair) for pair in np.stack([there - 9, there + 9], 1)]
    np.testing.assert_allclose(found.object[tuple(part)], specimen[tuple(wanted)], rtol=1e-6)


@pytest.mark.parametrize("write", [write_cxi, write_nxcxi])
def test_near_field_survives(tmp_path, known, write):
    geometry = Geometry(1e-10, 2.0, (75e-6, 75e-6), (16, 20), "near_field", 0.01, margin=3, oversampling=2)
    write(tmp_path / "a", geometry, single_view(ArrayFrames(known.counts), 30 * known.positions_px))
    again, found = Auto(str(tmp_path / "a")).read()
    assert again.focus_to_sample_m == pytest.approx(0.01) and again.margin == 3 and again.oversampling == 2
    assert again.magnification == pytest.approx(201.0)
    np.testing.assert_allclose(found.positions_px, 30 * known.positions_px, atol=1e-7)


def test_cxi_says_what_the_specification_asks(tmp_path, set_up, known):
    write_cxi(tmp_path / "a.cxi", *set_up)
    with h5py.File(tmp_path / "a.cxi") as file:
        assert file["cxi_version"][()] == 160 and file["number_of_entries"][()] == 1
        assert file["entry_1/instrument_1/source_1/energy"][()] == pytest.approx(1.98644586e-15, rel=1e-8)
        moves = file["entry_1/data_1/translation"][()]
        assert file["entry_1/data_1/data"].shape == (12, 16, 20)
        # The detector's rows run along -y, its columns along -x, and the sample moves against the probe.
        metres = known.positions_px * np.array(set_up[0].pixel_size_m)
        np.testing.assert_allclose(
            moves, np.column_stack([metres[:, 1], metres[:, 0], 0 * metres[:, 0]]), atol=1e-15
        )
        mask = file["entry_1/instrument_1/detector_1/mask"][()]
        assert mask.dtype == np.uint32 and np.argwhere(mask).tolist() == [[5, 6]]


def test_nexus_definition_is_kept(tmp_path, set_up, specimen):
    """`nxvalidate` of nexusformat, with the definitions that it ships."""
    pytest.importorskip("nexusformat")
    write_nxcxi(tmp_path / "a.nxs", *set_up, object=specimen)
    tool = Path(sys.executable).with_name("nxvalidate")
    done = subprocess.run([tool, tmp_path / "a.nxs"], capture_output=True, text=True, timeout=120)
    text = re.sub(r"\x1b\[[0-9;]*m", "", done.stdout + done.stderr)
    assert "NXcxi_ptycho" in text
    assert re.search(r"Total number of errors: (\d+)", text).group(1) == "0", text
