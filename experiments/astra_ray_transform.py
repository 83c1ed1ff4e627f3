"""ASTRA's projectors on the CPU as programs of the comparison (see `timed_projector.py`), in an interpreter that has ASTRA.

    --kind linear    its kernel with linear interpolation, slice by slice, copies in and out included
    --kind matrix    the same weights as a sparse matrix, applied by SciPy to all slices at once, slices last

ASTRA's rows run upwards, so the volume is flipped on the way in. `pip install astra-toolbox scipy`
"""

import astra  # pyright: ignore[reportMissingImports]
import numpy as np
from timed_projector import arguments, report


def by_slices(arrays: dict, repeats: int, projector: int, geometry: tuple[dict, dict]) -> None:
    of_volume, of_projections = geometry
    volume, projections = (
        astra.data2d.create(kind, g) for kind, g in (("-vol", of_volume), ("-sino", of_projections))
    )
    forward, backward = (astra.astra_dict(name) for name in ("FP", "BP"))
    forward |= {"ProjectorId": projector, "ProjectionDataId": projections, "VolumeDataId": volume}
    backward |= {"ProjectorId": projector, "ProjectionDataId": projections, "ReconstructionDataId": volume}
    algorithms = [astra.algorithm.create(configuration) for configuration in (forward, backward)]

    def run(slices: np.ndarray, into: int, out_of: int, algorithm: int) -> np.ndarray:
        found = []
        for one in slices:
            astra.data2d.store(into, one)
            astra.algorithm.run(algorithm)
            found.append(astra.data2d.get(out_of))
        return np.stack(found)

    report(
        arrays,
        lambda slices: run(slices, volume, projections, algorithms[0]),
        lambda slices: run(slices, projections, volume, algorithms[1]),
        np.ascontiguousarray(arrays["volume"][:, ::-1]),
        repeats,
        lambda found: found,
        lambda found: found[:, ::-1],
        program="ASTRA linear",
        version=astra.__version__,
    )


def by_matrix(arrays: dict, repeats: int, projector: int) -> None:
    matrix = astra.matrix.get(astra.projector.matrix(projector)).tocsr().astype(np.float32)
    transposed = matrix.T.tocsr()
    volume = arrays["volume"]
    depth, views = volume.shape[0], len(arrays["angle_rad"])
    report(
        arrays,
        lambda columns: matrix @ columns,
        lambda columns: transposed @ columns,
        np.ascontiguousarray(volume[:, ::-1].reshape(depth, -1).T),
        repeats,
        lambda found: found.T.reshape(depth, views, -1),
        lambda found: found.T.reshape(volume.shape)[:, ::-1],
        program="ASTRA matrix",
        version=astra.__version__,
        matrix_mb=2 * (matrix.data.nbytes + matrix.indices.nbytes) / 1e6,
    )


def main() -> None:
    a = arguments("kind")
    with np.load(a.data) as file:
        arrays = dict(file)
    size = arrays["volume"].shape[0]
    of_volume = astra.create_vol_geom(size, size)
    of_projections = astra.create_proj_geom("parallel", 1.0, size, arrays["angle_rad"])
    projector = astra.create_projector("linear", of_projections, of_volume)
    if a.kind == "matrix":
        by_matrix(arrays, a.repeats, projector)
    else:
        by_slices(arrays, a.repeats, projector, (of_volume, of_projections))


if __name__ == "__main__":
    main()
