"""A particle that can be evaluated anywhere: a soft ball with smooth blobs in it, so that moving it is exact."""

import numpy as np

BLOBS = 60


def coordinates(shape, finer=1):
    """(z, y, x) of the voxels' middles about the volume's middle, in voxels of the coarse grid."""
    return np.meshgrid(
        *((np.arange(n * finer) - (n * finer - 1) / 2) / finer for n in shape), indexing="ij", sparse=True
    )


def turned_back(shape, shift, angle_rad, finer=1):
    """Where the content of each voxel stood before it was turned about z (from x to y) and then moved by `shift`."""
    z, y, x = coordinates(shape, finer)
    z, y, x = z - shift[0], y - shift[1], x - shift[2]
    cos, sin = np.cos(angle_rad), np.sin(angle_rad)
    return z, cos * y - sin * x, cos * x + sin * y


def particle(shape, shift=(0.0, 0.0, 0.0), angle_rad=0.0, finer=1, seed=0, width=2.2):
    """Density of about 0.9 e/A^3 in a soft ball of 0.35 of the shortest edge, with blobs of +-0.25 of `width` voxels (sigma)."""
    z, y, x = turned_back(shape, shift, angle_rad, finer)
    rng, radius = np.random.default_rng(seed), 0.35 * min(shape)
    density = 0.9 / (1 + np.exp((np.sqrt(z**2 + y**2 + x**2) - radius) / 1.0))
    centres = rng.normal(0, 0.45 * radius, (BLOBS, 3))
    for (cz, cy, cx), height in zip(centres, rng.uniform(-0.25, 0.25, BLOBS)):
        gaussians = (np.exp(-((r - c) ** 2) / (2 * width**2)) for r, c in ((z, cz), (y, cy), (x, cx)))
        a, b, c = gaussians if angle_rad == 0 else (np.exp(-((z - cz) ** 2) / (2 * width**2)), 1.0, None)
        plane = b * c if c is not None else np.exp(-((y - cy) ** 2 + (x - cx) ** 2) / (2 * width**2))
        density = density + height * a * plane
    return density


def blurred(volume, sigma):
    """Behind a transfer function exp(-(pi f sigma)^2 / 2), f of Nyquist: a Gaussian of sigma voxels; periodic."""
    for axis, n in enumerate(volume.shape):
        transfer = np.exp(-((2 * np.pi * sigma * np.fft.fftfreq(n)) ** 2) / 2)
        spectrum = np.fft.fft(volume, axis=axis) * transfer.reshape(
            [-1 if k == axis else 1 for k in range(3)]
        )
        volume = np.fft.ifft(spectrum, axis=axis).real
    return volume


def ball(shape, radius, finer=1):
    z, y, x = coordinates(shape, finer)
    return z**2 + y**2 + x**2 < radius**2
