"""How far found scan positions are from the true ones.

A shift of all positions moves the object and nothing else: it is a gauge, and is always taken out. A scale, a rotation or
any other affine map is no gauge, but it is what the calibration of a stage gets wrong; `remove_similarity` and
`remove_affine` tell how much is left besides that. All are least squares over (y, x) positions.
"""

from collections.abc import Callable

import numpy as np
from jaxtyping import Float


def remove_translation(
    found: Float[np.ndarray, "scan 2"], true: Float[np.ndarray, "scan 2"]
) -> Float[np.ndarray, "scan 2"]:
    """Found positions, moved onto the true ones as a whole."""
    return found - found.mean(0) + true.mean(0)


def remove_similarity(
    found: Float[np.ndarray, "scan 2"], true: Float[np.ndarray, "scan 2"]
) -> Float[np.ndarray, "scan 2"]:
    """Found positions, moved, rotated and magnified onto the true ones: y + ix -> a (y + ix) + b with complex a, b."""
    z, target = (p[:, 0] + 1j * p[:, 1] for p in (found, true))
    centred = z - z.mean()
    factor = np.vdot(centred, target) / np.vdot(centred, centred).real
    mapped = factor * centred + target.mean()
    return np.stack([mapped.real, mapped.imag], axis=1)


def remove_affine(
    found: Float[np.ndarray, "scan 2"], true: Float[np.ndarray, "scan 2"]
) -> Float[np.ndarray, "scan 2"]:
    """Found positions, brought onto the true ones by any affine map."""
    design = np.column_stack([found, np.ones(len(found))])
    solution, *_ = np.linalg.lstsq(design, true, rcond=None)
    return design @ solution


def position_rms(
    found: Float[np.ndarray, "scan 2"],
    true: Float[np.ndarray, "scan 2"],
    remove: Callable[[np.ndarray, np.ndarray], np.ndarray] = remove_translation,
) -> float:
    """Root mean square distance, sqrt(mean(dy^2 + dx^2)), in the unit of the positions, once the gauge is removed."""
    found, true = np.asarray(found, np.float64), np.asarray(true, np.float64)
    return float(np.sqrt(np.mean(np.sum((remove(found, true) - true) ** 2, axis=1))))
