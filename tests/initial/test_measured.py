"""Classical first guesses on measured data: near field at Petra III, far field at the APS."""

import dataclasses

import numpy as np

from jxrecon.classical.lsq_ml import LsqMl
from jxrecon.classical.pie import Rpie
from jxrecon.data.cxi import CXI
from jxrecon.data.instrument import Instrument
from jxrecon.data.plain import Plain
from jxrecon.data.preprocess import Preprocess
from jxrecon.initial.classical import Classical
from jxrecon.initial.guess import Guess
from jxrecon.initial.probes import MeanFrameProbe


def reached(caplog) -> float:
    """The R-factor that the engine reports."""
    return float(caplog.messages[-1].split("R-factor ")[1].split()[0])


def test_near_field_star_from_the_mean_frame(measured_data, caplog):
    """12 iterations from nothing but the frames, at the nominal positions."""
    caplog.set_level("INFO", "jxrecon")
    path = str(measured_data / "ptycho/PETRAIII_P25_Near_Field_Ptycho.cxi")
    instrument = Instrument(regime="near_field", focus_to_sample_m=3.65e-3)
    geometry, measurement = CXI(path=path, instrument=instrument).read()
    geometry = dataclasses.replace(geometry, margin=8)
    start = Classical(Rpie(iterations=12), Guess(probe=MeanFrameProbe()))
    guess = start(geometry, measurement)
    assert reached(caplog) < 0.115
    y, x = (n // 2 for n in guess.object.shape[1:])
    phase = np.angle(guess.object[0, y - 40 : y + 40, x - 40 : x + 40])
    assert 0.05 < phase.std() < 1


def test_far_field_star_from_the_probe_of_the_file(measured_data, caplog):
    caplog.set_level("INFO", "jxrecon")
    path = str(measured_data / "ptycho/siemens_star_aps.h5")
    geometry, measurement = Plain(path=path, preprocess=Preprocess(stop=60)).read()
    Classical(LsqMl(iterations=15, batch_size=20))(geometry, measurement)
    assert reached(caplog) < 0.2
