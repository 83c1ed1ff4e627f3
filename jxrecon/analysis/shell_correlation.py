"""Resolution of a volume by Fourier shell correlation, with the curves and thresholds of `resolution`.

Two independent halves of the data are judged by the half-bit (or one-bit) threshold of van Heel & Schatz (2005), which rises
where a shell holds few voxels; a reconstruction against the known truth by a fixed 0.5. Where halves meet 0.143 the two of them
together correlate with the truth at 0.5 (Rosenthal & Henderson, J. Mol. Biol. 333, 721, 2003, doi 10.1016/j.jmb.2003.07.013).
Half periods are in voxels, 1 at Nyquist; full periods are twice as long.

A mask that both volumes share correlates by itself where it cuts through a density that is not zero. It is therefore wider than
the particle, falls off as a raised cosine over its margin, and from each volume its mean over that margin is taken first. (The
mean over the whole window, which serves where there is no air, would make a wall of the air: two particles of noise would agree.)
"""

import dataclasses

import numpy as np
from jaxtyping import Bool, Float, Real

from .density import grown, particle_mask
from .region import bounding_box, soft_edge
from .resolution import RingCorrelation, first_crossing, ring_correlation
from .volume_registration import matched, numbers, register

HALVES, TRUTH = 0.143, 0.5  # fixed thresholds: of two halves, of a reconstruction against the truth
THICKNESS = 2.0  # Fourier voxels
EDGE = 1 / 10  # width of the window's edge, relative to the particle's diameter
FEWEST = 64  # voxels below which a mask is no particle


def fixed_crossing(curve: RingCorrelation, level: float) -> float:
    """First frequency, as fraction of Nyquist, at which the correlation falls below `level`; 1.0 if never."""
    return first_crossing(curve.frequency, curve.correlation, np.full_like(curve.frequency, level))


def half_period_at(curve: RingCorrelation, level: float) -> float:
    """Half period in voxels at which the correlation falls below `level`; 1.0 is Nyquist."""
    return 1.0 / fixed_crossing(curve, level)


def at_nyquist(curve: RingCorrelation) -> float:
    """Correlation in the shells next to Nyquist: of the last twentieth of the frequencies, weighted by their voxels."""
    last = curve.frequency >= min(0.95, float(curve.frequency[-1]))
    return float(np.average(curve.correlation[last], weights=curve.count[last]))


def soft_window(mask: Bool[np.ndarray, "z y x"]) -> Float[np.ndarray, "z y x"]:
    """1 on the particle, falling to 0 outside of it over a tenth of its diameter; 1 everywhere for a mask of almost nothing."""
    count = np.count_nonzero(mask)
    if count < FEWEST:
        return soft_edge(np.ones(mask.shape, bool), min(mask.shape) / 8)
    edge = max(3.0, EDGE * 2 * float(np.cbrt(count * 3 / (4 * np.pi))))
    return soft_edge(grown(mask, edge), edge)


def shell_correlation(
    first: Real[np.ndarray, "z y x"],
    second: Real[np.ndarray, "z y x"],
    window: Float[np.ndarray, "z y x"],
    thickness: float | int = THICKNESS,
) -> RingCorrelation:
    """Correlation of two registered volumes seen through the window."""
    box = bounding_box(window > 0)
    light = window[box]
    margin = light * (1 - light) if np.any((light > 0) & (light < 1)) else light

    def seen(volume):
        inside = numbers(volume[box])
        return (inside - np.sum(inside * margin) / np.sum(margin)) * light

    curve = ring_correlation(seen(first), seen(second), np.ones_like(light), thickness)
    independent = np.sum(light**2) ** 2 / (light.size * np.sum(light**4))
    return dataclasses.replace(curve, count=curve.count * independent)


def compare_volumes(
    first: Real[np.ndarray, "_ _ _"],
    second: Real[np.ndarray, "z y x"],
    mask: Bool[np.ndarray, "z y x"] | None = None,
    thickness: float | int = THICKNESS,
) -> RingCorrelation:
    """Shell correlation of two independent reconstructions of one specimen, inside a soft mask around it.

    `first` is registered to `second`: translation and a small rotation about z, which are a gauge of each. `mask` is on the grid
    of the second; by default the particle as the mean of both shows it. Voxels that are no numbers are taken for air.
    """
    first, second = numbers(first), numbers(second)
    if mask is None:
        # Where they are the halves may lie apart: a mask that holds both registers them, that of their mean judges them.
        rough = particle_mask(second) | particle_mask(matched(first, second.shape))
        image = register(first, second, soft_window(rough)).volume
        window = soft_window(particle_mask((image + second) / 2))
    else:
        window = soft_window(mask)
        image = register(first, second, window).volume
    return shell_correlation(image, second, window, thickness)
