"""Integration of a detector image over the azimuth by pyFAI, and how an image has to be laid for its geometry."""

import dataclasses
from typing import Any

import numpy as np
from jaxtyping import Bool, Shaped

from .detector import orient
from .poni import Poni, demand_pyfai
from .ring_calibration import Calibrated, quiet

SHARPER = 1.2  # times the contrast that another way to lay the image must have


@dataclasses.dataclass(frozen=True)
class Setting:
    """What all images of a set share; mask as the images are laid after `orient`; calibrated: None where nothing was refined."""

    poni: Poni
    start: Poni
    orientation: int
    masked: Bool[np.ndarray, "row column"]
    calibrated: Calibrated | None


def integrator(poni: Poni, shape: tuple[int, ...]) -> Any:
    """pyFAI's, for images of this shape."""
    demand_pyfai()
    with quiet():
        from pyFAI.detectors import Detector  # pyright: ignore[reportMissingImports]
        from pyFAI.integrator.azimuthal import AzimuthalIntegrator  # pyright: ignore[reportMissingImports]

        detector = Detector(poni.pixel1_m, poni.pixel2_m, max_shape=shape, orientation=poni.orientation)
        return AzimuthalIntegrator(**poni.numbers(), detector=detector, wavelength=poni.wavelength_m)


def contrast(image: np.ndarray, masked: np.ndarray, poni: Poni) -> float:
    """Standard deviation of the azimuthal mean of sqrt(counts) over its mean."""
    with quiet():
        found = integrator(poni, image.shape).integrate1d(
            np.sqrt(np.maximum(image, 0)),
            max(image.shape),
            unit="2th_deg",
            mask=masked,
            method=("no", "histogram", "cython"),
        )
    return float(np.std(found.intensity) / max(np.mean(found.intensity), 1e-30))


def sharpest(image: np.ndarray, masked: np.ndarray, poni: Poni) -> int:
    """Which of the ways to lay a detector (`detector.orient`) makes rings of the image; 0 unless another is clearly better."""
    ways = range(8) if image.shape[0] == image.shape[1] else range(4)
    values = [contrast(orient(image, k).copy(), orient(masked, k).copy(), poni) for k in ways]
    best = int(np.argmax(values))
    return best if values[best] > SHARPER * values[0] else 0


def azimuthal_mean(
    ai: Any,
    image: Shaped[np.ndarray, "row column"],
    masked: Bool[np.ndarray, "row column"],
    channels: int | None,
    range_deg: tuple[float, ...] | None,
    polarisation: float | None,
    splitting: str,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(2 theta in degrees, mean, variance); NaN in channels without pixels."""
    with quiet():
        found = ai.integrate1d(
            np.ascontiguousarray(image, np.float64),
            channels or 2 * radii(ai, image.shape),
            radial_range=range_deg,
            unit="2th_deg",
            mask=masked,
            polarization_factor=polarisation,
            variance=np.maximum(image, 0).astype(
                np.float64
            ),  # pyFAI's own "poisson" takes no less than 1 a pixel
            method=(splitting, "csr", "cython"),
        )
    nothing = np.where(np.asarray(found.count) <= 0, np.nan, 0.0)
    mean, sigma = (np.asarray(v, np.float64) for v in (found.intensity, found.sigma))
    return np.asarray(found.radial, np.float64), mean + nothing, sigma**2 + nothing


def radii(ai: Any, shape: tuple[int, ...]) -> int:
    """Pixels from the beam to the furthest corner, or to the far end of the radii that the detector covers."""
    radius = ai.array_from_unit(shape, unit="r_m", scale=False)
    return max(int(np.ptp(radius) / ai.pixel1), 16)


def report(setting: Setting) -> dict[str, float | int]:
    """The geometry in numbers, for metadata and metrics."""
    poni = setting.poni
    numbers: dict[str, float | int] = {
        "distance_m": poni.distance_m,
        "poni1_m": poni.poni1_m,
        "poni2_m": poni.poni2_m,
        "rot1_rad": poni.rot1,
        "rot2_rad": poni.rot2,
        "rot3_rad": poni.rot3,
    }
    if setting.calibrated is not None:
        c = setting.calibrated
        numbers |= {"ring_rms_deg": c.ring_rms_deg, "ring_points": c.points, "rings": c.rings}
    return numbers


def cake(
    poni: Poni, image: Shaped[np.ndarray, "row column"], masked: Bool[np.ndarray, "row column"]
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(2 theta, azimuth, counts) in degrees: the image with its rings unrolled; NaN where no pixel is."""
    ai = integrator(poni, image.shape)
    with quiet():
        found = ai.integrate2d(
            np.ascontiguousarray(image, np.float64),
            radii(ai, image.shape),
            180,
            unit="2th_deg",
            mask=masked,
            method=("bbox", "csr", "cython"),
        )
    counts = np.where(np.asarray(found.count) > 0, found.intensity, np.nan)
    return np.asarray(found.radial, float), np.asarray(found.azimuthal, float), np.asarray(counts, float)


def two_theta_map(poni: Poni, shape: tuple[int, ...]) -> np.ndarray:
    """(row, column) 2 theta in degrees of the pixels' middles."""
    with quiet():
        return np.degrees(integrator(poni, shape).center_array(shape, unit="2th_rad", scale=False))
