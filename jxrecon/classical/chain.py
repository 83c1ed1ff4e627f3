"""The classical chain: from one ptychographic reconstruction for each angle to a volume of electron density.

    T -> scale, offset and ramp against air -> unwrapped phase -> line integrals of density
      -> vertical shifts by mass -> both shifts and the rotation axis by projection matching -> filtered back projection

and once or twice around again: the reprojected volume m tells the phase of every view to better than pi, and the whole lit region
instead of the air alone tells its offset and ramp,

    T exp(i c m) -> offset and ramp,      phi = -c m + arg( T exp(i c m) ) -> line integrals -> shifts -> volume.

What every stage found is kept. The density is in the unit in which `phase_per_density` is given: with c = r_e lambda (f1/Z) p for
voxels of edge p, in rad per e/A^3, it is e/A^3. A translation of the volume is free; its middle is where the shifts, less their
parts 1 along v and cos, sin along u, leave it.

Guizar-Sicairos et al., Opt. Express 19, 21345 (2011), doi 10.1364/OE.19.021345; Dierolf et al., Nature 467, 436 (2010),
doi 10.1038/nature09419.
"""

import dataclasses

import jax.numpy as jnp
import numpy as np
from jaxtyping import Bool, Complex, Float

from .filtered_back_projection import fbp
from .horizontal_alignment import ProjectionMatching, horizontal_alignment, projection_matching
from .matching_volume import along_z, forward, improved, levelled
from .ramps import Ramps, find_ramps, without_ramps
from .rotation_axis import axis_offset
from .unwrapping import Unwrapped, line_integrals, unwrapped, unwrapped_towards
from .vertical_alignment import VerticalAlignment, vertical_alignment
from .views import each_view, lit_pixels, relative_light

ITERATIONS = 50  # of SIRT, for the volume that predicts the phases


@dataclasses.dataclass(frozen=True)
class AlignedVolume:
    """A volume and how the chain came to it.

    density (z, y, x) in e/A^3; shift (view, 2) along v, u in pixels, rotation axis included; path (view, v, u) line integrals in
    density x pixel. ramps, phase, matching: one entry for each round. axis_px: what `axis_offset` would add to all shifts along
    u; far from zero it casts doubt on the axis that the matching found, or tells that the field of view cuts the particle.
    """

    density: np.ndarray
    shift: np.ndarray
    path: np.ndarray
    vertical: VerticalAlignment
    ramps: tuple[Ramps, ...]
    phase: tuple[Unwrapped, ...]
    matching: tuple[ProjectionMatching, ...]
    axis_px: float


def aligned_volume(
    wave: Complex[np.ndarray, "view v u"],
    weight: Float[np.ndarray, "..."] | Bool[np.ndarray, "..."],
    angle: Float[np.ndarray, " view"],
    *,
    phase_per_density: float,
    air: Bool[np.ndarray, "..."] | None = None,
    rounds: int = 2,
    filter: str = "ram_lak",
) -> AlignedVolume:
    """`weight` (v, u) or (view, v, u): how well each pixel was lit; `air`: where there is nothing, if known; angle in radians."""
    ramps = [find_ramps(wave, weight, air)]
    flat = without_ramps(wave, ramps[0])
    phase = [unwrapped(flat, weight, ramps[0].air)]
    path = line_integrals(phase[0].phase, phase_per_density)
    vertical = vertical_alignment(path, weight)
    matching = [horizontal_alignment(path, weight, angle, vertical.shift)]
    for _ in range(rounds - 1):
        shift = matching[-1].shift
        predicted = -phase_per_density * _reprojected(path, weight, angle, shift)
        ramps.append(_ramps_towards(wave, weight, predicted, ramps[0]))
        phase.append(unwrapped_towards(without_ramps(wave, ramps[-1]), predicted, weight))
        path = line_integrals(phase[-1].phase, phase_per_density)
        matching.append(projection_matching(path, weight, angle, shift, factors=(1,)))
    shift = matching[-1].shift
    axis = axis_offset(path, angle, shift, start=0.0)
    density = np.asarray(fbp(path, angle, shift, filter=filter))
    return AlignedVolume(density, shift, path, vertical, tuple(ramps), tuple(phase), tuple(matching), axis)


def _reprojected(path, weight, angle, shift) -> Float[np.ndarray, "view v u"]:
    """Line integrals of the nonnegative volume that explains what was lit."""
    light = relative_light(each_view(weight, path.shape))
    images = (jnp.asarray(x.transpose(0, 2, 1), jnp.float32) for x in (path, light))
    along_v, along_u, turns = (jnp.asarray(x, jnp.float32) for x in (*shift.T, angle))
    level, counts = levelled(*images, along_v)
    width = path.shape[2]
    volume = improved(jnp.zeros((width, width, path.shape[1])), level, counts, turns, along_u, ITERATIONS)
    views = along_z(forward(volume, turns, along_u, width=width), along_v)
    return np.asarray(views, np.float64).transpose(0, 2, 1)


def _ramps_towards(wave, weight, predicted, first: Ramps) -> Ramps:
    """Offsets and ramps against a predicted phase, from all that is lit; the amplitude of air stays."""
    lit = lit_pixels(each_view(weight, wave.shape))
    found = find_ramps(wave * np.exp(-1j * predicted), weight, lit, near=first.slope_rad_px)
    scale = np.abs(first.scale) * np.exp(1j * np.angle(found.scale))
    return Ramps(scale, found.slope_rad_px, first.air)
