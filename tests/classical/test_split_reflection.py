"""A series in which a second reflection grows beside the first: places, splitting, share."""

import numpy as np

from jxrecon.classical.split_reflection import follow

LINES = ((1.5405929e-10, 1.0, 0.0), (1.5444274e-10, 0.5, 0.0))
X = np.arange(16.2, 18.7, 0.0167)


def reflection(place, area):
    """A pseudo-Voigt, half Lorentzian, of 0.12 degrees, for both lines."""
    y = 0.0
    for wavelength, share, _ in LINES:
        sine = np.sin(np.radians(place) / 2) * wavelength / LINES[0][0]
        t = (X - np.degrees(2 * np.arcsin(sine))) / 0.12
        gauss = 2 * np.sqrt(np.log(2) / np.pi) * np.exp(-4 * np.log(2) * t**2)
        y = y + area * share / 0.12 * (0.5 * gauss + 0.5 * 2 / np.pi / (1 + 4 * t**2))
    return y


def test_the_second_peak_is_found_where_it_is_and_only_there():
    generator = np.random.default_rng(7)
    truth = [(17.65, 17.2, share) for share in (0, 0.1, 0.3)]
    counts = np.array(
        [
            generator.poisson(600 + 20 * (X - 17) + reflection(one, 600 * (1 - s)) + reflection(two, 600 * s))
            for one, two, s in truth
        ],
        float,
    )
    found = follow(counts, X, LINES, 17.6)
    assert found.two.tolist() == [False, True, True]
    assert np.all(np.abs(found.place_deg[:, 0] - 17.65) < 4 * found.place_error_deg[:, 0] + 0.002)
    assert np.all(np.isnan(found.place_deg[:1, 1]))
    assert np.all(np.abs(found.place_deg[1:, 1] - 17.2) < 4 * found.place_error_deg[1:, 1] + 0.002)
    share = found.area[1:, 1] / found.area[1:].sum(axis=1)
    np.testing.assert_allclose(share, [0.1, 0.3], atol=0.02)
