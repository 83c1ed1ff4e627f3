"""Every reader's config builds it, with the settings that all share; a file in use says so."""

import fcntl
from pathlib import Path

import pytest

from jxrecon.config import build, compose
from jxrecon.data.access import Access
from jxrecon.data.plain import Plain
from jxrecon.data.projection_reader import AbstractProjectionReader
from jxrecon.data.reader import AbstractReader
from jxrecon.errors import InputError

CONFIGS = Path(__file__).parents[2] / "configs/data"
PROJECTIONS = ["data_exchange", "nxtomo"]
NAMES = sorted(
    p.stem for p in CONFIGS.glob("*.yaml") if "path: ???" in p.read_text() and p.stem not in PROJECTIONS
)
NAMES += ["several", "tilt_series"]


@pytest.mark.parametrize("name", NAMES)
def test_config_builds_a_reader(name, tmp_path):
    where = (
        f"data.paths=[{tmp_path}/a.h5,{tmp_path}/b.h5]" if name == "several" else f"data.path={tmp_path}/a.h5"
    )
    overrides = [f"data={name}", where, "data.preprocess.crop=64", "data.preprocess.centre=[3,4.5]"]
    overrides += ["data.instrument.focus_to_sample_m=3.65e-3", "data.access.locking=false"]
    overrides += [f"data.frames.path={tmp_path}/c.ptyd"] if name == "ptyr" else []
    reader = build(compose(overrides).cfg["data"])
    assert isinstance(reader, AbstractReader) and reader.source.startswith(str(tmp_path))
    assert reader.preprocess.pair("crop") == (64, 64) and reader.preprocess.centre == (3.0, 4.5)
    assert reader.instrument.focus_to_sample_m == 3.65e-3 and reader.access.limits().locking is False


@pytest.mark.parametrize("name", PROJECTIONS)
def test_config_builds_a_reader_of_projections(name, tmp_path):
    overrides = [
        f"data={name}",
        f"data.path={tmp_path}/a.h5",
        "data.angles=[1,2]",
        "data.instrument.energy_keV=9",
    ]
    reader = build(compose(overrides).cfg["data"])
    assert isinstance(reader, AbstractProjectionReader) and reader.source == f"{tmp_path}/a.h5"
    assert reader.angles == (1.0, 2.0) and reader.instrument.energy_keV == 9.0


@pytest.mark.parametrize("angles", ["theta.txt", "[1,2.5]", "':/entry/angle'"])
def test_config_of_a_tilt_series(angles):
    reader = build(compose(["data=tilt_series", "data.path='s_*.h5'", f"data.angles={angles}"]).cfg["data"])
    assert reader.angles == ((1.0, 2.5) if "[" in angles else angles.strip("'"))


@pytest.mark.parametrize(
    "override, message",
    [
        ("data.preprocess.cropp=64", "preprocess.cropp`.*crop"),
        ("data.preprocess.bin=two", "preprocess.bin` is 'two' .*expected integer"),
        ("data.preprocess.orientation=9", "expected 0 to 7"),
        ("data.instrument.regime=middle", "far_field"),
    ],
)
def test_misspelt_or_wrong_settings(override, message):
    with pytest.raises(InputError, match=message):
        build(compose(["data=plain", "data.path=x", override]).cfg["data"])


def test_a_file_that_is_being_written(plain_file):
    path = plain_file()
    with open(path, "rb") as writer:
        fcntl.flock(writer, fcntl.LOCK_EX)
        with pytest.raises(InputError, match="locked by a program that writes it.*data.access.locking=false"):
            Plain(str(path)).read()
        assert Plain(str(path), access=Access(locking=False)).read()[1].scan_count == 12
