"""A measured tooth in parallel beam: 181 views of two rows over a half turn, its axis near column 296 of 640."""

import h5py
import numpy as np


def tooth(folder):
    """(line integrals, view v u; angles in radians) of the set in the folder of measured data."""
    with h5py.File(folder / "tomography" / "tooth.h5") as file:
        data, white, dark = (file[f"exchange/{name}"][()] for name in ("data", "data_white", "data_dark"))
        angle = np.deg2rad(file["exchange/theta"][()])
    transmission = (data - dark.mean(0)) / (white.mean(0) - dark.mean(0))
    return -np.log(np.maximum(transmission, 1e-3)), angle
