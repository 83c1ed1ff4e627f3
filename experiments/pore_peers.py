"""Local thickness by PoreSpy and localthickness: the peers of `pore_sizes.py`, run by an interpreter that has both.

    python pore_peers.py IN.npz OUT.npz

Every array of IN is a volume of pores. OUT holds, for NAME and METHOD, the map of radii in voxels as `NAME/METHOD`, and as
`NAME/METHOD/cpu_s` the CPU seconds of the faster of two calls, compilation before them. Methods:

    porespy      PoreSpy's default, balls of whole radii
    porespy_all  its method `legacy` with every distance that occurs as a radius: the one that is exact
    dahl         localthickness at full scale
"""

import sys
import time

import edt  # pyright: ignore[reportMissingImports]
import localthickness  # pyright: ignore[reportMissingImports]
import numpy as np
import porespy  # pyright: ignore[reportMissingImports]


def all_radii(pore: np.ndarray) -> np.ndarray:
    sizes = np.unique(edt.edt(pore)[pore])
    return porespy.filters.local_thickness(pore, method="legacy", sizes=sizes)


METHODS = {
    "porespy": porespy.filters.local_thickness,
    "porespy_all": all_radii,
    "dahl": localthickness.local_thickness,
}


def main() -> None:
    porespy.settings.tqdm["disable"] = True
    volumes, found = np.load(sys.argv[1]), {}
    small = np.zeros((16, 16, 16), bool)
    small[4:9, 4:9, 4:9] = True
    for method in METHODS.values():
        method(small)
    for name in volumes.files:
        for label, method in METHODS.items():
            seconds = []
            for _ in range(2):
                start = time.process_time()
                radius = method(volumes[name])
                seconds.append(time.process_time() - start)
            found[f"{name}/{label}"] = np.asarray(radius, np.float32)
            found[f"{name}/{label}/cpu_s"] = min(seconds)
    np.savez_compressed(sys.argv[2], allow_pickle=False, **found)


if __name__ == "__main__":
    main()
