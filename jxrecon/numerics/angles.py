"""Orders of rotation angles, in radians over a half turn.

Equally spaced angles taken in a row leave a gap until the scan is complete. Orders that visit the half turn evenly from the
beginning allow to stop at any time, and spread what changes with time (dose, drift) over all directions:
 - golden ratio: each angle is pi (sqrt 5 - 1)/2 after the one before, mod pi; any number of neighbours is nearly even;
 - interleaved: equally spaced angles in an order of their own, `binary` (halves, quarters, eighths: the bits of the index
   reversed) or `fibonacci` (every F-th, F the Fibonacci number next to count / golden ratio).

Kohler, IEEE Symp. Conf. Rec. Nucl. Sci. 6, 3961 (2004), doi:10.1109/NSSMIC.2004.1466745; Kaestner et al., Opt. Eng. 50, 123201
(2011), doi:10.1117/1.3660298.
"""

import math

import numpy as np
from jaxtyping import Float, Int

GOLDEN = (math.sqrt(5) - 1) / 2


def equally_spaced(count: int, span: float = math.pi, start: float = 0.0) -> Float[np.ndarray, " view"]:
    """`count` angles from `start` on, of a circle or half circle `span` whose end is its beginning."""
    return start + span * np.arange(count) / count


def limited(count: int, missing: float) -> Float[np.ndarray, " view"]:
    """Both ends included, around 0, of a half turn with a wedge of `missing` radians that cannot be reached."""
    most = (math.pi - missing) / 2
    return np.linspace(-most, most, count)


def golden_ratio(count: int) -> Float[np.ndarray, " view"]:
    return math.pi * (np.arange(count) * GOLDEN % 1)


def random(count: int, seed: int = 0) -> Float[np.ndarray, " view"]:
    return np.random.default_rng(seed).uniform(0, math.pi, count)


def binary_order(count: int) -> Int[np.ndarray, " view"]:
    """Indices 0 .. count - 1, so that every beginning of the list is nearly even."""
    bits = max(count - 1, 0).bit_length()
    index = np.arange(1 << bits)
    mirrored = np.zeros_like(index)
    for bit in range(bits):
        mirrored |= (index >> bit & 1) << (bits - 1 - bit)
    return mirrored[mirrored < count]


def fibonacci_order(count: int) -> Int[np.ndarray, " view"]:
    """Every F-th index mod `count`, F the number nearest to count times the golden ratio that has no divisor in common."""
    steps = sorted(range(1, max(count, 2)), key=lambda step: abs(step - count * GOLDEN))
    step = next((s for s in steps if math.gcd(s, count) == 1), 1)
    return np.arange(count) * step % count


def interleaved(count: int, order: str = "binary") -> Float[np.ndarray, " view"]:
    """Equally spaced angles in the order `binary` or `fibonacci`."""
    orders = {"binary": binary_order, "fibonacci": fibonacci_order}
    return equally_spaced(count)[orders[order](count)]
