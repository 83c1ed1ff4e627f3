"""How suspiciously a file is opened (see `hazards`), as settings."""

import equinox as eqx

from .hazards import Limits
from .hdf5 import GuardedFile, open_hdf5


class Access(eqx.Module):
    """Limits on a file.

    max_gib: declared size of a dataset read in blocks; max_array_gib: of one read at once. max_expansion: declared bytes per
    stored byte, above which a file counts as a decompression bomb. locking: False where the file system has no locks (NFS,
    Lustre), None for HDF5's default. allow: further directories in which linked files may lie. cache_mib: decompressed chunks
    that are kept of each dataset.
    """

    max_gib: float = eqx.field(converter=float, default=1024.0)
    max_array_gib: float = eqx.field(converter=float, default=2.0)
    max_expansion: float = eqx.field(converter=float, default=500.0)
    locking: bool | None = None
    allow: tuple[str, ...] = eqx.field(converter=tuple, default=())
    cache_mib: float = eqx.field(converter=float, default=16.0)

    def limits(self) -> Limits:
        cache = int(self.cache_mib * 2**20)
        return Limits(self.max_gib, self.max_array_gib, self.max_expansion, self.locking, self.allow, cache)

    def open(self, path: str) -> GuardedFile:
        return open_hdf5(path, self.limits())
