"""Pore sizes of bodies whose sizes are known, and the table of the twin's states from its true volumes."""

import numpy as np
import pytest

from jxrecon.analysis.descriptors import mean_chord
from jxrecon.analysis.pores import pore_share, pore_sizes, pore_sizes_of
from jxrecon.errors import InputError
from jxrecon.twin.particle import preset

SEEDS = range(6)
STATES = ("pristine", "delithiated", "cycled_large", "cycled_small")
# Of six particles on 128^3 voxels of 20 nm, in the order of STATES, and the tolerance.
TABLE = {
    "porosity": ((0.025, 0.116, 0.090, 0.152), 0.005),
    "pore_mean_nm": ((27.1, 36.3, 49.2, 42.2), 2.0),
    "pore_p95_nm": ((60.0, 81.0, 98.0, 94.0), 5.0),
    "pore_largest_nm": ((69.0, 120.0, 125.0, 127.0), 10.0),
    "pore_large_share": ((0.0, 0.0009, 0.0018, 0.0023), 0.0006),
}


def two_balls():
    """Balls of the radii 3 and 6 voxels in a particle that fills all but the rim."""
    z, y, x = np.ogrid[:24, :24, :48]
    squared = [(z - 12) ** 2 + (y - 12) ** 2 + (x - c) ** 2 for c in (10, 30)]
    particle = np.zeros((24, 24, 48), bool)
    particle[1:-1, 1:-1, 1:-1] = True
    return (squared[0] < 9) | (squared[1] < 36), particle


def test_sizes_of_two_balls():
    pore, particle = two_balls()
    small, large = np.count_nonzero(pore[:, :, :20]), np.count_nonzero(pore[:, :, 20:])
    found = pore_sizes_of(pore, particle, 20e-9)
    corrected, plain = found["2r-1"], found["2r"]
    assert corrected.porosity == pytest.approx((small + large) / particle.sum())
    assert corrected.largest == pytest.approx(220e-9) and plain.largest == pytest.approx(240e-9)
    assert corrected.mean == pytest.approx((small * 100e-9 + large * 220e-9) / (small + large))
    # Five voxels are 100 nm, and 100 nm are not more than that.
    assert corrected.large == pytest.approx(large / particle.sum())
    assert corrected.share.sum() == pytest.approx(1)
    assert corrected.share[10] == pytest.approx(small / (small + large)) and corrected.edges[10] == 100e-9


def test_cut_at_the_resolution():
    pore, particle = two_balls()
    small, large = np.count_nonzero(pore[:, :, :20]), np.count_nonzero(pore[:, :, 20:])
    whole, cut = (pore_sizes_of(pore, particle, 20e-9, r)["2r-1"] for r in (0, 110e-9))
    assert cut.unresolved == pytest.approx(small / (small + large)) and whole.unresolved == 0
    assert cut.mean == pytest.approx(220e-9) and cut.porosity == whole.porosity
    assert cut.edges[0] == pytest.approx(110e-9) and cut.share.sum() == pytest.approx(1)
    none = pore_sizes_of(pore, particle, 20e-9, 1e-6)["2r-1"]
    assert none.unresolved == 1 and np.isnan(none.mean) and none.share.sum() == 0


def test_share_is_what_the_solid_leaves():
    particle = np.ones((2, 2, 2), bool)
    particle[0] = False
    density = np.array([[[0.0, 0.5]] * 2, [[0.5, 1.1]] * 2])
    assert pore_share(density, particle, 1.0).tolist() == [[[0, 0]] * 2, [[0.5, 0]] * 2]
    density[1, 1, 1] = np.nan
    with pytest.raises(InputError, match="1 voxels"):
        pore_share(density, particle, 1.0)
    with pytest.raises(InputError, match="no voxel"):
        pore_share(density, particle & False, 1.0)
    with pytest.raises(InputError, match="solid"):
        pore_share(density, particle, 0.0)


def test_particle_without_pores_has_no_sizes():
    found = pore_sizes(np.zeros((3, 3, 3)), np.ones((3, 3, 3), bool), 35e-9)
    assert found.porosity == 0 and found.unresolved == 0 and np.isnan(found.mean)
    with pytest.raises(InputError, match="particle"):
        pore_sizes(np.zeros((3, 3, 3)), np.zeros((3, 3, 3), bool))


def test_states_in_their_order():
    """On small particles: pore volume grows, from the fresh state to the cycled one, and so do the pores."""
    found = []
    for state in ("pristine", "delithiated", "cycled_small"):
        maps = preset("small", state=state, size=64, radius_m=0.55e-6).maps(1)
        found += [pore_sizes_of(maps.pore, maps.particle, 20e-9)["2r-1"]]
        assert mean_chord(maps.pore) > 1
    volumes, means = [f.porosity for f in found], [f.mean for f in found]
    assert volumes[0] < volumes[1] < volumes[2] and means[0] < means[1] < means[2]


@pytest.fixture(scope="module")
def table():
    """Mean over the particles, (quantity, state)."""
    rows = {}
    for state in STATES:
        several = []
        for seed in SEEDS:
            maps = preset("small", state=state).maps(seed)
            several += [pore_sizes_of(maps.pore, maps.particle, 20e-9)["2r-1"].metrics()]
        rows[state] = {name: float(np.mean([one[name] for one in several])) for name in TABLE}
    return rows


@pytest.mark.slow
@pytest.mark.parametrize("quantity", TABLE)
def test_table(table, quantity):
    values, tolerance = TABLE[quantity]
    found = [table[state][quantity] for state in STATES]
    print(f"{quantity:18s}", *(f"{value:9.4f}" for value in found))
    assert found == pytest.approx(values, abs=tolerance)
