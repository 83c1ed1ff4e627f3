"""What X-ray fluorescence tomography measured: counts in windows around lines, for each step, angle and detector.

The windows may overlap with lines of other elements (Co K-beta with Ni K-alpha): `response` says how much of each line falls into
each, so that nothing need be unmixed beforehand.
"""

import dataclasses

import numpy as np
from jaxtyping import Float


def wanted_shapes(counts: tuple[int, ...], lines: int) -> dict[str, tuple[int, ...]]:
    """What the shapes of the other arrays follow from."""
    views, detectors, width, _, channels = counts
    return {
        "angle_deg": (views,),
        "monitor": (views, width),
        "detector_deg": (detectors,),
        "response": (detectors, channels, lines),
    }


@dataclasses.dataclass(frozen=True)
class FluorescenceSinograms:
    """One scan.

    counts       (view, detector, u, z, channel), negative where not measured; z: slices of heights that were scanned
    angle_deg    of each view; step_m: along u (and z); beam_m: full width at half maximum of the beam
    monitor      (view, u) relative intensity of the beam
    energy_keV   of the beam; detector_deg: direction of each detector from the beam's, from x to y (-90: at large u)
    elements     what is sought; companion: formula of what comes with each of its atoms unseen, or None
    lines        (number of the element, keV) of each line
    response     (detector, channel, line) counts per view of a voxel (step_m cubed) that holds 1 g/cm^3, without absorption
    axis_u       where the axis of rotation lies, in steps; (width - 1)/2 is the middle
    truth        (y, x, z, element) g/cm^3 of a simulation; radius: (y, x, z), 1 at its particle's surface
    """

    counts: Float[np.ndarray, "view detector u z channel"]
    angle_deg: Float[np.ndarray, " view"]
    step_m: float
    beam_m: float
    monitor: Float[np.ndarray, "view u"]
    energy_keV: float
    detector_deg: Float[np.ndarray, " detector"]
    elements: tuple[str, ...]
    companion: str | None
    lines: tuple[tuple[int, float], ...]
    response: Float[np.ndarray, "detector channel line"]
    axis_u: float
    truth: Float[np.ndarray, "y x z element"] | None = None
    radius: Float[np.ndarray, "y x z"] | None = None
    source: str = ""

    def __post_init__(self):
        channels = self.counts.shape[-1]
        for name, shape in wanted_shapes(self.counts.shape, len(self.lines)).items():
            found = getattr(self, name).shape
            if found != shape:
                raise ValueError(f"{self.source}: `{name}` has the shape {found}; `counts` wants {shape}.")
        if strange := [k for k, _ in self.lines if not 0 <= k < len(self.elements)]:
            raise ValueError(
                f"{self.source}: `lines` names the element {strange[0]} of {len(self.elements)}."
            )
        if channels < len(self.elements):
            raise ValueError(f"{self.source}: {channels} windows cannot tell {len(self.elements)} elements.")
