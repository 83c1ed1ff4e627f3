"""Tables of a fitted pattern as CSV."""

import csv
import io

import numpy as np

from ..classical.whole_pattern_fit import Fitted


def table(head: tuple[str, ...], rows) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(head)
    writer.writerows(rows)
    return text.getvalue()


def pattern_table(fitted: Fitted) -> str:
    """2 theta, measured, sigma, calculated, background of every channel."""
    columns = (
        fitted.model.two_theta_deg,
        fitted.measured,
        fitted.sigma,
        fitted.calculated,
        fitted.background,
    )
    rows = ([f"{x:.6f}", *(f"{v:.6g}" for v in more)] for x, *more in zip(*columns))
    return table(("two_theta_deg", "measured", "sigma", "calculated", "background"), rows)


def reflection_table(fitted: Fitted) -> str:
    """Phase, indices, 2 theta as measured, width before aberrations, area with its error."""
    model, values = fitted.model, fitted.parameters
    width, mixing = model.widths_deg(values)
    columns = (model.centres_deg(values), width, mixing, fitted.area, fitted.area_error)
    rows = (
        [model.phases[k].name, name, f"{x:.5f}", *(f"{float(v):.6g}" for v in more)]
        for (k, name), x, *more in zip(model.owner, *(np.asarray(c) for c in columns))
    )
    head = ("phase", "hkl", "two_theta_deg", "fwhm_deg", "mixing", "area_counts_deg", "area_error_counts_deg")
    return table(head, rows)
