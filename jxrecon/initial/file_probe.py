"""A probe from a file of its own: NPZ (`probe`, optionally `pixel_size_m`) or HDF5 (also PtyPy, PtychoShelves, CXI results)."""

import math
import os
import zipfile

import numpy as np
from jaxtyping import Complex

from ..data.access import Access
from ..data.hazards import GIB, naming, regular_file
from ..data.hdf5 import COMPLEX, GuardedFile
from ..errors import InputError
from ..geometry import Geometry
from ..measurement import Measurement
from .first_guess import AbstractProbeGuess
from .mean_frame import MeanFrame
from .resample import resampled

# Where programs write their probes, and beside it the pixel size in metres, if they say it.
PLACES = {
    "probe": "pixel_size_m",
    "reconstruction/probes": "reconstruction/p/dx_spec",
    "entry_1/image_1/data": None,
    "entry_1/instrument_1/source_1/illumination": None,
}


def places(file: GuardedFile) -> dict[str, str | None]:
    """Candidate datasets and their pixel sizes; PtyPy names its storages after the scan."""
    ptypy = [f"content/probe/{name}" for name in file.children("content/probe")]
    return PLACES | {f"{name}/data": f"{name}/_psize" for name in ptypy}


def from_hdf5(path: str, dataset: str | None, access: Access) -> tuple[np.ndarray, np.ndarray | None]:
    """Probe and pixel size (y, x) or None. Raises `InputError` naming what the file holds."""
    with access.open(path) as file:
        known = places(file)
        name = dataset or next((n for n in known if file.has(n)), None)
        if name is None:
            raise InputError(
                f"{path}: no probe found among {', '.join(f'/{n}' for n in file.tree()[:6]) or 'nothing'}; "
                "name its dataset with `initial.probe.dataset`."
            )
        size = known.get(name.strip("/"))
        pixel = file.array(size) if size and file.has(size) else None
        return file.array(name, COMPLEX), pixel


def from_npz(path: str, dataset: str | None, access: Access) -> tuple[np.ndarray, np.ndarray | None]:
    """The same for an archive of numpy arrays."""
    name = dataset or "probe"
    with naming(path), zipfile.ZipFile(path) as archive:
        members = {i.filename.removesuffix(".npy"): i for i in archive.infolist()}
        if name not in members:
            raise InputError(f"{path}: `{name}` is missing; it holds {', '.join(sorted(members)[:8])}.")
        largest = max(members[n].file_size for n in (name, "pixel_size_m") if n in members)
        if largest > access.max_array_gib * GIB:
            raise InputError(
                f"{path}: declares {largest / GIB:.3g} GiB; at most {access.max_array_gib:g} are read."
            )
    with naming(path), np.load(path, allow_pickle=False) as arrays:
        return arrays[name], arrays["pixel_size_m"] if "pixel_size_m" in members else None


class FileProbe(AbstractProbeGuess):
    """The probe of another file, brought to the pixels of this measurement.

    dataset: its name, null looks where programs put it. pixel_size_m: of the file's probe; null takes what the file says, or the
    pixels of this measurement. Arrays are (mode, v, u) or (v, u), centred.
    """

    path: str
    dataset: str | None = None
    pixel_size_m: float | None = None
    access: Access = Access()

    def __call__(
        self, geometry: Geometry, measurement: Measurement, mean: MeanFrame
    ) -> Complex[np.ndarray, "mode v u"]:
        path = os.path.abspath(os.path.expanduser(self.path))
        regular_file(path)
        read = from_npz if zipfile.is_zipfile(path) else from_hdf5
        probe, pixel = read(path, self.dataset, self.access)
        if probe.ndim < 2 or not np.all(np.isfinite(probe)) or not np.any(probe):
            raise InputError(
                f"{path}: the probe has shape {probe.shape}; expected finite numbers (mode, v, u), not all zero."
            )
        modes = probe.reshape(-1, *probe.shape[-3:])[0] if probe.ndim > 3 else probe
        modes = modes.reshape(-1, *modes.shape[-2:])
        size = self._pixel_size(path, pixel, geometry)
        return np.stack([resampled(m, size, geometry.probe_shape, geometry.pixel_size_m) for m in modes])

    def _pixel_size(self, path: str, found: np.ndarray | None, geometry: Geometry) -> tuple[float, float]:
        if self.pixel_size_m is not None:
            return self.pixel_size_m, self.pixel_size_m
        if found is None:
            return geometry.pixel_size_m
        y, x = (float(p) for p in np.broadcast_to(np.ravel(found)[-2:], 2))
        if not (0 < y < math.inf and 0 < x < math.inf):
            raise InputError(f"{path}: says a pixel size of {y}, {x} m; give `initial.probe.pixel_size_m`.")
        return y, x
