"""A particle that has been drawn, looked at on any grid: means over voxels of what `body` and `packing` say at points.

    n_e(r) = occupancy(r) filling(rho) n_solid(r)

Each voxel near the particle is sampled at supersample^3 points, whose own small voxels are exact along plane edges. The grid is
a product of three vectors (z, y, x) in metres about the particle's centre, and is walked in slabs, so that memory holds the
result and a few slabs.
"""

import dataclasses
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from jaxtyping import Float

from .body import Body, Place
from .maps import Maps
from .packing import Packing, between, edge_share, electrons, occupancy, outer_share

SLAB = 2**18  # voxels at once
CHUNK = 2**15  # points at once: a few such arrays stay in the cache
PRISTINE = electrons(1.17, 0.0)
ARRAYS = tuple(field.name for field in dataclasses.fields(Maps) if field.name != "state")
WEIGHTED = ("radius", "volume_change", "crack_proximity")  # means over the inside


def solid_density(body: Body, place: Place, n_solid: float, chemistry: bool) -> Float[np.ndarray, " point"]:
    """e/A^3 of the solid itself: constant, or electrons of the formula over the volume of the cell."""
    if not chemistry:
        return np.full_like(place.radius, n_solid)
    share = electrons(body.state.lithium, body.state.lost_oxygen) / PRISTINE
    return n_solid * share / (1 + body.expansion(place))


def points_of(*axes: Float[np.ndarray, " _"]) -> Float[np.ndarray, "point 3"]:
    """Coordinates (z, y, x) of a product of axes, in C order."""
    axes32 = [a.astype(np.float32) for a in axes]
    return np.stack(np.meshgrid(*axes32, indexing="ij"), axis=-1).reshape(-1, 3)


@dataclasses.dataclass(frozen=True)
class Drawn:
    """One particle. `n_solid` is the density of the pristine solid in e/A^3."""

    body: Body
    packing: Packing
    n_solid: float
    chemistry: bool

    def at(self, points: Float[np.ndarray, "point 3"], pixel: float) -> dict[str, np.ndarray]:
        """What the maps are at single points, as voxels of the width `pixel`."""
        body = self.body
        place = body.at(points)
        solid = occupancy(body, place, self.packing, pixel)
        filling = between(self.packing.filling, outer_share(place.radius, body.state.zone_edge))
        return {
            "electron_density": solid * filling * solid_density(body, place, self.n_solid, self.chemistry),
            "occupancy": solid,
            "inside": edge_share(place.depth, pixel),
            "radius": place.radius,
            "crack_share": body.crack_share(place, pixel),
            "layer": body.grains.layer[place.grains.first],
            "volume_change": body.expansion(place),
            "crack_proximity": body.proximity(place),
        }

    def _voxels(
        self, centres: Float[np.ndarray, "voxel 3"], voxel: float, supersample: int
    ) -> dict[str, np.ndarray]:
        """Means over the voxels about these centres; the layer is that of their first point."""
        offset = ((np.arange(supersample) + 0.5) / supersample - 0.5) * voxel
        inner = points_of(offset, offset, offset)
        fine = self.at((centres[:, None] + inner).reshape(-1, 3), voxel / supersample)
        fine = {name: values.reshape(len(centres), -1) for name, values in fine.items()}
        found = {name: v.mean(axis=1) for name, v in fine.items() if name not in (*WEIGHTED, "layer")}
        weight = fine["inside"] / np.maximum(fine["inside"].sum(axis=1, keepdims=True), np.float32(1e-6))
        found |= {name: np.einsum("vp,vp->v", fine[name], weight) for name in WEIGHTED}
        return found | {"layer": fine["layer"][:, 0]}

    def _slab(self, z: np.ndarray, y: np.ndarray, x: np.ndarray, voxel: float, supersample: int) -> Maps:
        shape = len(z), len(y), len(x)
        centres = points_of(z, y, x)
        r, surface = self.body.surface.distances(centres)
        maps = {name: np.zeros(len(r), np.int16 if name == "layer" else np.float32) for name in ARRAYS}
        maps["radius"][:] = r / surface
        maps["layer"][:] = -1
        near = np.flatnonzero(r < surface + voxel)
        step = max(1, CHUNK // supersample**3)
        for start in range(0, len(near), step):
            here = near[start : start + step]
            for name, values in self._voxels(centres[here], voxel, supersample).items():
                maps[name][here] = values
        return Maps(self.body.state, **{name: a.reshape(shape) for name, a in maps.items()})

    def slabs(
        self,
        z: Float[np.ndarray, " z"],
        y: Float[np.ndarray, " y"],
        x: Float[np.ndarray, " x"],
        supersample: int,
    ) -> Iterator[tuple[slice, Maps]]:
        """The maps of a few planes z after the other."""
        voxel = float(x[1] - x[0])
        step = max(1, SLAB // (len(y) * len(x)))
        parts = [slice(start, min(start + step, len(z))) for start in range(0, len(z), step)]
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            yield from zip(parts, pool.map(lambda part: self._slab(z[part], y, x, voxel, supersample), parts))

    def maps(self, z: np.ndarray, y: np.ndarray, x: np.ndarray, supersample: int) -> Maps:
        """All maps on a grid."""
        shape = len(z), len(y), len(x)
        whole = {name: np.empty(shape, np.int16 if name == "layer" else np.float32) for name in ARRAYS}
        for part, maps in self.slabs(z, y, x, supersample):
            for name, array in whole.items():
                array[part] = getattr(maps, name)
        return Maps(self.body.state, **whole)

    def electron_density(
        self, z: np.ndarray, y: np.ndarray, x: np.ndarray, supersample: int
    ) -> Float[np.ndarray, "z y x"]:
        """That map alone, e/A^3."""
        whole = np.empty((len(z), len(y), len(x)), np.float32)
        for part, maps in self.slabs(z, y, x, supersample):
            whole[part] = maps.electron_density
        return whole
