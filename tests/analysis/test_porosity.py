"""Porosity of a solid that is known, and of a twin whose solid follows its chemistry."""

import dataclasses

import numpy as np
import pytest

from jxrecon.analysis.porosity import CRYSTAL, Chemistry, resolved_porosity, whole_porosity
from jxrecon.errors import InputError
from jxrecon.forward.cell import Cell
from jxrecon.forward.solid_density import PRISTINE, crystal_density
from jxrecon.twin.drawn import between, outer_share
from jxrecon.twin.particle import preset
from jxrecon.twin.states import STATES

MASK = np.ones((10, 10, 10), bool)


def test_shares_below_thresholds():
    density = np.linspace(0.0005, 0.9995, 1000).reshape(10, 10, 10)
    found = resolved_porosity(density, MASK)
    assert (found.low, found.value, found.high) == pytest.approx((0.45, 0.5, 0.55))
    density[0, 0, 0] = np.nan
    assert resolved_porosity(density, MASK).value == pytest.approx(499 / 999)
    with pytest.raises(InputError, match="holds no voxel"):
        resolved_porosity(density, ~MASK)


def test_noise_does_not_add_up_to_pores():
    density = 1 + np.random.default_rng(0).normal(0, 0.1, (10, 10, 10))
    assert whole_porosity(density, MASK) == pytest.approx(0, abs=0.01)
    with pytest.raises(InputError, match="not above 0"):
        whole_porosity(density, MASK, 0.0)


def test_the_crystal_and_the_composition():
    assert pytest.approx(crystal_density(PRISTINE, Cell("hexagonal", (2.852, 14.24))), abs=5e-4) == CRYSTAL
    # Li1.17 to Li0.2 and 6 % of the oxygen: 3.87 of 41.03 electrons
    charged = Chemistry(0.20, 0.12)
    assert float(charged.solid(1.0)) == pytest.approx(1 - 3.87 / 41.03, abs=1e-4)
    assert charged.error(0.0, 0.1, 0.0) == pytest.approx(0.0081, abs=2e-4)
    assert charged.error(0.0, 0.0, 0.05) == pytest.approx(0.0108, abs=2e-4)
    with pytest.raises(InputError, match="positive cell volume"):
        Chemistry(1.0, 0.0, -1.0).solid()


@pytest.mark.parametrize("state", ["delithiated", "cycled_small"])
def test_chemistry_takes_the_bias_out(state):
    """With (y, x) and V given within 0.01 of the truth, where a solid of 1 e/A^3 is 0.06 off; wrong (y, x) are off as is said."""
    particle = dataclasses.replace(preset("tiny", state=state), chemistry=True, size=48, voxel_m=40e-9)
    drawn, axis = particle.draw(1), particle.axis_m()
    maps, about = drawn.maps(axis, axis, axis, 2), STATES[state]
    filling = between(drawn.packing.filling, outer_share(maps.radius, about.zone_edge))
    inner = maps.inside == 1
    truth = float(1 - np.mean((maps.occupancy * filling)[inner]))
    ratio = 1 + maps.volume_change.astype(np.float64)
    given = Chemistry(about.lithium, about.lost_oxygen, ratio)
    found = whole_porosity(maps.electron_density, inner, given.solid())
    assert found == pytest.approx(truth, abs=0.003)
    assert whole_porosity(maps.electron_density, inner) > truth + 0.06
    wrong = Chemistry(about.lithium + 0.1, about.lost_oxygen - 0.05, ratio)
    off = whole_porosity(maps.electron_density, inner, wrong.solid()) - truth
    assert abs(off) == pytest.approx(given.error(truth), abs=0.003)
