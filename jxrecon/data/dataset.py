"""One HDF5 dataset that has passed the checks, and the attributes of HDF5 objects."""

import h5py
import numpy as np

from .hazards import Refused, naming

MAX_TEXT = 2**20


class GuardedDataset:
    """A dataset that has passed the checks. `read` is thread-safe (h5py serialises the library)."""

    def __init__(self, where: str, dataset: h5py.Dataset):
        self.where, self._dataset = where, dataset
        self.shape: tuple[int, ...] = tuple(int(n) for n in dataset.shape)
        self.dtype: np.dtype = dataset.dtype
        self.chunks: tuple[int, ...] | None = None if dataset.is_virtual else dataset.chunks
        self.is_virtual: bool = dataset.is_virtual

    def read(self, selection=()) -> np.ndarray:
        with naming(self.where):
            return np.asarray(self._dataset[selection])

    def attribute(self, name: str) -> str | float | None:
        """Text or number of an attribute, None where there is none."""
        return attribute_of(self.where, self._dataset, name)

    def filters(self) -> list[str]:
        """Names of the compression filters."""
        plist = self._dataset.id.get_create_plist()
        found = [plist.get_filter(k) for k in range(plist.get_nfilters())]
        return [f[3].decode("utf-8", "replace").split(";")[0] or str(f[0]) for f in found]


def attribute_of(where: str, node, name: str) -> str | float | None:
    """Text or number of an attribute of an h5py object, None where there is none."""
    with naming(f"{where}@{name}"):
        if name not in node.attrs:
            return None
        kind = node.attrs.get_id(name)
        if kind.get_storage_size() > MAX_TEXT:
            raise Refused(f"declares {kind.get_storage_size()} bytes")
        value = node.attrs[name]
        value = value.reshape(-1)[0] if isinstance(value, np.ndarray) and value.size else value
        if isinstance(value, bytes):
            return value.decode("utf-8", "replace")
        return value if isinstance(value, str) else float(value)
