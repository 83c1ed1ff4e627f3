"""How broad the reflections of the states' voxels are: means over the solid, measured anew from the twin.

With the law of `lattice_maps` (Lorentzian size and strain, strain eps_a^2 sin^4 + eps_c^2 cos^4, instrument .035 deg), 17.3 keV:

    deg                      pristine   delithiated   cycled_large   cycled_small
    FWHM (003)                  .098        .118          .159           .181
    FWHM (104)                  .105        .120          .156           .170
    FWHM (101)                  .103        .109          .134           .134
    003 / 104, core           .981       1.065         1.099          1.142
    003 / 104, shell          .924        .966         1.005          1.038

of six particles each (presets tiny, mini; small and mid agree within .001 deg and .003). Single voxels: in sums of voxels, the
spread of the cell adds to the width.
"""

import numpy as np
import pytest

from jxrecon.twin.particle import preset

ROWS = {
    "pristine": (0.0982, 0.1053, 0.1031, 0.981, 0.924),
    "delithiated": (0.1179, 0.1196, 0.1090, 1.065, 0.966),
    "cycled_large": (0.1594, 0.1559, 0.1337, 1.099, 1.005),
    "cycled_small": (0.1814, 0.1701, 0.1335, 1.142, 1.038),
}


@pytest.mark.parametrize("state", ROWS)
def test_widths_of_the_states(state):
    maps = preset("tiny", state=state).maps(0)
    solid = maps.occupancy > 0.5
    of_003, of_104, of_101 = (maps.line_width_deg(name)[solid] for name in ("003", "104", "101"))
    radius = maps.radius[solid]
    ratio, shell = of_003 / of_104, (radius > 0.7) & (radius < 0.95)
    found = of_003.mean(), of_104.mean(), of_101.mean(), ratio[radius < 0.5].mean(), ratio[shell].mean()
    assert np.allclose(found[:3], ROWS[state][:3], atol=0.002)
    assert np.allclose(found[3:], ROWS[state][3:], atol=0.01)
