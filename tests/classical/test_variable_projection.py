"""Variable projection against SciPy's least squares of all unknowns at once: values, errors, bounds."""

import numpy as np
import scipy.optimize

from jxrecon.classical.variable_projection import solve_linear, variable_projection

T = np.linspace(0, 4, 200)
SIGMA = 0.01 * (1 + T)


def design(p):
    return np.stack([np.exp(-p[0] * T), np.exp(-p[1] * T), np.ones_like(T)], axis=1)


def slopes(p, c):
    return np.stack([-T * c[0] * np.exp(-p[0] * T), -T * c[1] * np.exp(-p[1] * T)], axis=1)


def measured():
    noise = np.random.default_rng(3).normal(size=len(T)) * SIGMA
    return design(np.array([0.7, 3.0])) @ np.array([2.0, 1.0, 0.3]) + noise


def test_values_and_errors_are_those_of_the_joint_fit():
    y = measured()
    fit = variable_projection(design, slopes, np.array([0.5, 4.0]), y, SIGMA, np.array([True, True, False]))

    def residual(u):
        return (y - design(u[:2]) @ u[2:]) / SIGMA

    joint = scipy.optimize.least_squares(residual, [0.5, 4.0, 1, 1, 0], xtol=1e-14, ftol=1e-14, gtol=1e-14)
    found = np.concatenate([fit.parameters, fit.coefficients])
    np.testing.assert_allclose(found, joint.x, rtol=2e-5)
    errors = np.sqrt(np.diag(np.linalg.inv(joint.jac.T @ joint.jac)))
    np.testing.assert_allclose(np.concatenate([fit.errors, fit.coefficient_errors]), errors, rtol=1e-3)
    assert fit.converged and fit.unknowns == 5


def test_positive_coefficients_are_those_of_nnls():
    generator = np.random.default_rng(5)
    a, y = generator.normal(size=(40, 6)), generator.normal(size=40)
    best, norm = scipy.optimize.nnls(a, y)
    found = solve_linear(a, y, np.ones(6, bool))
    np.testing.assert_allclose(found.coefficients, best, atol=1e-10)
    assert np.sqrt(found.cost) == np.float64(norm) or abs(np.sqrt(found.cost) - norm) < 1e-10
    assert (best == 0).any()  # else the test says nothing


def test_columns_that_say_nothing_or_the_same_are_left_out():
    a = np.stack([np.ones(10), np.arange(10.0), np.ones(10), np.zeros(10)], axis=1)
    found = solve_linear(a, 3 + 2 * np.arange(10.0), np.zeros(4, bool))
    assert found.kept.sum() == 2
    np.testing.assert_allclose(a @ found.coefficients, 3 + 2 * np.arange(10.0))


def test_a_parameter_stops_at_its_bound():
    y = 2 * np.exp(-0.7 * T) + 0.3
    low = np.array([0.0, 5.0])  # the second exponential has to be fast, and is not there
    fit = variable_projection(
        design, slopes, np.array([0.5, 6.0]), y, SIGMA, np.array([True, True, False]), lower=low
    )
    assert fit.parameters[1] >= 5
    np.testing.assert_allclose(fit.parameters[0], 0.7, rtol=1e-4)
