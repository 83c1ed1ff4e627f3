"""Recognition by content, whatever the name ends in."""

import shutil

import h5py
import numpy as np
import pytest

from jxrecon.data.auto import Auto
from jxrecon.data.cxi import CXI
from jxrecon.data.instrument import Instrument
from jxrecon.data.plain import Plain
from jxrecon.data.preprocess import Preprocess
from jxrecon.data.ptyd import Ptyd
from jxrecon.errors import InputError


@pytest.mark.parametrize(
    "name, kind",
    [("siemens_star_aps.h5", Plain), ("PETRAIII_P25_Near_Field_Ptycho.cxi", CXI), ("example_sim.ptyd", Ptyd)],
)
def test_measured_files_under_a_wrong_name(measured_data, tmp_path, name, kind):
    shutil.copy(measured_data / "ptycho" / name, tmp_path / "data.txt")
    assert type(Auto(str(tmp_path / "data.txt")).reader()) is kind


def test_settings_are_handed_on(plain_file):
    reader = Auto(str(plain_file()), Instrument(distance_m=7.0), Preprocess(stop=3)).reader()
    geometry, measurement = reader.read()
    assert geometry.distance_m == 7.0 and measurement.frames.shape[0] == 3


@pytest.mark.parametrize(
    "names, message",
    [
        (["content/obj/S00/data", "content/probe/S00/data"], "`data=ptyr`, with `data.frames.path`"),
        (["entry/data/data_000001"], "`data=eiger`, with `data.positions=FILE`"),
        (
            ["exchange/data", "exchange/theta"],
            "holds projections .* `jxrecon.data.data_exchange.DataExchange` reads them",
        ),
        (["changes/data", "changes/theta"], "layout is not known .it holds /changes/data, /changes/theta"),
        ([], "it holds nothing"),
    ],
)
def test_what_needs_more_or_is_unknown(tmp_path, names, message):
    with h5py.File(tmp_path / "x.h5", "w") as file:
        for name in names:
            file[name] = np.ones((3, 4, 4))
    with pytest.raises(InputError, match=message):
        Auto(str(tmp_path / "x.h5")).read()
