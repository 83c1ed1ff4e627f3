"""A pixel detector that counts photons: what it makes of the intensities that fall on it.

    counts = min( Poisson(expected + background), saturation )

Counts at the saturation limit, and all counts of dead pixels and of the gaps between modules, come out negative: not measured.
"""

import equinox as eqx
import numpy as np
from jaxtyping import Bool, Float

NOT_MEASURED = -1


class PhotonCounter(eqx.Module):
    """Every nuisance is off at its default but the shot noise.

    poisson     False returns the expected counts themselves
    background  mean counts in every pixel, whatever the beam
    saturation  largest count of a pixel, or None
    dead        share of the pixels that are dead, at random
    gap         width in pixels of a vertical and a horizontal gap across the detector, beside the direct beam
    """

    poisson: bool = True
    background: float = 0.0
    saturation: float | None = None
    dead: float = 0.0
    gap: int = 0

    def __check_init__(self):
        if self.background < 0 or not 0 <= self.dead < 1:
            raise ValueError(
                f"`background` is {self.background!r} and `dead` {self.dead!r}; expected counts >= 0 and a share below 1."
            )

    def mask(self, shape: tuple[int, int], rng: np.random.Generator) -> Bool[np.ndarray, "v u"]:
        """Pixels that work."""
        good = rng.random(shape) >= self.dead
        if self.gap:
            # An eighth off the centre, as beam lines put the direct beam on a module.
            v, u = (n // 2 + n // 8 for n in shape)
            good[v : v + self.gap] = False
            good[:, u : u + self.gap] = False
        return good

    def count(
        self,
        expected: Float[np.ndarray, "*frame v u"],
        mask: Bool[np.ndarray, "v u"],
        rng: np.random.Generator,
    ) -> Float[np.ndarray, "*frame v u"]:
        """One exposure, or several."""
        counts = expected + self.background
        if self.poisson:
            counts = rng.poisson(counts).astype(float)
        if self.saturation is not None:
            counts = np.where(counts >= self.saturation, NOT_MEASURED, counts)
        return np.where(mask, counts, NOT_MEASURED)
