"""A ptychographic tilt series of any size in seconds per hundred views: balls in balls, whose projections are a formula.

    p(v, u) = sum_k 2 rho_k sqrt(R_k^2 - (u - u_k)^2 - (v - z_k)^2),    u_k = x_k cos theta + y_k sin theta

Plain layout, one view after the other, so that no more than one is in memory. The balls and the scan grow with the volume, frames
and beam do not. Far field, 7 keV, voxels of 40 nm; counting noise, projections displaced by 3 pixels rms, positions exact.

python experiments/tilt_series_of_balls.py FILE [--size 256] [--views 200] [--shots 64] [--frame 128]
"""

import argparse
from pathlib import Path

import numpy as np
import scipy.fft

from jxrecon.data.stored import compression_of
from jxrecon.forward.material import Material
from jxrecon.geometry import HC_KEV_M
from jxrecon.storage import reserved_hdf5
from jxrecon.twin.scan import fermat_spiral

ENERGY_KEV, VOXEL_M, PIXEL_M, PHOTONS, WOBBLE_PX = 7.0, 40e-9, 172e-6, 1e5, 3.0
GOLDEN_TURN = np.deg2rad(137.507764)


def balls(size: int, rng: np.random.Generator) -> np.ndarray:
    """(x, y, z, radius, density) of each, voxels from the middle and e/A^3: a large one, and 40 pores and grains in it."""
    large = 0.4 * size
    radius = rng.uniform(0.02, 0.12, 40) * size
    direction = rng.normal(size=(40, 3))
    direction /= np.linalg.norm(direction, axis=1, keepdims=True)
    away = (large - radius) * rng.uniform(0, 1, 40) ** (1 / 3)
    density = rng.choice([-0.15, 0.1], 40)
    inner = np.column_stack([direction * away[:, None], radius, density])
    return np.vstack([[0, 0, 0, large, 0.7], inner])


def projection(body: np.ndarray, angle: float, v: np.ndarray, u: np.ndarray) -> np.ndarray:
    """Line integrals, e/A^3 times voxels, at heights v and places u across."""
    total = np.zeros((len(v), len(u)), np.float32)
    for x, y, z, radius, density in body:
        square = radius**2 - (v[:, None] - z) ** 2 - (u - x * np.cos(angle) - y * np.sin(angle)) ** 2
        total += 2 * density * np.sqrt(np.maximum(square, 0))
    return total


def beam(frame: int) -> np.ndarray:
    """A Gaussian of a third of the window, with a curved front, of `PHOTONS` photons; its middle is pixel frame//2."""
    away = np.arange(frame) - frame // 2
    square = (away[:, None] ** 2 + away**2) / (frame / 3) ** 2
    wave = np.exp((-4 * np.log(2) / 2 + 30j) * square)
    return (wave * np.sqrt(PHOTONS / np.sum(np.abs(wave) ** 2))).astype(np.complex64)


def positions_of(view: int, shots: int, size: int, frame: int) -> np.ndarray:
    """(y, x) of a spiral over the volume's image and a little air, turned from view to view."""
    reach = size / 2 + frame / 16
    turn = view * GOLDEN_TURN
    cos, sin = np.cos(turn), np.sin(turn)
    return fermat_spiral(shots, reach * np.sqrt(np.pi / shots)) @ np.array([[cos, sin], [-sin, cos]])


def frames_of(body, probe, angle, centres, factor, rng) -> np.ndarray:
    """Counts of one view, (scan, v, u), for the true centres of the beam."""
    frame = len(probe)
    reach = int(np.abs(centres).max()) + frame // 2 + 2
    canvas = np.arange(-reach, reach).astype(np.float32)
    transmission = np.exp(factor * projection(body, angle, canvas, canvas)).astype(np.complex64)
    whole = np.floor(centres).astype(int)
    spectrum, frequency = scipy.fft.fft2(probe), scipy.fft.fftfreq(frame)
    ramps = np.exp(-2j * np.pi * (centres - whole)[..., None] * frequency).astype(np.complex64)
    modes = scipy.fft.ifft2(spectrum * ramps[:, 0, :, None] * ramps[:, 1, None, :])
    corners = whole + reach - frame // 2
    waves = np.stack([transmission[y : y + frame, x : x + frame] for y, x in corners]) * modes
    pattern = np.abs(np.asarray(scipy.fft.fft2(waves))) ** 2 / frame**2
    return rng.poisson(scipy.fft.fftshift(pattern, axes=(1, 2))).astype(np.uint16)


def write(path: Path, size: int, views: int, shots: int, frame: int, seed: int = 0) -> None:
    """The whole file or none."""
    rng = np.random.default_rng([seed, size])
    body, probe, material = balls(size, rng), beam(frame), Material()
    factor = -VOXEL_M * (
        1j * material.phase_per_density(ENERGY_KEV) + material.absorption_per_density(ENERGY_KEV)
    )
    angle = np.arange(views) * 180 / views
    centres = np.stack([positions_of(view, shots, size, frame) for view in range(views)])
    shift = rng.normal(0, WOBBLE_PX, (views, 1, 2))
    with reserved_hdf5(path, int(2.2 * views * shots * frame**2) + 2**22) as file:
        chunk = min(shots, max(2**19 // frame**2, 1))
        dataset = file.create_dataset(
            "intensity",
            (views * shots, frame, frame),
            np.uint16,
            chunks=(chunk, frame, frame),
            **compression_of("bitshuffle"),
        )
        for view in range(views):
            here = frames_of(body, probe, np.deg2rad(angle[view]), centres[view] - shift[view], factor, rng)
            dataset[view * shots : (view + 1) * shots] = here
        file["positions_px"] = centres.reshape(-1, 2)
        file["probe"] = probe[None]
        file["view"], file["angle_deg"] = np.repeat(np.arange(views), shots), angle
        file["wavelength_m"], file["detector_pixel_m"] = HC_KEV_M / ENERGY_KEV, PIXEL_M
        file["distance_m"] = frame * PIXEL_M * VOXEL_M / (HC_KEV_M / ENERGY_KEV)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("file", type=Path)
    for name, value in {"size": 256, "views": 200, "shots": 64, "frame": 128}.items():
        parser.add_argument(f"--{name}", type=int, default=value)
    a = parser.parse_args()
    write(a.file, a.size, a.views, a.shots, a.frame)


if __name__ == "__main__":
    main()
