"""How much stronger a voxel scatters into a reflection in one view than a powder would: few grains, and texture.

Few grains. A grain scatters into a ring only while one of its m equivalent planes makes the Bragg angle with the beam. Of
randomly turned grains, seen while the specimen turns by the acceptance w, that is the share m cos(theta) w / 2. A voxel of N
grains has so many of them in reflection that its intensity is a gamma distributed number of the mean 1 and the variance 2 / (N
m w cos theta), drawn anew for each view and reflection.

Texture. The layers' normals c* have the density 1 + t P2(cos chi) about the radius of the particle, P2 the Legendre polynomial.
By the addition theorem the ring of a reflection, whose normals lie phi from c* and 90 - theta from the beam, has the intensity

    1 + t P2(cos phi) P2(sin theta) P2(cos alpha),        alpha: between radius and beam.

With c* along the radius (t > 0) a projection shows (003) at the rim, where the radius is across the beam, and (101) in the
middle: the layers of figure 4A in Tsai et al. (doi 10.1016/j.isci.2018.12.028) with no difference in the voxels at all.

Bunge, Texture Analysis in Materials Science (1982), chapter 11 (fibre textures).
"""

import numpy as np
from jaxtyping import Float

from .diffraction_nuisances import DiffractionNuisances, stream
from .lattice_maps import A_ANGSTROM, C_ANGSTROM, spacing
from .voxel_patterns import two_theta_deg

HKL = {"003": (0, 0, 3), "101": (1, 0, 1), "006": (0, 0, 6), "012": (0, 1, 2), "104": (1, 0, 4)}
MULTIPLICITY = {"003": 2, "006": 2, "101": 6, "012": 6, "104": 6}


def legendre2(cosine: Float[np.ndarray, "*shape"]) -> Float[np.ndarray, "*shape"]:
    return 1.5 * cosine**2 - 0.5


def share_in_reflection(
    multiplicity: Float[np.ndarray, " peak"], theta_rad: Float[np.ndarray, " peak"], acceptance_deg: float
) -> Float[np.ndarray, " peak"]:
    """m cos(theta) w / 2."""
    return multiplicity * np.cos(theta_rad) * np.radians(acceptance_deg) / 2


def intensity_factors(
    nuisances: DiffractionNuisances,
    names: tuple[str, ...],
    wavelength_m: float,
    square_cosine: Float[np.ndarray, " column"],
    voxel: tuple[np.ndarray, np.ndarray],
    width: int,
    stream_of: tuple[int, int],
) -> dict[str, Float[np.ndarray, " column"]]:
    """Of each reflection in each column of fine voxels; nothing where there is neither cause.

    square_cosine: of the angle between radius and beam. voxel: (y, x) on the grid of the scan, `width` wide. stream_of: seed,
    view.
    """
    found = {}
    hkl = [HKL[name] for name in names]
    d = np.concatenate([spacing(h, np.array([A_ANGSTROM]), np.array([C_ANGSTROM])) for h in hkl])
    theta = np.radians(two_theta_deg(d, wavelength_m)) / 2
    if nuisances.texture:
        to_c = legendre2(np.array([h[2] for h in hkl]) * d / C_ANGSTROM) * legendre2(np.sin(theta))
        to_beam = 1.5 * square_cosine - 0.5
        found = {n: 1 + nuisances.texture * p * to_beam for n, p in zip(names, to_c, strict=True)}
    if nuisances.grains:
        planes = np.array([MULTIPLICITY[n] for n in names], float)
        grains = nuisances.grains * share_in_reflection(planes, theta, nuisances.acceptance_deg)
        rng = stream(stream_of[0], "grains", stream_of[1])
        drawn = [rng.gamma(n, 1 / n, (width, width)) for n in grains]
        found = {n: found.get(n, 1.0) * drawn[i][voxel] for i, n in enumerate(names)}
    return found
