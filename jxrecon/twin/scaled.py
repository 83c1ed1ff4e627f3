"""Another scene, denser by a factor: the beam sees as much of it as of one that is so many times thicker, at the same pixels."""

import dataclasses

from .scene import AbstractScene, BallWithHoles


class Scaled(AbstractScene):
    """`scene` with all its electron densities multiplied by `factor`."""

    scene: AbstractScene = BallWithHoles()
    factor: float = 1.0

    def __check_init__(self):
        if not self.factor > 0:
            raise ValueError(f"`factor` is {self.factor}; expected more than 0.")

    @property
    def shape(self) -> tuple[int, int, int]:
        return self.scene.shape

    @property
    def voxel_m(self) -> float:
        return self.scene.voxel_m

    def matter(self, seed, finer=1):
        found = self.scene.matter(seed, finer)
        return dataclasses.replace(found, electron_density=self.factor * found.electron_density)
