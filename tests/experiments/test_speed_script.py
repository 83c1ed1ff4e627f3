"""The speed comparison runs, and its arithmetic is right; what is fast is not a test's business."""

import importlib
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

EXPERIMENTS = Path(__file__).parents[2] / "experiments"
PEER = """import json, sys
print("chatter")
print(json.dumps({"cpu_s_per_epoch_median": 0.5, "s_per_epoch_median": 0.7, "arguments": sys.argv[1:]}))
"""
# 25 ms per epoch, 16 ms at whole pixels; two devices 1.8 times faster; half of a batch's frames (1 MB each) copied.
WORKER = """import argparse, json
p = argparse.ArgumentParser()
p.add_argument("data")
p.add_argument("--integer", action="store_true")
for name in ("--batch", "--epochs", "--devices"):
    p.add_argument(name, type=int, default=1)
a = p.parse_args()
cpu = 0.016 if a.integer else 0.025
wall = 0.09 / (1.8 if a.devices == 2 else 1)
figures = {"cpu_s_per_epoch_median": cpu, "s_per_epoch_median": wall, "s_per_epoch_min": wall}
memory = {"peak_memory_mb": 300 + 0.5 * a.batch, "compile_and_first_epoch_cpu_s": 3.0}
print(json.dumps(figures | memory))
"""
FLOOR = """import json
print(json.dumps({"cpu_s_per_epoch_median": 0.01, "s_per_epoch_median": 0.01}))
"""
FAKES = {"worker": WORKER, "floor": FLOOR}


@pytest.fixture
def contest(monkeypatch):
    monkeypatch.syspath_prepend(str(EXPERIMENTS))
    return importlib.import_module("contest")


def script(folder: Path, name: str, text: str) -> str:
    (folder / name).write_text(text)
    return str(folder / name)


def test_turns_are_interleaved_and_a_failure_is_not_repeated(contest, tmp_path):
    good = contest.Contestant("good", (sys.executable, script(tmp_path, "good.py", PEER)))
    bad = contest.Contestant(
        "bad", (sys.executable, script(tmp_path, "bad.py", "raise SystemExit('no module x')"))
    )
    said: list[str] = []
    turns = contest.contest([good, bad], tmp_path, 2, say=said.append)
    assert [line.split()[1].rstrip(":") for line in said] == ["good", "bad", "good"]
    assert turns["bad"] == [turns["bad"][0]] and "no module x" in turns["bad"][0]["failed"]
    answers = importlib.import_module("answers")
    assert answers.median(turns["good"], contest.CPU) == 0.5
    assert answers.median(turns["bad"], contest.CPU) is None
    assert "0.5000" in answers.table(turns, contest.CPU) and answers.ratio(1.0, None) is None


def test_a_contestant_is_pinned_to_its_cores(contest, tmp_path):
    if not contest.usable_cores():
        pytest.skip("this system cannot pin a process to a core")
    ask = "import json, os; print(json.dumps({'cores': sorted(os.sched_getaffinity(0))} | dict.fromkeys(%r, 1.0)))"
    path = script(tmp_path, "ask.py", ask % ((contest.CPU, contest.WALL),))
    record = contest.turn(contest.Contestant("ask", (sys.executable, path)), tmp_path, 60)
    assert record["cores"] == contest.usable_cores()[-1:]


def test_peers_are_called_in_their_own_interpreter_with_batch_and_epochs(contest, tmp_path):
    peers = importlib.import_module("peers")
    script(tmp_path, peers.LSQML.script, PEER)
    found = peers.contestants(peers.SUBPIXEL, tmp_path, {"ptychi": sys.executable}, tmp_path / "x.npz", 10, 7)
    assert [c.name for c in found] == ["pty-chi LSQML", "pty-chi autodiff"]
    record = contest.turn(found[0], tmp_path, 60)
    said = record["arguments"]
    assert said[said.index("--batch") + 1] == "10" and said[said.index("--epochs") + 1] == "7"
    assert said[said.index("--engine") + 1] == "lsqml" and said[said.index("--threads") + 1] == "1"


def test_answers_are_the_ratios_that_they_name(contest, tmp_path):
    """Programs of known speed in the place of the real ones."""
    speed = importlib.import_module("speed_ptychography")
    np.savez(
        tmp_path / "x.npz", intensity=np.zeros((10, 500, 500), np.float32), positions_px=np.zeros((10, 2))
    )
    worker, floor = (Path(script(tmp_path, f"{name}.py", text)) for name, text in FAKES.items())
    for name in ("ptychi_ptycho", "phaserem_ptycho"):
        script(tmp_path, f"{name}.py", PEER)
    setup = speed.Setup(
        data=tmp_path / "x.npz",
        peer_folder=tmp_path,
        python={},
        device="cpu",
        epochs=1,
        repeats=1,
        batches=(10,),
        memory_batches=(10, 110),
        worker=worker,
        floor=floor,
    )
    answers = [answer for part in speed.PARTS for answer in part(setup, tmp_path)[1]]
    assert [a.figure for a in answers] == pytest.approx([20.0, 20.0, 3.0, 1.6, 1.8, 0.5])
    assert [a.met for a in answers] == [True, True, True, False, True, True]


def test_fast_run_measures_the_real_program(tmp_path):
    """Two epochs on a small simulated set, beside the transforms alone."""
    out = tmp_path / "speed.json"
    command = [sys.executable, str(EXPERIMENTS / "speed_ptychography.py"), "--fast", "--only", "integer"]
    done = subprocess.run(
        [*command, "--out", str(out)], capture_output=True, text=True, cwd=tmp_path, env=dict(os.environ)
    )
    assert done.returncode == 0, done.stderr
    report = json.loads(out.read_text())
    (answer,) = report["answers"]
    assert answer["figure"] > 0, done.stdout
    (turn,) = report["integer"]["jxrecon, batch 10"]
    assert turn["peak_memory_mb"] > turn["memory_before_fit_mb"] > 0
    assert 0 < turn["phase_rmse_rad"] < 1
