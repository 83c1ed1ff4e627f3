"""A Siemens star: a resolution test chart of wedges of constant thickness, with an open ring across them.

Spoke n of N fills half of its sector; at the radius r the lines are pi r / N wide, so that the radius at which they blur
is a resolution.
"""

import numpy as np
from jaxtyping import Float

from .specimen import AbstractSpecimen, inside, pixel_of


class SiemensStar(AbstractSpecimen):
    """`spokes` of `height_m` between two radii, interrupted by a ring. The default is gold at 8.8 keV, 1.2 rad (xraylib 4.3)."""

    spokes: int = 36
    outer_radius_m: float = 1.5e-6
    inner_radius_m: float = 1.5e-7
    ring_radius_m: float = 9e-7
    ring_width_m: float = 1e-7
    height_m: float = 7e-7
    delta: float = 3.889e-5
    beta: float = 3.525e-6

    def thickness(self, rng):
        def thickness(y: Float[np.ndarray, " v"], x: Float[np.ndarray, " u"]) -> Float[np.ndarray, "v u"]:
            pixel = pixel_of(y, x)
            radius = np.hypot(y[:, None], x)
            angle = np.arctan2(y[:, None], x)
            edge = radius / self.spokes * np.arcsin(np.sin(self.spokes * angle))
            star = inside(edge, pixel) * inside(self.outer_radius_m - radius, pixel)
            star *= inside(radius - self.inner_radius_m, pixel)
            gap = inside(self.ring_width_m / 2 - np.abs(radius - self.ring_radius_m), pixel)
            return self.height_m * star * (1 - gap)

        return thickness
