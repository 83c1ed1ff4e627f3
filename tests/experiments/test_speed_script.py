"""The speed comparison runs, and its arithmetic is right; what is fast is not a test's business."""

import importlib
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
EXPERIMENTS = ROOT / "experiments"
PEER = """import json, sys
print("chatter")
print(json.dumps({"cpu_s_per_epoch_median": 0.5, "s_per_epoch_median": 0.7, "arguments": sys.argv[1:]}))
"""


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


def test_fast_run_measures_every_question(tmp_path):
    """Two epochs on a small simulated set, every part, no peers."""
    out = tmp_path / "speed.json"
    command = [sys.executable, str(EXPERIMENTS / "speed_ptychography.py"), "--fast", "--out", str(out)]
    done = subprocess.run(
        command, capture_output=True, text=True, cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(ROOT)}
    )
    assert done.returncode == 0, done.stderr
    report = json.loads(out.read_text())
    answers = {a["question"]: a["figure"] for a in report["answers"]}
    unmeasured = [q for q, figure in answers.items() if figure is None]
    assert len(answers) == 6 and all("pty-chi" in q or "phaser" in q for q in unmeasured), done.stdout
    turn = report["subpixel"]["batch 10"]["jxrecon"][0]
    assert turn["peak_memory_mb"] > turn["memory_before_fit_mb"] > 0
    assert 0 < turn["phase_rmse_rad"] < 1
