"""What scanning diffraction measured: powder patterns, one for each ray through the specimen.

A view is one rotation angle; v counts slices (rows of the scan), u the rays of a row. A single pattern has one of each, a map of
a thin specimen one view, a diffraction tomogram of one slice one v.
"""

import dataclasses

import numpy as np
from jaxtyping import Float


@dataclasses.dataclass(frozen=True)
class Patterns:
    """One data set.

    counts         (view, v, u, channel) photon counts, negative where a channel was not measured
    two_theta_deg  (channel,) ascending
    wavelength_m   of the photons, monochromatic
    angle_deg      (view,) rotation angle
    monitor        (view, v, u) incident intensity of each ray, 1 on average
    variance       (view, v, u, channel) of the counts where it is not the count itself (merged or normalised data), or None
    step_m         distance of neighbouring rays along (v, u), or None where nobody knows
    source         path, as the user gave it, made absolute; metadata: what else the file says (for provenance)
    """

    counts: Float[np.ndarray, "view v u channel"]
    two_theta_deg: Float[np.ndarray, " channel"]
    wavelength_m: float
    angle_deg: Float[np.ndarray, " view"]
    monitor: Float[np.ndarray, "view v u"]
    variance: Float[np.ndarray, "view v u channel"] | None = None
    step_m: tuple[float, float] | None = None
    source: str = ""
    metadata: dict = dataclasses.field(default_factory=dict)

    def __post_init__(self):
        views, *rays, channels = self.counts.shape
        for name, shape in (
            ("two_theta_deg", (channels,)),
            ("angle_deg", (views,)),
            ("monitor", (views, *rays)),
        ):
            found = getattr(self, name).shape
            if found != shape:
                raise ValueError(f"{self.source}: `{name}` has the shape {found}; expected {shape}.")
        if np.any(np.diff(self.two_theta_deg) <= 0):
            where = int(np.argmax(np.diff(self.two_theta_deg) <= 0))
            raise ValueError(
                f"{self.source}: 2 theta does not increase: {self.two_theta_deg[where]:g} degrees in channel {where}, "
                f"then {self.two_theta_deg[where + 1]:g}."
            )
        if not 1e-12 < self.wavelength_m < 1e-9:
            raise ValueError(
                f"{self.source}: the wavelength is {self.wavelength_m:g} m; expected metres, "
                "1e-12 to 1e-9; was it given in angstrom or nm?"
            )

    @property
    def measured(self) -> np.ndarray:
        """(view, v, u, channel) True where a channel counts."""
        return self.counts >= 0
