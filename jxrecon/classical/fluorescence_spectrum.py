"""Spectra of energy-dispersive detectors: calibration of each on its own sum, and the shapes that a fit of points needs.

    shape(group) = sum over lines of  share * Gaussian(energy; FWHM(E)),     E(k) = offset + gain k + quadratic k^2

beside elastic and Compton scatter and a smooth background: the sum spectrum with its peaks clipped away (SNIP, on a double
logarithm) and a constant, for clipping leaves nothing where there are few counts. Offset, gain,
width, place and width of the Compton peak are fitted by least squares, weighted by photon noise; amplitudes are not
negative and solved for at every step. Escape peaks, pile-up and tails of lines are left out.

Ryan et al., Nucl. Instrum. Methods B 34, 396 (1988), doi 10.1016/0168-583X(88)90063-8 (SNIP)
"""

import dataclasses
from collections.abc import Sequence

import numpy as np
import scipy.optimize
from jaxtyping import Float

from ..errors import InputError
from ..forward.emission_lines import edge_keV, lines
from ..forward.energy_spectrum import FANO, channel_shares, line_fwhm_keV

ELECTRON_KEV = 510.99895
SNIP_WIDTHS = 2.0  # of a line, to either side
SCATTER = ("elastic", "Compton", "Compton tail")
SMOOTH = ("background", "flat")
TAIL_WIDTH = 3.0  # Compton peaks wide, and as far down as one is wide
# log of gain, offset (keV), log of noise, log of Fano, log of Compton's energy loss, of its width
LOW = np.array([-0.04, -0.15, -0.7, -0.5, -1.2, 0.0])
HIGH = np.array([0.04, 0.15, 0.7, 0.5, 1.2, 1.2])


@dataclasses.dataclass(frozen=True)
class Calibrated:
    """One detector. names: of the shapes; shape: (template, channel), each of area 1; amplitude, expected, counts: of its sum."""

    energy_keV: Float[np.ndarray, " channel"]
    offset_keV: float
    gain_keV: float
    noise_keV: float
    fano: float
    names: tuple[str, ...]
    shape: Float[np.ndarray, "template channel"]
    amplitude: Float[np.ndarray, " template"]
    counts: Float[np.ndarray, " channel"]
    chi2_per_channel: float

    def fwhm_keV(self, energy_keV: float) -> float:
        return float(line_fwhm_keV(np.array(energy_keV), self.noise_keV, self.fano))


def snip(
    counts: Float[np.ndarray, " channel"], width: Float[np.ndarray, " channel"]
) -> Float[np.ndarray, " channel"]:
    """The smooth part of a spectrum: each channel clipped to the mean of two neighbours, up to `width` channels away."""
    v = np.log(np.log(np.sqrt(np.maximum(counts, 0) + 1) + 1) + 1)
    number = np.arange(len(v))
    for step in range(int(width.max()), 0, -1):
        near = (v[np.maximum(number - step, 0)] + v[np.minimum(number + step, len(v) - 1)]) / 2
        v = np.where(width >= step, np.minimum(v, near), v)
    return np.maximum((np.exp(np.exp(v) - 1) - 1) ** 2 - 1, 0)


def _energies(first: np.ndarray, change: np.ndarray) -> np.ndarray:
    return first * np.exp(change[0]) + change[1]


def _edges(energy: np.ndarray) -> np.ndarray:
    middle = (energy[1:] + energy[:-1]) / 2
    return np.concatenate([[2 * energy[0] - middle[0]], middle, [2 * energy[-1] - middle[-1]]])


def _shapes(first, change, groups, beam_keV: float, noise_keV: float) -> np.ndarray:
    """(template, channel) of groups and scatter."""
    edges = _edges(_energies(first, change))
    noise, fano = noise_keV * np.exp(change[2]), FANO * np.exp(change[3])
    found = []
    for group in groups:
        energy, share = np.array([*lines(group).values()]).T
        lit = energy < beam_keV
        found.append(share[lit] @ channel_shares(energy[lit], line_fwhm_keV(energy[lit], noise, fano), edges))
    right_angle = beam_keV - beam_keV / (1 + beam_keV / ELECTRON_KEV)
    loss = right_angle * np.exp(change[4])
    wide = float(line_fwhm_keV(np.array(beam_keV), noise, fano)) * np.exp(change[5])
    energy = np.array([beam_keV, beam_keV - loss, beam_keV - loss - wide])
    width = np.array([float(line_fwhm_keV(np.array(beam_keV), noise, fano)), wide, TAIL_WIDTH * wide])
    return np.concatenate([np.stack(found), channel_shares(energy, width, edges)])


def calibrated(
    counts: Float[np.ndarray, " channel"],
    energy_keV: Float[np.ndarray, " channel"],
    groups: Sequence[str],
    beam_keV: float,
    *,
    noise_keV: float = 0.1,
) -> Calibrated:
    """Fit of a detector's sum spectrum, from first energies of its channels (within 4 % and 0.15 keV)."""
    if late := [group for group in groups if edge_keV(group) >= beam_keV]:
        raise InputError(
            f"a beam of {beam_keV:g} keV excites no `{late[0]}`: its edge is {edge_keV(late[0]):.3f} keV."
        )
    width = SNIP_WIDTHS * line_fwhm_keV(np.maximum(energy_keV, 0.5), noise_keV) / np.gradient(energy_keV)
    background = snip(counts, width)
    smooth = np.stack([background / max(background.sum(), 1e-30), np.full(len(counts), 1 / len(counts))])
    error = np.sqrt(np.maximum(counts, 1))

    def design(change):
        return np.concatenate([_shapes(energy_keV, change, groups, beam_keV, noise_keV), smooth])

    def amplitudes(shape):
        return scipy.optimize.nnls((shape / error).T, counts / error)[0]

    def residual(change):
        shape = design(change)
        return (amplitudes(shape) @ shape - counts) / error

    start = np.array([0, 0, 0, 0, 0, np.log(1.5)])
    fit = scipy.optimize.least_squares(residual, start, bounds=(LOW, HIGH), x_scale=0.05, diff_step=1e-4)
    shape, energy = design(fit.x), _energies(energy_keV, fit.x)
    gain = float(np.mean(np.diff(energy)))
    return Calibrated(
        energy_keV=energy,
        offset_keV=float(fit.x[1]),
        gain_keV=gain,
        noise_keV=float(noise_keV * np.exp(fit.x[2])),
        fano=float(FANO * np.exp(fit.x[3])),
        names=(*groups, *SCATTER, *SMOOTH),
        shape=shape,
        amplitude=amplitudes(shape),
        counts=counts,
        chi2_per_channel=float(np.mean(fit.fun**2)),
    )


def joint_templates(detectors: Sequence[Calibrated]) -> list[Float[np.ndarray, "template channel"]]:
    """Shapes for one amplitude in all detectors: each detector sees the share of a template that its sum has of it.

    Where no detector's sum holds any, all see it alike.
    """
    areas = np.stack([d.amplitude for d in detectors])
    total = areas.sum(0)
    share = np.where(total > 0, areas / np.where(total > 0, total, 1), 1 / len(detectors))
    return [s[:, None] * d.shape for s, d in zip(share, detectors, strict=True)]
