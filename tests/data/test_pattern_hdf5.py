"""Patterns in HDF5: the layouts of pyFAI and NXxrdct, our own there and back, and files that promise too much."""

import re

import h5py
import numpy as np
import pytest

from jxrecon.data.nxxrdct import Nxxrdct
from jxrecon.data.pattern_auto import PatternAuto
from jxrecon.data.plain_patterns import PlainPatterns, write_patterns
from jxrecon.data.pyfai import Pyfai
from jxrecon.errors import InputError
from jxrecon.patterns import Patterns

RNG = np.random.default_rng(5)
ANGLES = np.linspace(2, 20, 30)
FRAMES = RNG.poisson(30, (6, 30)).astype(np.float32) / 4
ESD = np.sqrt(FRAMES / 4)
WAVELENGTH = 4e-11


def q_of(per_metre):
    return 4 * np.pi * np.sin(np.radians(ANGLES / 2)) / WAVELENGTH * per_metre


def batch(
    path, data=FRAMES, errors=ESD, axis=ANGLES, unit="deg", name="radial", key="unit", wavelength=WAVELENGTH
):
    """As pyFAI's HDF5Writer does."""
    with h5py.File(path, "w") as file:
        group = file.create_group("entry_0000/integrate/results")
        group["data"] = data
        if errors is not None:
            group["data_errors"] = errors
        group[name] = axis
        if unit:
            group[name].attrs[key] = unit
        if wavelength:
            file["entry_0000/integrate/configuration/data"] = f'{{"poni": {{"wavelength": {wavelength}}}}}'
    return str(path)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "a.h5"


AXES = {
    "degrees": (ANGLES, "deg", "radial", "unit"),
    "radians": (np.radians(ANGLES), "2th_rad", "2th", "units"),
    "by its name": (ANGLES, "", "2th_deg", "unit"),
    "q in TeX": (q_of(1e-10), r"\AA^{-1}", "q", "unit"),
    "q in 1/nm": (q_of(1e-9), "nm^{-1}", "radial", "unit"),
    "q by its name": (q_of(1e-9), "", "q_nm^-1", "unit"),
}


@pytest.mark.parametrize("kind", AXES)
def test_pyfai_batch(path, kind):
    axis, unit, name, key = AXES[kind]
    found = PatternAuto(batch(path, axis=axis, unit=unit, name=name, key=key)).read()
    np.testing.assert_allclose(found.two_theta_deg, ANGLES, rtol=1e-9)
    np.testing.assert_array_equal(found.counts, FRAMES[None, None])
    assert found.wavelength_m == WAVELENGTH
    np.testing.assert_allclose(found.variance, ESD[None, None] ** 2, rtol=1e-6)
    assert found.metadata["counts_per_unit"] == pytest.approx(4, rel=1e-5)


def test_pyfai_frames_as_a_map(path):
    found = Pyfai(batch(path), shape=[2, 3], serpentine=True).read()
    np.testing.assert_array_equal(found.counts[0, 0], FRAMES[:3])
    np.testing.assert_array_equal(found.counts[0, 1], FRAMES[[5, 4, 3]])
    found = Pyfai(str(path), shape=[3, 1, 2], angles=[0.0, 60.0, 120.0]).read()
    np.testing.assert_array_equal(found.counts[1, 0], FRAMES[2:4])
    np.testing.assert_array_equal(found.angle_deg, [0, 60, 120])
    with pytest.raises(InputError, match="3 views, whose angles pyFAI does not keep"):
        Pyfai(str(path), shape=[3, 1, 2]).read()
    with pytest.raises(InputError, match=r"holds 6 patterns, but `shape` is \[2, 4\]"):
        Pyfai(str(path), shape=[2, 4]).read()


def test_pyfai_diffraction_map(path):
    with h5py.File(path, "w") as file:
        group = file.create_group("entry_0000/pyFAI/result")
        group["intensity"], group["2th"] = FRAMES, ANGLES
        group["2th"].attrs["unit"] = "deg"
        group["map_ptr"] = np.array([[5, 3, 1], [0, 2, 4]], np.int32)
    found = PatternAuto(str(path), energy_keV=30.0).read()
    np.testing.assert_array_equal(found.counts[0], FRAMES[[[5, 3, 1], [0, 2, 4]]])
    with h5py.File(path, "r+") as file:
        del file["entry_0000/pyFAI/result/intensity"]
        file["entry_0000/pyFAI/result/intensity"] = FRAMES.reshape(2, 3, 30)
    np.testing.assert_array_equal(
        PatternAuto(str(path), energy_keV=30.0).read().counts[0], FRAMES.reshape(2, 3, 30)
    )


def test_pyfai_channels_without_pixels_were_not_measured(path):
    data, errors = FRAMES.copy(), ESD.copy()
    data[:, :3], errors[:, :3] = 0, 0  # before the first ring; a zero elsewhere was measured
    data[2, 9], errors[2, 9] = 0, 0
    found = Pyfai(batch(path, data, errors)).read()
    expected = np.ones((1, 1, 6, 30), bool)
    expected[..., :3] = False
    np.testing.assert_array_equal(found.measured, expected)
    assert found.variance[0, 0, 2, 9] == pytest.approx(1 / 16)


XRDCT = RNG.poisson(9, (4, 5, 30)).astype(np.float32)  # translation, rotation, channel


def xrdct(path, data=XRDCT, unit="deg", old=False, moves=None, **more):
    with h5py.File(path, "w") as file:
        entry = file.create_group("entry")
        entry["definition"] = "NXxrdct"
        entry["instrument/detector/data"] = data
        axis = f"instrument/detector/{'diffraction_channel' if old else 'radial_axis'}"
        entry[axis] = ANGLES
        if unit:
            entry[axis].attrs["units"] = unit
        entry[f"sample/rotation_angle{'' if old else 's'}"] = np.arange(5) * 36.0
        entry["sample/translation_values"] = np.arange(4) * 0.5 if moves is None else moves
        entry["sample/translation_values"].attrs["units"] = "um"
        entry["beam/incident_energy"] = 17.3
        for name, value in more.items():
            entry[name.replace("__", "/")] = value
    return str(path)


@pytest.mark.parametrize("old", [False, True], ids=["new", "old"])
@pytest.mark.parametrize("turned", [False, True], ids=["translations first", "rotations first"])
def test_nxxrdct(path, old, turned):
    found = PatternAuto(xrdct(path, XRDCT.swapaxes(0, 1) if turned else XRDCT, old=old)).read()
    np.testing.assert_array_equal(found.counts[:, 0], XRDCT.swapaxes(0, 1))
    np.testing.assert_array_equal(found.angle_deg, np.arange(5) * 36.0)
    assert found.step_m == pytest.approx((5e-7, 5e-7)) and found.wavelength_m == pytest.approx(7.166717e-11)


@pytest.mark.parametrize("shape", [(5,), (4, 5)])
def test_nxxrdct_monitor(path, shape):
    monitor = RNG.uniform(1, 2, shape)
    found = Nxxrdct(xrdct(path, control__data=monitor)).read()
    expected = np.broadcast_to(monitor, (4, 5)).T / monitor.mean()
    np.testing.assert_allclose(found.monitor[:, 0], expected)
    monitor[..., 2] = 0
    with pytest.raises(InputError, match="monitor is not positive"):
        Nxxrdct(xrdct(path, control__data=monitor)).read()


def _patterns(**changes):
    counts = RNG.poisson(5, (3, 2, 4, 30)).astype(np.float32)
    counts[1, 0, 2, 4:6] = -1
    given = {
        "counts": counts, "two_theta_deg": ANGLES, "wavelength_m": WAVELENGTH, "angle_deg": np.arange(3) * 60.0,
        "monitor": np.ones((3, 2, 4)), "step_m": (1e-6, 5e-7), "source": "/a/scan.h5", "metadata": {"seed": 4},
    }  # fmt: skip
    return Patterns(**given | changes)


@pytest.mark.parametrize("scale", [1.0, 0.37])
def test_own_layout_there_and_back(path, scale):
    counts = _patterns().counts
    given = _patterns(
        counts=np.where(counts > 0, np.float32(scale) * counts, counts), variance=np.abs(counts) + 2
    )
    write_patterns(path, given)
    found = PatternAuto(str(path)).read()
    for name in ("counts", "two_theta_deg", "angle_deg", "monitor"):
        np.testing.assert_array_equal(getattr(found, name), getattr(given, name))
    np.testing.assert_array_equal(found.variance[found.measured], given.variance[given.measured])
    assert found.counts.dtype == np.float32 and found.metadata["seed"] == 4
    assert found.wavelength_m == WAVELENGTH and found.step_m == given.step_m


def test_own_layout_is_chunked_by_view_and_deflated(path):
    counts = np.random.default_rng(0).poisson(1.5, (4, 1, 64, 600)).astype(np.float32)
    axis, one = np.linspace(1, 60, 600), np.ones((4, 1, 64))
    write_patterns(path, _patterns(counts=counts, two_theta_deg=axis, angle_deg=np.arange(4.0), monitor=one))
    with h5py.File(path) as file:
        dataset = file["counts"]
        assert dataset.chunks == (1, 1, 64, 600) and dataset.compression == "gzip" and dataset.fletcher32
        assert dataset.id.get_storage_size() < counts.nbytes / 6
    np.testing.assert_array_equal(PlainPatterns(str(path)).read().counts, counts)


@pytest.mark.filterwarnings("ignore")
def test_silx_opens_own_layout_at_the_patterns(path):
    io, nxdata = pytest.importorskip("silx.io"), pytest.importorskip("silx.io.nxdata")
    given = _patterns()
    write_patterns(path, given)
    with io.open(str(path)) as root:
        shown = nxdata.get_default(root)
        assert shown.is_valid and not shown.issues
        np.testing.assert_array_equal(shown.signal[1], given.counts[1])


def _linked(path):
    (path.parent.parent / "outside.h5").unlink(missing_ok=True)
    with h5py.File(path.parent.parent / "outside.h5", "w") as other:
        other["data"] = FRAMES
    batch(path)
    with h5py.File(path, "r+") as file:
        del file["entry_0000/integrate/results/data"]
        file["entry_0000/integrate/results/data"] = h5py.ExternalLink("../outside.h5", "/data")
    return str(path)


def _huge(path):
    batch(path)
    with h5py.File(path, "r+") as file:
        del file["entry_0000/integrate/results/data"]
        file.create_dataset("entry_0000/integrate/results/data", (90_000_000, 30), "f4", chunks=(1000, 30))
    return str(path)


def _cut(path):
    batch(path)
    path.write_bytes(path.read_bytes()[:-3000])
    return str(path)


BAD = {
    "a link out of the folder": (_linked, {}, r"links to `\.\./outside\.h5`, which lies outside"),
    "10 GB in a tiny file": (_huge, {}, r":/entry_0000/integrate/results/data: declares 10\.06 GiB"),
    "cut short": (_cut, {}, r"a\.h5"),
    "no wavelength": (lambda p: batch(p, wavelength=None), {}, "does not say its wavelength"),
    "angstrom for metres": (lambda p: batch(p, wavelength=0.4), {}, "looks like angstrom .* or nm"),
    "a radius": (lambda p: batch(p, unit="mm"), {}, "results/radial: the axis is a radius on the detector"),
    "other channels": (lambda p: batch(p, FRAMES[:, :9], None), {}, r"has shape \(6, 9\); expected \(\.\.\., 30\)"),
    "a strange layout": (lambda p: h5py.File(p, "w").create_dataset("x", data=1).file.close() or str(p), {}, "it holds /x"),
    "negative counts": (lambda p: batch(p, FRAMES - 9, None), {}, r"negative counts in \d+ of 180 channels, first in channel"),
    "all masked": (lambda p: batch(p, FRAMES * np.nan, None), {}, "none of 180 channels was measured"),
    "two theta unsorted": (lambda p: batch(p, axis=np.roll(ANGLES, 3)), {}, "channel 3: 2 theta is 2 degrees after 20"),
    "uneven steps": (lambda p: xrdct(p, moves=[0, 1, 5, 6]), {}, "steps from 1 to 4; expected equal ones"),
    "no unit": (lambda p: xrdct(p, unit=""), {}, r"radial_axis: has no unit \(its values run from 2 to 20\); give `unit`"),
    "other angles": (lambda p: xrdct(p, XRDCT[:, :3]), {}, r"\(4, 3, 30\); expected \(4 translations, 5 rotations, 30 channels"),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_one_line(path, case):
    make, options, message = BAD[case]
    with pytest.raises(InputError, match=message) as caught:
        PatternAuto(make(path), **options).read()
    assert "\n" not in str(caught.value) and "a.h5" in str(caught.value)


def test_samples_of_their_programs(measured_data):
    """Files of pyFAI 2026.9 and nxxrdct 0.1."""
    found = PatternAuto(str(measured_data / "formats/pyfai_NXmonpd.h5")).read()
    assert found.counts.shape == (1, 1, 1, 2000) and found.wavelength_m == pytest.approx(1.74625623831e-11)
    with h5py.File(measured_data / "formats/pyfai_NXmonpd.h5") as file:
        errors = np.asarray(file["entry/results/errors"])
    np.testing.assert_allclose(found.variance[0, 0, 0], errors**2, rtol=1e-6)
    found = PatternAuto(str(measured_data / "formats/nxxrdct.h5")).read()
    assert found.counts.shape == (5, 1, 4, 16) and found.step_m == pytest.approx((5e-6 / 3, 5e-6 / 3))


def test_the_older_example_contradicts_itself(measured_data):
    """181 translations and 181 rotations for data of 181 x 8 x 8: nobody can know."""
    expected = re.escape("(181, 8, 8); expected (181 translations, 181 rotations, 8 channels)")
    with pytest.raises(InputError, match=expected):
        PatternAuto(str(measured_data / "maps/example_nxxrdct.nxs")).read()
