"""How far a reconstructed volume and its alignment are from the known truth, once the gauge is taken out.

A tilt series that aligns itself does not know where the specimen lay: moving it by (x, y) moves the projections by
x cos theta + y sin theta, moving it along the axis by a constant, as an axis off the middle of the detector does; turning it
about the axis is an offset of all angles. `compare_with_truth` takes a translation and a small rotation about z out of
the volume, `alignment_residue` the span of {1, cos theta, sin theta} out of the horizontal shifts and a constant out of the
vertical ones, both by least squares.

Voxels of the reconstruction lie anywhere between those of the truth, and means over voxels elsewhere differ close to Nyquist by
what their grid aliases. The truth is therefore moved, on voxels finer than the reconstruction's where it is known on such, and
averaged over the very voxels that were reconstructed.

Densities in e/A^3, lengths in voxels or pixels of the reconstruction.
"""

import dataclasses

import numpy as np
from jaxtyping import Bool, Float, Real, Shaped
from scipy import ndimage

from .resolution import RingCorrelation
from .shell_correlation import THICKNESS, TRUTH, at_nyquist, half_period_at, shell_correlation, soft_window
from .volume_registration import VolumeAlignment, matched, moved, numbers, register


@dataclasses.dataclass(frozen=True)
class VolumeErrors:
    """mean_error: of the particle's mean density, relative to the true one; mean_error_inner: without its outermost voxel;
    rmse: e/A^3 within the particle; correlation: Fourier shells against the truth; alignment: the reconstruction where the truth
    lies, for pictures, and what was done to it."""

    mean_error: float
    mean_error_inner: float
    rmse: float
    correlation: RingCorrelation
    alignment: VolumeAlignment

    def metrics(self) -> dict[str, float]:
        """Numbers by name; a half period of 1 voxel is Nyquist."""
        return {
            "density_mean_error": self.mean_error,
            "density_mean_error_inner": self.mean_error_inner,
            "density_rmse": self.rmse,
            "fsc_truth_voxels": half_period_at(self.correlation, TRUTH),
            "fsc_at_nyquist": at_nyquist(self.correlation),
        }


@dataclasses.dataclass(frozen=True)
class AlignmentResidue:
    """What of found shifts is no gauge. rms_px: sqrt(mean(dv^2 + du^2)); residue: (v, u) in pixels; removed: the constant of v,
    then the factors of 1, cos theta and sin theta in u."""

    rms_px: float
    rms_v_px: float
    rms_u_px: float
    residue: Float[np.ndarray, "view 2"]
    removed: Float[np.ndarray, " 4"]


def averaged(volume: Shaped[np.ndarray, "_ _ _"], by: int) -> Float[np.ndarray, "z y x"]:
    """Means over cubes of `by`^3 voxels: a finer truth on the reconstruction's voxels, about the same middle."""
    if any(n % by for n in volume.shape):
        raise ValueError(f"the truth has {volume.shape} voxels, which are no multiples of `finer` = {by}.")
    z, y, x = (n // by for n in volume.shape)
    return volume.reshape(z, by, y, by, x, by).mean(axis=(1, 3, 5), dtype=np.float64)


def brought(
    volume: Real[np.ndarray, "_ _ _"], alignment: VolumeAlignment, finer: int
) -> Float[np.ndarray, "z y x"]:
    """What lies on voxels `finer` times smaller, as means over the voxels of a volume that `alignment` would bring onto it."""
    z, y, x = alignment.shift_voxels
    cos, sin = np.cos(alignment.rotation_rad), np.sin(alignment.rotation_rad)
    back = -np.array([z, y * cos - x * sin, x * cos + y * sin])
    return averaged(moved(volume, finer * back, -alignment.rotation_rad), finer)


def side_by_side(
    volume: Real[np.ndarray, "_ _ _"],
    truth: Real[np.ndarray, "_ _ _"],
    particle: Bool[np.ndarray, "_ _ _"],
    finer: int = 1,
) -> tuple[
    VolumeAlignment,
    Float[np.ndarray, "z y x"],
    Float[np.ndarray, "z y x"],
    Bool[np.ndarray, "z y x"],
]:
    """What would bring the volume onto the truth, the volume as it is, and truth and particle on its voxels."""
    true = averaged(truth, finer)
    window = averaged(particle, finer)
    if not (window > 0.5).any():
        raise ValueError("`particle` holds no voxel; expected what lies within the particle's surface.")
    found = register(volume, true, soft_window(window > 0.5))
    here, true = matched(numbers(volume), true.shape), brought(truth, found, finer)
    return found, here, true, brought(particle.astype(np.float64), found, finer) > 0.5


def compare_with_truth(
    volume: Real[np.ndarray, "_ _ _"],
    truth: Real[np.ndarray, "_ _ _"],
    particle: Bool[np.ndarray, "_ _ _"],
    finer: int = 1,
    thickness: float | int = THICKNESS,
) -> VolumeErrors:
    """Errors of a reconstruction inside `particle`, within which the truth's outer surface lies, pores included.

    truth, particle: on voxels `finer` times smaller than those of the reconstruction, which is cropped or padded about its
    middle.
    """
    found, here, true, inside = side_by_side(volume, truth, particle, finer)
    difference = (here - true)[inside]
    inner: np.ndarray = np.asarray(ndimage.binary_erosion(inside), bool)
    inner_error = np.mean(here - true, where=inner) / np.mean(true, where=inner)
    return VolumeErrors(
        mean_error=float(difference.mean() / true[inside].mean()),
        mean_error_inner=float(inner_error),
        rmse=float(np.sqrt(np.mean(difference**2))),
        correlation=shell_correlation(here, true, soft_window(inside), thickness),
        alignment=found,
    )


def alignment_residue(
    found: Real[np.ndarray, "view 2"], true: Real[np.ndarray, "view 2"], angle: Real[np.ndarray, " view"]
) -> AlignmentResidue:
    """Shifts (v, u) of the projections in pixels against the true ones at the rotation angles (radians), gauge removed; nan where
    any shift is no number."""
    difference = np.asarray(found, np.float64) - np.asarray(true, np.float64)
    angle = np.asarray(angle, np.float64)
    design = np.column_stack([np.ones_like(angle), np.cos(angle), np.sin(angle)])
    finite = np.isfinite(difference).all()
    factors = np.linalg.lstsq(design, difference[:, 1], rcond=None)[0] if finite else np.full(3, np.nan)
    constant = difference[:, 0].mean()
    residue = difference - np.column_stack([np.full_like(angle, constant), design @ factors])
    v, u = np.sqrt(np.mean(residue**2, axis=0))
    return AlignmentResidue(
        rms_px=float(np.hypot(v, u)),
        rms_v_px=float(v),
        rms_u_px=float(u),
        residue=residue,
        removed=np.array([constant, *factors]),
    )
