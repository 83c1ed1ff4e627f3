"""The data set on which speed is measured when none is given: a far-field scan of a layered porous particle, plain layout, NPZ.

python experiments/simulated_set.py FILE [--count 100] [--size 128] [--seed 0]
"""

import argparse

from jxrecon.twin.ptychography import SimulatedPtychography
from jxrecon.twin.scan import FermatSpiral

FIELD_OF_DETECTOR_M = 344e-6 * 128  # the pitch of the object's pixels follows from it


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("file")
    parser.add_argument("--count", type=int, default=100, help="frames")
    parser.add_argument("--size", type=int, default=128, help="pixels along an edge of a frame")
    parser.add_argument("--seed", type=int, default=0)
    a = parser.parse_args()
    twin = SimulatedPtychography(
        scan=FermatSpiral(count=a.count),
        frame_shape=(a.size, a.size),
        detector_pixel_m=FIELD_OF_DETECTOR_M / a.size,
    )
    twin.write(a.file, seed=a.seed)


if __name__ == "__main__":
    main()
