"""Fits of whole patterns against patterns that NumPy makes from the textbook's formulae, with Poisson noise."""

import dataclasses

import numpy as np
import pytest

from jxrecon.classical.whole_pattern import WholePattern, phase_within
from jxrecon.classical.whole_pattern_fit import Columns, count_errors, fit_pattern, fitted_pattern
from jxrecon.forward.background import chebyshev
from jxrecon.forward.cell import Cell

WAVELENGTHS = ((1.5405929e-10, 1.0), (1.5444274e-10, 0.5))
LINES = tuple((w, s, 0.0) for w, s in WAVELENGTHS)
X = np.arange(20.0, 74.0, 0.02)
A, DISPLACEMENT, FWHM, ETA = 4.1570, -3e-4, 0.12, 0.4
CUBIC = [(1, 0, 0), (1, 1, 0), (1, 1, 1), (2, 0, 0), (2, 1, 0), (2, 1, 1), (2, 2, 0), (2, 2, 1), (3, 1, 0)]


def pseudo_voigt(x, width, eta):
    lorentz = 2 / np.pi / width / (1 + 4 * (x / width) ** 2)
    return eta * lorentz + (1 - eta) * 2 / width * np.sqrt(np.log(2) / np.pi) * np.exp(
        -4 * np.log(2) * (x / width) ** 2
    )


def made(area=150.0):
    """Counts of a cubic crystal on a flat background, without noise."""
    y = np.full(len(X), 20.0)
    for k, hkl in enumerate(CUBIC):
        for wavelength, share in WAVELENGTHS:
            theta = np.arcsin(wavelength * 1e10 * np.linalg.norm(hkl) / 2 / A)
            centre = np.degrees(2 * theta) - 2 * np.degrees(DISPLACEMENT) * np.cos(theta)
            y = y + share * area * (1 + k % 3) * pseudo_voigt(X - centre, FWHM, ETA)
    return y


def model(**more):
    phase = phase_within("LaB6", "Pm-3m", Cell("cubic", (4.156826,)), WAVELENGTHS[0][0], (20.0, 74.0))
    return WholePattern(X, (phase,), LINES, "pseudo_voigt", reach_deg=60.0, **more)


FREE = ("displacement", "w", "mixing", "LaB6.a")


def test_what_was_put_in_comes_out():
    m = model()
    assert m.phases[0].names == ("100", "110", "111", "200", "210", "211", "220", "221", "310")
    y = made()
    fit = fit_pattern(m, y, np.sqrt(y), FREE, m.start(0.08), background_terms=2, search_deg=0.2)
    assert fit.converged and fit.r_wp < 1e-5
    assert fit.cell(0)[0]["a"] == pytest.approx(A, rel=1e-6)
    assert fit.parameters["displacement"] == pytest.approx(DISPLACEMENT, rel=1e-3)
    assert np.sqrt(fit.parameters["w"]) == pytest.approx(FWHM, rel=1e-3)
    assert fit.parameters["mixing"] == pytest.approx(ETA, abs=1e-3)
    np.testing.assert_allclose(fit.area, [150.0 * (1 + k % 3) for k in range(9)], rtol=1e-4)


def test_errors_are_the_scatter_of_repeated_measurements(float64):
    m, y = model(), made()
    generator, found, said = np.random.default_rng(0), [], []
    start = m.start(0.1)
    columns = Columns(m, FREE, start, chebyshev(X, 2).T)
    for _ in range(12):
        counts = generator.poisson(y).astype(float)
        sigma = count_errors(counts, None)
        fit = fitted_pattern(m, columns, columns.fit(start, counts, sigma, 50, 1e-6), counts, sigma)
        values, errors = fit.cell(0)
        found.append((values["a"], fit.area[1]))
        said.append((errors["a"], fit.area_error[1]))
        assert 0.9 < fit.chi2_reduced < 1.15
    scatter, error = np.std(found, axis=0, ddof=1), np.mean(said, axis=0)
    assert np.all((scatter / error > 0.55) & (scatter / error < 1.6))  # 99 % of 12 repetitions
    assert abs(np.mean(found, axis=0)[0] - A) < 4 * error[0] / np.sqrt(12)


def test_a_reflection_that_is_absent_gets_no_negative_area():
    m = model()
    y = made()
    theta = np.arcsin(WAVELENGTHS[0][0] * 1e10 / 2 / A)
    hole = np.abs(X - np.degrees(2 * theta)) < 0.5
    y[hole] = 18.0
    fit = fit_pattern(m, y, np.sqrt(y), FREE, m.start(0.1), background_terms=1)
    assert fit.area[0] == 0 and fit.area_error[0] == 0
    assert np.all(fit.area[1:] > 0)


def test_two_phases_with_areas_of_their_atoms_give_their_volumes():
    """CeO2 with a quarter of LaB6: patterns of each made from its reflections one by one."""
    from jxrecon.forward.crystals import CRYSTALS
    from jxrecon.tasks.structure_areas import calculated_areas, volume_shares

    wavelength, names = WAVELENGTHS[0][0], ("CeO2", "LaB6")
    phases = tuple(
        phase_within(n, c.space_group, c.cell, wavelength, (20.0, 74.0))
        for n, c in CRYSTALS.items()
        if n in names
    )
    phases = tuple(sorted(phases, key=lambda phase: names.index(phase.name)))
    bare = WholePattern(X, phases, ((wavelength, 1.0, 0.0),), "pseudo_voigt", reach_deg=60.0)
    tied = dataclasses.replace(bare, tie=calculated_areas(names, bare, 26.6))
    volumes, y = np.array([750.0, 250.0]), np.full(len(X), 5.0)
    for centre, area in zip(bare.reference_deg(), tied.tie @ volumes):
        y = y + area * pseudo_voigt(X - centre, FWHM, ETA)
    free = ("w", "mixing", "CeO2.a", "LaB6.a")
    fit = fit_pattern(tied, y, np.sqrt(y), free, tied.start(0.1), background_terms=1)
    shares = volume_shares(fit)
    assert fit.converged and fit.r_wp < 1e-4 and fit.unknowns == 4 + 2 + 1
    assert shares["volume_share_CeO2"] == pytest.approx(0.75, abs=1e-4)
    assert shares["volume_share_LaB6"] == pytest.approx(0.25, abs=1e-4)
    np.testing.assert_allclose(fit.area, tied.tie @ volumes, rtol=1e-3)


def test_unknown_parameters_are_named():
    m = model()
    with pytest.raises(ValueError, match="`size` is no parameter; there are zero"):
        fit_pattern(m, made(), np.ones(len(X)), ("size",), m.start(0.1))
    with pytest.raises(ValueError, match="`profile` is 'gauss'"):
        WholePattern(X, m.phases, LINES, "gauss")
