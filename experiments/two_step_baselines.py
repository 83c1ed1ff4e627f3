"""Maps of the lattice in two steps, channels first and patterns of voxels then, as others have them and as well as they can be.

    fbp           filtered back projection of every channel, peaks of every voxel fitted freely, a and c from their places
    mlem          the same after 30 iterations of MLEM
    gaussian      MLEM, one cell fitted to all peaks of a voxel with one mixing for all voxels, maps smoothed with weights by area
    total_variation   the same fit, and for each map  sum_r w_r (u_r - fit_r)^2 / 2 + weight sum_r |grad u|,  w from its errors

The last two are told the truth: each quantity has the one of many widths or weights that comes closest to it.
"""

from collections.abc import Callable, Sequence

import jax.numpy as jnp
import numpy as np
import scipy.sparse
from core_shell_phantom import HKL, WAVELENGTH_M, Phantom
from jaxtyping import Float
from scipy.ndimage import gaussian_filter
from scipy.sparse.linalg import spsolve

from jxrecon.classical.emission import mlem
from jxrecon.classical.filtered_back_projection import fbp
from jxrecon.classical.peak_fit import peak_fit
from jxrecon.classical.peak_model import AbstractPeaks, FreePeaks, LatticePeaks, Profile
from jxrecon.forward.cell import Cell, bragg_deg

CELL = Cell("hexagonal", (2.86, 14.33))
WIDTH_DEG, WIDTHS_DEG, SEARCH_DEG = 0.2, (0.06, 0.8), 0.7
SIGMAS = (0.0, 0.3, 0.4, 0.5, 0.6, 0.7, 0.85, 1.0, 1.2, 1.4, 1.7, 2.0, 2.5)
STRENGTHS = tuple(2.0 ** np.arange(-8, 9))
SWEEPS, SMALL = 30, 1e-3  # reweightings of total variation; slope that counts as none, of the map's spread
Maps = dict[str, Float[np.ndarray, "y x"]]


def maps_of(a, c, fwhm_deg, area) -> Maps:
    """By name; `fwhm_deg` and `area` have the peaks last."""
    maps = {"a": a, "c": c, "V": np.sqrt(3) / 2 * a**2 * c}
    for name, values in (("fwhm", fwhm_deg), ("area", area)):
        maps |= {f"{name}{''.join(map(str, hkl))}": values[..., k] for k, hkl in enumerate(HKL)}
    return maps


def truth_of(phantom: Phantom) -> Maps:
    last = (np.moveaxis(values, 0, -1) for values in (phantom.fwhm_deg, phantom.area))
    return maps_of(phantom.a, phantom.c, *last)


def rmse(maps: Maps, phantom: Phantom) -> dict[str, float]:
    """Over the voxels that are scored; of areas relative to their mean."""
    truth, found = truth_of(phantom), {}
    for name, values in maps.items():
        right = truth[name][phantom.mask]
        error = float(np.sqrt(np.mean((values[phantom.mask] - right) ** 2)))
        found[name] = error / float(right.mean()) if name.startswith("area") else error
    return found


def reconstructed(phantom: Phantom, method: str) -> Float[np.ndarray, "y x channel"]:
    counts, angle = jnp.asarray(phantom.counts), jnp.asarray(phantom.angle, jnp.float32)
    if method == "fbp":
        return np.moveaxis(np.asarray(fbp(counts.transpose(0, 2, 1), angle)), 0, -1)
    return np.asarray(mlem(counts, angle, jnp.zeros_like(angle)))


def fitted(volume, phantom: Phantom, peaks: AbstractPeaks, mask=None):
    """The fit of the voxels of a mask, and a function that puts its values on the grid."""
    mask = phantom.mask if mask is None else mask
    fit = peak_fit(volume[mask], phantom.two_theta_deg, peaks, noise="unknown")

    def on_grid(values):
        grid = np.zeros((*mask.shape, *values.shape[1:]))
        grid[mask] = values
        return grid

    return fit, on_grid


def free_fit(volume, phantom: Phantom) -> Maps:
    """a and c by least squares of 1/d^2 over the three free places."""
    centre = bragg_deg(HKL, CELL, WAVELENGTH_M)
    profile = Profile(fwhm_deg=WIDTH_DEG, fwhm_range_deg=WIDTHS_DEG, positive_area=True)
    peaks = FreePeaks(centre, search_deg=SEARCH_DEG, profile=profile)
    fit, on_grid = fitted(volume, phantom, peaks)
    square = (2 * np.sin(np.radians(fit.values.centre_deg / 2)) / (1e10 * WAVELENGTH_M)) ** 2
    h, k, l = HKL.T
    design = np.stack([4 / 3 * (h * h + h * k + k * k), l * l], axis=1)
    inverse = np.maximum(np.linalg.lstsq(design, square.T, rcond=None)[0], 1e-4)
    a, c = (on_grid(1 / np.sqrt(row)) for row in inverse)
    return maps_of(a, c, on_grid(fit.values.fwhm_deg), on_grid(fit.values.area))


def coupled_fit(volume, phantom: Phantom, mask) -> tuple[Maps, Maps]:
    """Maps and their standard errors: one cell for all peaks of a voxel, the median of a first fit's mixings for all voxels."""

    def peaks(eta, eta_range):
        profile = Profile(WIDTH_DEG, WIDTHS_DEG, eta=eta, eta_range=eta_range, positive_area=True)
        return LatticePeaks(  # pyright: ignore[reportCallIssue]
            hkl=HKL, cell=CELL, wavelength_m=WAVELENGTH_M, search_deg=SEARCH_DEG, profile=profile
        )

    first, _ = fitted(volume, phantom, peaks(0.5, (0.0, 1.0)), mask)
    total = first.values.area.sum(axis=1)
    eta = float(np.median(first.values.eta[total > np.median(total)]))
    fit, on_grid = fitted(volume, phantom, peaks(eta, (eta, eta)), mask)
    found = []
    for part in (fit.values, fit.errors):
        cell = on_grid(part.cell)
        found.append(maps_of(cell[..., 0], cell[..., 1], on_grid(part.fwhm_deg), on_grid(part.area)))
    return found[0], found[1]


def gaussian(values, weight, sigma: float):
    """Weighted with area, so that nothing comes in from air."""
    if not sigma:
        return values
    return gaussian_filter(values * weight, sigma) / np.maximum(gaussian_filter(weight, sigma), 1e-9)


def _gradient(shape: tuple[int, int]):
    index = np.arange(np.prod(shape)).reshape(shape)
    pairs = np.concatenate(
        [
            np.stack([index[:-1].ravel(), index[1:].ravel()]),
            np.stack([index[:, :-1].ravel(), index[:, 1:].ravel()]),
        ],
        axis=1,
    )
    rows = np.arange(pairs.shape[1])
    values = np.repeat([-1.0, 1.0], rows.size)
    return scipy.sparse.csr_matrix((values, (np.tile(rows, 2), pairs.ravel())), (rows.size, index.size))


def total_variation(values, weight, strength: float):
    """By reweighted least squares; the map is scaled to its weighted spread, the weights to a mean of 1 over matter."""
    lit = weight > 0
    mean = np.average(values, weights=weight)
    spread = np.sqrt(np.average((values - mean) ** 2, weights=weight))
    target, w = np.where(lit, (values - mean) / spread, 0).ravel(), (weight / weight[lit].mean()).ravel()
    step, u = _gradient(values.shape), ((values - mean) / spread * lit).ravel()
    for _ in range(SWEEPS):
        pull = step.T @ scipy.sparse.diags(strength / np.sqrt((step @ u) ** 2 + SMALL**2)) @ step
        u = spsolve((scipy.sparse.diags(w + 1e-6) + pull).tocsc(), w * target)
    return mean + spread * u.reshape(values.shape)


def best(maps: Maps, phantom: Phantom, filtered: Callable, settings: Sequence[float]) -> dict[str, float]:
    """The smallest error of each quantity over all settings: `filtered(name, values, setting)`."""
    errors = [
        rmse({name: filtered(name, values, setting) for name, values in maps.items()}, phantom)
        for setting in settings
    ]
    return {name: min(error[name] for error in errors) for name in maps}


def fair(phantom: Phantom, volume) -> dict[str, dict[str, float]]:
    """The two baselines that are told the truth."""
    amount = volume.sum(axis=-1)
    mask = (amount > 0.1 * np.percentile(amount, 97)) | phantom.mask
    maps, errors = coupled_fit(volume, phantom, mask)
    area = sum(values for name, values in maps.items() if name.startswith("area"))

    def smooth(name, values, sigma):
        return gaussian(values, mask * 1.0 if name.startswith("area") else area * mask, sigma)

    def varied(name, values, strength):
        error = (
            errors[name]
            if name != "V"
            else values * np.hypot(2 * errors["a"] / CELL.parameters[0], errors["c"] / CELL.parameters[1])
        )
        error = np.where(mask & np.isfinite(error) & (error > 0), error, np.inf)
        weight = 1 / np.maximum(error, np.percentile(error[mask], 5)) ** 2
        return total_variation(values, weight, strength)

    return {
        "gaussian": best(maps, phantom, smooth, SIGMAS),
        "total_variation": best(maps, phantom, varied, STRENGTHS),
    }
