"""Four states of a lithium-rich NMC secondary particle, as numbers: fresh, charged once, and cycled, large and small.

What a tomogram of such particles showed (density, layers, cracks, expansion, order of the reflections' shells) is kept as trends;
the numbers are this twin's. Radii are relative to the particle's, expansions to the pristine unit cell.

Tsai et al., iScience 11, 356 (2019), doi 10.1016/j.isci.2018.12.028 (the trends).
"""

import dataclasses
from typing import Literal

StateName = Literal["pristine", "delithiated", "cycled_large", "cycled_small"]


@dataclasses.dataclass(frozen=True)
class State:
    """What distinguishes one state from another."""

    density: tuple[float, float] = (0.95, 0.95)  # e/A^3 that the packing is to reach: core, outer zone
    zone_edge: float = 0.6  # radius between the two
    microporosity: float = 0.012  # share of the solid that no pore of the model resolves
    vacancies: float = 0.02  # share of the grains of porous layers that are missing
    clusters: float = 0.0  # share of these whose porous neighbours are missing too
    gap_m: float = 1.0e-9  # width of grain boundaries in porous layers
    cracks: int = 0
    crack_width: float = 0.0  # at the core, relative to the particle's radius
    crack_reach: tuple[float, float] = (0.0, 0.0)  # range of the radius where one closes
    expansion: tuple[float, float, float] = (
        0.0,
        0.0,
        0.0,
    )  # of the cell: everywhere, in the core, along cracks
    shells: tuple[float, float] = (0.40, 0.74)  # radii between the shells where (101), (104), (003) stand out
    amplitude_003: float = 1.0
    crystallinity: float = 1.0
    crystallite_m: float = 65e-9
    microstrain_a: float = 0.0010
    microstrain_c: tuple[float, float, float] = (0.0015, 0.0015, 0.0)  # everywhere, in the core, along cracks
    lithium: float = 1.17  # per formula unit Li_y Ni0.19 Mn0.54 Co0.10 O_(2-x)
    lost_oxygen: float = 0.0


STATES: dict[str, State] = {
    "pristine": State(),
    "delithiated": State(
        density=(0.85, 0.85),
        microporosity=0.015,
        vacancies=0.09,
        clusters=0.12,
        gap_m=2.5e-9,
        cracks=2,
        crack_width=0.016,
        crack_reach=(0.5, 0.9),
        expansion=(0.010, 0.005, 0.010),
        shells=(0.44, 0.76),
        crystallinity=0.80,
        microstrain_a=0.0012,
        microstrain_c=(0.0025, 0.0025, 0.002),
        lithium=0.20,
        lost_oxygen=0.12,
    ),
    "cycled_large": State(
        density=(0.79, 0.89),
        zone_edge=0.55,
        microporosity=0.020,
        vacancies=0.11,
        clusters=0.20,
        gap_m=3e-9,
        cracks=1,
        crack_width=0.016,
        crack_reach=(0.45, 0.65),
        expansion=(0.030, 0.015, 0.030),
        shells=(0.47, 0.78),
        crystallinity=0.60,
        crystallite_m=50e-9,
        microstrain_a=0.0015,
        microstrain_c=(0.0040, 0.0040, 0.002),
        lithium=0.70,
        lost_oxygen=0.12,
    ),
    "cycled_small": State(
        density=(0.90, 0.78),
        microporosity=0.020,
        vacancies=0.11,
        clusters=0.20,
        gap_m=3e-9,
        cracks=3,
        crack_width=0.022,
        crack_reach=(0.70, 1.15),
        expansion=(0.050, 0.035, 0.040),
        shells=(0.55, 0.88),
        amplitude_003=0.5,
        crystallinity=0.45,
        crystallite_m=50e-9,
        microstrain_a=0.0015,
        microstrain_c=(0.0045, 0.0045, 0.003),
        lithium=0.70,
        lost_oxygen=0.12,
    ),
}
