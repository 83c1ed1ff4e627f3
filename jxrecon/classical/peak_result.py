"""What a fit of peaks found: values beside their standard errors, for every pattern of a map."""

import dataclasses

import numpy as np
from jaxtyping import Bool, Float, Int

from ..forward.cell import LENGTHS, Cell, ties
from .peak_model import AbstractPeaks, LatticePeaks


@dataclasses.dataclass(frozen=True)
class PeakValues:
    """Fitted values, or their standard errors. Areas in counts x degree; `background`: Chebyshev coefficients."""

    area: Float[np.ndarray, "*map peak"]
    centre_deg: Float[np.ndarray, "*map peak"]
    fwhm_deg: Float[np.ndarray, "*map peak"]
    eta: Float[np.ndarray, "*map peak"]
    background: Float[np.ndarray, "*map term"]
    cell: Float[np.ndarray, "*map free"]  # as `Cell.parameters`; nothing where the peaks are free
    volume_angstrom3: Float[np.ndarray, "*map"]  # not a number where the peaks are free


@dataclasses.dataclass(frozen=True)
class PeakFit:
    """What was found. `cell_covariance`: of the free parameters, of which the error of the volume is made."""

    values: PeakValues
    errors: PeakValues
    cell_covariance: Float[np.ndarray, "*map free free"]
    chi2: Float[np.ndarray, "*map"]
    chi2_reduced: Float[np.ndarray, "*map"]
    converged: Bool[np.ndarray, "*map"]
    steps: Int[np.ndarray, "*map"]
    names: tuple[str, ...]  # of the cell's free parameters

    def cell_parameter(self, name: str) -> tuple[Float[np.ndarray, "*map"], Float[np.ndarray, "*map"]]:
        """A free parameter of the cell, `a` or `c` (angstrom), `beta` (degrees), and its standard error."""
        if name not in self.names:
            known = ", ".join(self.names) or "none, since its peaks are free"
            raise KeyError(f"the fit has no cell parameter `{name}`; it has {known}.")
        k = self.names.index(name)
        return self.values.cell[..., k], self.errors.cell[..., k]


def named(model: AbstractPeaks, found: dict[str, np.ndarray], shape: tuple[int, ...]) -> PeakFit:
    """Results by name, out of arrays whose first axis runs over the patterns of a map of this shape."""
    peaks = len(model.reference_deg)
    error = _root(found["variance"])
    lengths, volume, length_errors, volume_error, covariance = _cells(model, found)

    def of_map(x):
        return x.reshape((*shape, *x.shape[1:]))

    def values(form, linear, first, *cell):
        centre, width, eta = (form[:, i * peaks : (i + 1) * peaks] for i in range(3))
        area, background = linear[:, :peaks], linear[:, peaks:]
        return PeakValues(*map(of_map, (area, centre + first, width, eta, background, *cell)))

    return PeakFit(
        values=values(found["shape"], found["linear"], np.array(model.reference_deg), lengths, volume),
        errors=values(error[:, : 3 * peaks], error[:, 3 * peaks :], 0, length_errors, volume_error),
        cell_covariance=of_map(covariance),
        **{name: of_map(found[name]) for name in ("chi2", "chi2_reduced", "converged", "steps")},
        names=model.cell.free if isinstance(model, LatticePeaks) else (),
    )


def _cells(model: AbstractPeaks, found: dict[str, np.ndarray]) -> tuple[np.ndarray, ...]:
    """Cell parameters, volume, errors of both, covariance of the parameters; empty where the peaks are free."""
    count = len(found["place"])
    if not isinstance(model, LatticePeaks):
        none, unknown = np.zeros((count, 0)), np.full(count, np.nan)
        return none, unknown, none, unknown, np.zeros((count, 0, 0))
    names, first = model.cell.free, np.array(model.cell.parameters)
    is_length = np.isin(names, LENGTHS)
    unit = np.where(is_length, first, np.degrees(1))  # of one strain
    parameters = first + unit * found["place"]
    covariance = found["place_covariance"] * unit[:, None] * unit
    volume, slope = volume_and_slope(model.cell, parameters)
    spread = np.einsum("bi,bij,bj->b", slope, covariance, slope)
    return parameters, volume, _root(np.einsum("bii->bi", covariance)), _root(spread), covariance


def _root(variance: np.ndarray) -> np.ndarray:
    """Standard errors; infinite where the data said nothing."""
    return np.sqrt(np.where(variance > 0, variance, np.inf))


def volume_and_slope(
    cell: Cell, parameters: Float[np.ndarray, "pattern free"]
) -> tuple[Float[np.ndarray, " pattern"], Float[np.ndarray, "pattern free"]]:
    """a b c sqrt(D) of cells of one system, cubic angstrom, and its derivatives with respect to the free parameters.

    D = 1 - cos^2 alpha - cos^2 beta - cos^2 gamma + 2 cos alpha cos beta cos gamma
    """
    fixed = np.where(ties(cell).any(axis=0), 0, cell.six)
    six = parameters @ ties(cell) + fixed
    lengths, angles = six[:, :3], np.radians(six[:, 3:])
    x, y, z = np.cos(angles).T
    determinant = 1 - x * x - y * y - z * z + 2 * x * y * z
    volume = np.prod(lengths, axis=1) * np.sqrt(determinant)
    of_angles = np.sin(angles) * np.stack([x - y * z, y - z * x, z - x * y], axis=1) / determinant[:, None]
    relative = np.concatenate([1 / lengths, np.radians(of_angles)], axis=1)
    return volume, volume[:, None] * relative @ ties(cell).T
