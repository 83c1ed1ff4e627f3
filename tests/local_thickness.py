"""Exact local thickness: for each voxel of a set the largest ball inside the set that covers it, as the centres of voxels see it.

Hildebrand & Ruegsegger, J. Microscopy 185, 67 (1997), doi 10.1046/j.1365-2818.1997.1340694.x.
"""

import numpy as np
from jaxtyping import Bool, Float
from scipy import ndimage


def local_radius(pore: Bool[np.ndarray, "z y x"]) -> Float[np.ndarray, "z y x"]:
    """Radius in voxels of the largest open ball about a voxel's centre that holds each voxel; 0 outside the set."""
    reach = np.asarray(ndimage.distance_transform_edt(pore))
    squared = np.rint(reach**2).astype(np.int64)
    # A ball about any other voxel lies within one about such a ridge, up to rounding.
    ridge = np.argwhere((reach > 0) & (reach >= ndimage.maximum_filter(reach, 3) - 1.0))
    ridge = ridge[np.argsort(squared[tuple(ridge.T)], kind="stable")]
    found = np.zeros(pore.shape)
    for centre in ridge:  # small first, larger ones overwrite
        limit = squared[tuple(centre)]
        extent = int(np.ceil(np.sqrt(limit)))
        box = tuple(slice(max(0, c - extent), c + extent + 1) for c in centre)
        axes = [np.arange(s.start, min(s.stop, n)) - c for s, n, c in zip(box, pore.shape, centre)]
        ball = axes[0][:, None, None] ** 2 + axes[1][:, None] ** 2 + axes[2] ** 2 < limit
        found[box][ball] = np.sqrt(limit)
    return found * pore
