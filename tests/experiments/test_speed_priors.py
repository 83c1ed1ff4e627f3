"""The table of the priors' costs runs; what is fast is not a test's business."""

import json
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_every_figure_is_there(tmp_path):
    command = [
        sys.executable,
        str(ROOT / "experiments/speed_priors.py"),
        "--fast",
        "--out",
        str(tmp_path / "speed.json"),
    ]
    command += ["--only", "double_well", "two_point_correlation, 16 lags", "radial_profile, 20 shells"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "JAX_PLATFORMS": "cpu"}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=True)
    report = json.loads((tmp_path / "speed.json").read_text())
    assert len(report["priors"]) == 3 and report["voxels"] == [40, 40, 40]
    for record in report["priors"].values():
        assert 0 < record["least_cpu_ms"] <= record["cpu_ms"] and record["compile_cpu_s"] > 0
    assert report["priors"]["radial_profile, 20 shells"]["bar_ms"] == 20
    assert "value and gradient" in done.stdout
