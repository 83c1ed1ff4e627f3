"""Which material fills most of a voxel: bodies and glass absorb differently, each by the factors of its own formula."""

import numpy as np
from jaxtyping import Int

from .scene import Capillary, Matter

AIR, BODY, GLASS = 0, 1, 2


def material_labels(matter: Matter, capillary: Capillary | None, voxel_m: float) -> Int[np.ndarray, "z y x"]:
    """AIR, BODY (its pores and cracks are its own) or GLASS, on the voxels of `matter`."""
    labels = np.where(matter.inside > 0.5, BODY, AIR).astype(np.int8)
    if capillary is not None:
        glass = capillary.electron_density(matter.inside.shape, voxel_m) > capillary.density / 2
        labels[glass & (labels == AIR)] = GLASS
    return labels
