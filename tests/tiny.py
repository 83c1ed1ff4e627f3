"""A data set so small that a run takes a second after compiling: 12 far-field frames of 16 x 16 pixels."""

from pathlib import Path

import numpy as np

SIZE, FRAMES = 16, 12


def write(path: Path, seed: int = 1) -> Path:
    """An NPZ in the plain layout, with counting noise and the true probe."""
    rng = np.random.default_rng(seed)
    specimen = np.exp(-1j * rng.random((40, 40)))
    positions = rng.uniform(-5, 5, (FRAMES, 2)).round()
    positions -= positions.mean(axis=0).round()
    r = np.arange(SIZE) - SIZE // 2
    beam = np.exp(-(r[:, None] ** 2 + r**2) / 20.0)
    beam = beam * np.sqrt(1e5 / np.sum(beam**2))
    corners = positions.astype(int) + 20 - SIZE // 2
    waves = np.stack([beam * specimen[y : y + SIZE, x : x + SIZE] for y, x in corners])
    counts = np.abs(np.fft.fftshift(np.fft.fft2(waves, norm="ortho"), axes=(1, 2))) ** 2
    np.savez(
        path,
        intensity=rng.poisson(counts).astype(np.uint16),
        positions_px=positions,
        probe=beam[None].astype(np.complex64),
        wavelength_m=1e-10,
        distance_m=1.0,
        detector_pixel_m=1e-4,
    )
    return path


def overrides(data: Path, folder: Path | None = None, **settings: object) -> list[str]:
    """Command line of a short run on `data`."""
    chosen = {"epochs": 4, "batch_size": 4, "halves": "false", "data.path": f"'{data}'", **settings}
    if folder is not None:
        chosen["hydra.run.dir"] = f"'{folder}'"
    return [f"{key}={value}" for key, value in chosen.items()]
