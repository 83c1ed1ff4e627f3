"""Stopping and going on: the same result to the last bit, whatever the signal and the moment."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import jax
import numpy as np
import pytest
import tiny

import jxrecon
from jxrecon import cli, outcome, run_folder
from jxrecon.signals import SIGNALS, STOPPED, StopRequest

ROOT = Path(__file__).parent.parent
EPOCHS = 12


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Path:
    return tiny.write(tmp_path_factory.mktemp("data") / "tiny.npz")


@pytest.fixture(autouse=True)
def no_figures(monkeypatch):
    """Figures have tests of their own."""
    monkeypatch.setattr(outcome, "show", lambda *_: None)


@pytest.fixture(scope="module")
def uninterrupted(data, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("runs") / "reference"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(outcome, "show", lambda *_: None)
        assert cli.main(tiny.overrides(data, folder, epochs=EPOCHS)) == 0
    return folder


def signals_at(monkeypatch, chunks: dict[int, signal.Signals]) -> None:
    """Raise a signal while a chunk is written down; a chunk that comes again after a resume is left alone."""
    write_down = run_folder.RunFolder.append_metrics

    def interrupted(self, record):
        write_down(self, record)
        if record["chunk"] in chunks:
            signal.raise_signal(chunks.pop(record["chunk"]))

    monkeypatch.setattr(run_folder.RunFolder, "append_metrics", interrupted)


def same(a: Path, b: Path) -> bool:
    """Equal parameters and equal histories, to the last bit; times aside."""
    one, two = jxrecon.load(a), jxrecon.load(b)
    leaves = zip(jax.tree.leaves(one.parameters), jax.tree.leaves(two.parameters), strict=True)
    histories = ([{**r, "seconds": 0} for r in run_folder.read_metrics(f)] for f in (a, b))
    return all(np.array_equal(x, y) for x, y in leaves) and next(histories) == next(histories)


def test_stopped_runs_end_as_the_uninterrupted_one(data, uninterrupted, tmp_path, monkeypatch, count, capsys):
    rng = random.Random(0)
    for number in range(count(20)):
        folder = tmp_path / str(number)
        moments = rng.sample(range(1, EPOCHS), 2)
        signals_at(monkeypatch, {moment: rng.choice(SIGNALS) for moment in moments})
        assert cli.main(tiny.overrides(data, folder, epochs=EPOCHS)) == STOPPED
        status = run_folder.read_status(folder)
        assert (status["state"], status["epoch"]) == ("stopped", min(moments))
        assert f"jxrecon resume {folder}" in capsys.readouterr().err
        assert not (folder / "result.h5").exists()
        assert cli.main(["resume", str(folder)]) == STOPPED
        assert cli.main(["resume", str(folder)]) == 0
        assert same(folder, uninterrupted)


def test_signal_after_the_last_step_does_not_lose_the_result(data, uninterrupted, tmp_path, monkeypatch):
    signals_at(monkeypatch, {EPOCHS: signal.SIGTERM})
    assert cli.main(tiny.overrides(data, tmp_path / "run", epochs=EPOCHS)) == STOPPED
    assert cli.main(["resume", str(tmp_path / "run")]) == 0
    assert same(tmp_path / "run", uninterrupted)


def test_finished_run_says_so_and_stays_as_it_is(uninterrupted, capsys):
    before = (uninterrupted / "result.h5").read_bytes()
    assert cli.main(["resume", str(uninterrupted)]) == 0
    assert "finished" in capsys.readouterr().out
    assert (uninterrupted / "result.h5").read_bytes() == before


def test_more_epochs_go_on_from_the_end(data, tmp_path):
    folder = tmp_path / "run"
    assert cli.main(tiny.overrides(data, folder, epochs=3)) == 0
    assert cli.main(["resume", str(folder), "epochs=5"]) == 0
    assert [r["epoch"] for r in run_folder.read_metrics(folder)] == [1, 2, 3, 4, 5]
    assert "epochs: 5" in (folder / "config.yaml").read_text()


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ("seed=3", "may not change `seed`"),
        ("epoch=3", "the nearest is `epochs`"),
        ("epochs=x", "expected integer"),
        ("epochs=3", f"has done {EPOCHS} already"),
    ],
)
def test_resumed_run_may_not_become_another(uninterrupted, change, says, capsys):
    assert cli.main(["resume", str(uninterrupted), change]) == 2
    assert says in capsys.readouterr().err


def test_edited_config_is_noticed(data, tmp_path, monkeypatch, capsys):
    signals_at(monkeypatch, {2: signal.SIGTERM})
    folder = tmp_path / "run"
    assert cli.main(tiny.overrides(data, folder, epochs=EPOCHS)) == STOPPED
    text = (folder / "config.yaml").read_text()
    (folder / "config.yaml").write_text(text.replace("batch_size: 4", "batch_size: 6"))
    assert cli.main(["resume", str(folder)]) == 2
    assert "another configuration" in capsys.readouterr().err
    (folder / "config.yaml").write_text(text + "hydra: {callbacks: {x: {_target_: os.system}}}\n")
    assert cli.main(["resume", str(folder)]) == 2
    assert "`hydra` node" in capsys.readouterr().err


def test_running_run_is_not_resumed_by_another(tmp_path, capsys):
    folder = run_folder.create(tmp_path / "run", "x", "epochs: 1\n", [])
    assert cli.main(["resume", str(folder.path)]) == 2
    assert "still going on" in capsys.readouterr().err
    folder.release()
    run_folder.reopen(folder.path).release()


def test_handlers_only_set_a_flag_and_come_back(capfd):
    before = [signal.getsignal(s) for s in SIGNALS]
    with StopRequest() as stop:
        assert not stop
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGINT):  # impatience does no harm
            signal.raise_signal(number)
        assert stop and stop.name == "SIGINT"
    assert [signal.getsignal(s) for s in SIGNALS] == before


def launch(*arguments: str) -> subprocess.Popen:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "JAX_PLATFORMS": "cpu"}
    return subprocess.Popen(
        [sys.executable, "-m", "jxrecon", *arguments], env=environment, stderr=subprocess.PIPE, text=True
    )


def wait_for_epochs(folder: Path, epochs: int, process: subprocess.Popen) -> None:
    while len(run_folder.read_metrics(folder)) < epochs:
        assert process.poll() is None, process.communicate()[1]
        time.sleep(0.02)


def test_real_signals_to_a_real_process(data, tmp_path):
    """SIGTERM, and more of it while it leaves: exit code 75; then SIGKILL: at most one interval is lost."""
    folder = tmp_path / "run"
    process = launch(*tiny.overrides(data, folder, epochs=100_000, save_every_s=0.1))
    wait_for_epochs(folder, 3, process)
    process.send_signal(signal.SIGTERM)
    while process.poll() is None:  # the handlers must hold until the interpreter is gone
        process.send_signal(signal.SIGTERM)
        time.sleep(0.01)
    assert process.returncode == STOPPED
    assert process.communicate()[1].count("go on with") == 1
    stopped_at = run_folder.read_status(folder)["epoch"]

    process = launch("resume", str(folder))
    wait_for_epochs(folder, stopped_at + 50, process)
    process.kill()
    process.wait()
    process.communicate()
    records = run_folder.read_metrics(folder)
    from jxrecon import checkpoint

    saved = checkpoint.read_meta(folder / "checkpoint.h5")["epoch"]
    assert stopped_at <= saved <= records[-1]["epoch"]
    lost = sum(r["seconds"] for r in records if r["epoch"] > saved)
    assert lost < 5  # an interval of 0.1 s, and the time that a loaded machine takes to write
    assert json.loads((folder / "status.json").read_text())["state"] == "running"
    assert cli.main(["resume", str(folder), f"epochs={records[-1]['epoch']}"]) == 0
    assert [r["epoch"] for r in run_folder.read_metrics(folder)] == list(range(1, records[-1]["epoch"] + 1))
