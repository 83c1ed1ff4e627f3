"""The whole analysis of a volume: of balls with holes that are known, of what is no clean particle, with the task's files."""

import json
from collections.abc import Mapping

import numpy as np
import pytest
import tifffile

from jxrecon.analysis.morphology import morphology_of, size_edges
from jxrecon.analysis.particle_mask import dice, particle_of
from jxrecon.analysis.porosity import Chemistry
from jxrecon.data.volume_file import VolumeFile
from jxrecon.data.write_maps import write_maps
from jxrecon.errors import InputError
from jxrecon.figures import canvas
from jxrecon.tasks.morphology import ParticleMorphology
from jxrecon.twin.particle import preset
from jxrecon.twin.simulated_volume import SimulatedVolume

VOXEL_M = 20e-9
Z, Y, X = np.meshgrid(*(np.arange(48) - 23.5,) * 3, indexing="ij")
HOLES = [(0, 0, -8, 5), (8, 3, 4, 4), (-7, -5, 6, 3)]


def holes():
    found = np.zeros(Z.shape, bool)
    for z, y, x, r in HOLES:
        found |= (Z - z) ** 2 + (Y - y) ** 2 + (X - x) ** 2 < r**2
    return found


BALL, HOLE = Z**2 + Y**2 + X**2 < 19**2, holes()
DENSITY = np.where(BALL & ~HOLE, 0.95, 0).astype(np.float32)


def known(metrics: Mapping[str, float | int | None]) -> dict[str, float]:
    """Those that there are."""
    return {name: value for name, value in metrics.items() if value is not None}


def test_a_ball_with_holes():
    found = morphology_of(DENSITY, VOXEL_M, look_for_cracks=False, chemistry=Chemistry(1.17))
    numbers = known(found.metrics())
    assert numbers["porosity"] == pytest.approx(HOLE.sum() / BALL.sum(), rel=0.01)
    assert numbers["porosity_low"] <= numbers["porosity"] <= numbers["porosity_high"]
    assert numbers["density_mean"] == pytest.approx(0.95 * (1 - HOLE.sum() / BALL.sum()), abs=0.003)
    assert numbers["particle_diameter_um"] == pytest.approx(0.76, abs=0.005)
    assert numbers["pore_largest_nm_2r"] == pytest.approx(numbers["pore_largest_nm"] + 20)
    assert numbers["pore_largest_nm"] == pytest.approx(154, abs=1)  # a ball of 10 voxels about a corner
    assert numbers["porosity_whole_round"] == pytest.approx(1 - numbers["density_mean"], abs=1e-4)
    assert numbers["porosity_whole_round_chemistry"] == pytest.approx(
        numbers["porosity_whole_round"], abs=1e-6
    )
    assert numbers["porosity_whole_crystal"] == pytest.approx(1 - numbers["density_mean"] / 1.227, abs=1e-4)
    sizes = found.sizes_in(size_edges(VOXEL_M, up_to_m=240e-9), 0.0)
    assert sizes.share.sum() == pytest.approx(1)
    json.dumps(numbers, allow_nan=False)


def test_no_pore_and_a_cut_particle_are_labelled():
    solid = morphology_of(np.where(BALL, 0.95, 0).astype(np.float32), VOXEL_M)
    assert solid.warnings[0].endswith("no pores are resolved") and solid.metrics()["porosity"] == 0
    assert solid.metrics()["pore_mean_nm"] is None
    cut = morphology_of(DENSITY[:, :, 20:], VOXEL_M, look_for_cracks=False)
    assert cut.particle.cut and cut.metrics()["warnings"] == 1
    holed = DENSITY.copy()
    holed[24, 24, 24] = np.nan
    spoilt = morphology_of(holed, VOXEL_M, look_for_cracks=True)
    assert "1 voxels" in spoilt.warnings[0]
    assert spoilt.metrics()["density_mean"] == pytest.approx(0.95 * (1 - HOLE.sum() / BALL.sum()), abs=0.003)


def test_a_simulated_volume_beside_its_truth(tmp_path, monkeypatch):
    monkeypatch.setattr(canvas, "DPI", 40)
    (tmp_path / "figures").mkdir()
    data = SimulatedVolume(
        preset("mini", state="cycled_small", supersample=1), blur_nm=60.0, noise=0.05, seed=1
    )
    found = known(ParticleMorphology(data, lithium=0.7, lost_oxygen=0.12, volume_change=0.06)(tmp_path, 0))
    assert found["mask_dice"] > 0.99 and 0.5 < found["pore_dice"] < 1
    assert found["density_mean"] == pytest.approx(found["true_density_mean"], abs=0.02)
    assert found["density_shell_less_core"] < -0.05
    assert found["porosity_whole_round_chemistry"] < found["porosity_whole_round"] - 0.08
    names = {p.stem for p in (tmp_path / "figures").glob("*.png")}
    assert {"particle", "pores_and_density", "pores", "radial_density", "orthoslices"} < names
    again = VolumeFile(str(tmp_path / "maps.h5")).read()
    assert np.allclose(
        again.electron_density, data.read().electron_density
    ) and again.voxel_m == pytest.approx(40e-9)


def test_pores_by_marks_in_a_file(tmp_path):
    rng = np.random.default_rng(0)
    noisy = (DENSITY + rng.normal(0, 0.15, DENSITY.shape)).astype(np.float32)
    write_maps(tmp_path / "noisy.h5", {"density": (noisy, "")}, (0.02,) * 3)
    marks = np.where(BALL & (rng.uniform(size=BALL.shape) < 0.05), np.where(HOLE, 1, 2), 0).astype(np.uint8)
    tifffile.imwrite(tmp_path / "marks.tif", marks)
    data = VolumeFile(str(tmp_path / "noisy.h5"))
    density = data.read().electron_density
    particle = particle_of(density)
    trained = ParticleMorphology(data, segmentation="trained", marks=str(tmp_path / "marks.tif"))
    pore, chance, numbers = trained.pores(density, particle)
    assert numbers["porosity_expected"] == pytest.approx(HOLE.sum() / BALL.sum(), rel=0.15)
    assert dice(pore & particle.mask, HOLE) > 0.9 and chance.shape == density.shape
    pore, _, numbers = ParticleMorphology(data, segmentation="otsu").pores(density, particle)
    assert 0.3 < numbers["otsu_level"] < 0.7 and dice(pore & particle.mask, HOLE) > 0.8
    assert ParticleMorphology(data).pores(density, particle) == (None, None, {})


def test_settings_that_mean_nothing():
    for settings in ({"segmentation": "weka"}, {"segmentation": "trained"}, {"marks": "x"}):
        with pytest.raises(InputError, match="`segmentation` is 'weka'|`marks`"):
            ParticleMorphology(None, **settings)
