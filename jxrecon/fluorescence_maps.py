"""What X-ray fluorescence mapping measured: spectra of each detector in each point, or maps of elements that were fitted to them.

A channel's energy is E(k) = offset + slope k + quadratic k^2, in keV.
"""

import dataclasses

import numpy as np
from jaxtyping import Float


@dataclasses.dataclass(frozen=True)
class FluorescenceMaps:
    """One map.

    spectra      (detector, y, x, channel) counts, or None where the file holds maps alone
    energy_keV   (channel,) middle of each channel, or None where nobody says the calibration
    elements     name of an element or line (`Fe`, `Pb_L`, `Fe_K`) -> (y, x), in `units`
    live_time_s  (detector, y, x) in which the detector could count; real_time_s: the dwell time
    y_axis, x_axis  positions of the stage along the axes, as the file has them, in `axis_units`
    detectors    names; source: path; metadata: what else the file says
    """

    spectra: Float[np.ndarray, "detector y x channel"] | None = None
    energy_keV: Float[np.ndarray, " channel"] | None = None
    elements: dict[str, np.ndarray] = dataclasses.field(default_factory=dict)
    units: str = ""
    live_time_s: Float[np.ndarray, "detector y x"] | None = None
    real_time_s: Float[np.ndarray, "detector y x"] | None = None
    y_axis: Float[np.ndarray, " y"] | None = None
    x_axis: Float[np.ndarray, " x"] | None = None
    axis_units: str = ""
    detectors: tuple[str, ...] = ()
    source: str = ""
    metadata: dict = dataclasses.field(default_factory=dict)

    def __post_init__(self):
        if self.spectra is None and not self.elements:
            raise ValueError(f"{self.source}: holds neither spectra nor maps of elements.")
        shape = self.shape
        for name, values in self.elements.items():
            if values.shape != shape:
                raise ValueError(
                    f"{self.source}: the map of {name} has the shape {values.shape}; expected {shape}."
                )
        for name in ("live_time_s", "real_time_s"):
            values = getattr(self, name)
            if values is not None and values.shape[-2:] != shape:
                raise ValueError(
                    f"{self.source}: `{name}` has the shape {values.shape}; expected (detector, {shape})."
                )
        for name, size in (("y_axis", shape[0]), ("x_axis", shape[1])):
            values = getattr(self, name)
            if values is not None and len(values) != size:
                raise ValueError(f"{self.source}: `{name}` has {len(values)} positions, but the map {size}.")

    @property
    def shape(self) -> tuple[int, int]:
        """(y, x)."""
        if self.spectra is not None:
            return self.spectra.shape[1], self.spectra.shape[2]
        first = next(iter(self.elements.values()))
        return first.shape[0], first.shape[1]

    def window(
        self, low_keV: float, high_keV: float, per_second: bool = True
    ) -> Float[np.ndarray, "detector y x"]:
        """Counts between two energies, divided by the live time where it is known."""
        if self.spectra is None or self.energy_keV is None:
            raise ValueError(f"{self.source}: a window of energies needs spectra and their calibration.")
        inside = (self.energy_keV >= low_keV) & (self.energy_keV < high_keV)
        counts = self.spectra[..., inside].sum(-1)
        return counts / self.live_time_s if per_second and self.live_time_s is not None else counts
