"""A run and what it leaves: the folder, its claim, progress, memory, failures."""

import concurrent.futures
import io
import json
import os
import shutil
import threading
from pathlib import Path

import jax
import numpy as np
import pytest
import tiny

import jxrecon
from jxrecon import cli, config, memory, outcome, progress, run_folder, runtime
from jxrecon.errors import InputError
from jxrecon.halves import SomeFrames, half
from jxrecon.measurement import ArrayFrames, single_view
from jxrecon.optimise import begin
from jxrecon.reconstruction import Reconstruction, batches_of, prepare, read


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Path:
    return tiny.write(tmp_path_factory.mktemp("data") / "tiny.npz")


@pytest.fixture(scope="module")
def finished(data, tmp_path_factory) -> Path:
    """Folder of one whole run, halves included."""
    folder = tmp_path_factory.mktemp("runs") / "whole run"
    assert cli.main(tiny.overrides(data, folder, halves="true", held_out=0.05, name="first")) == 0
    return folder


def job_of(data: Path, **settings) -> Reconstruction:
    return config.build(config.compose(tiny.overrides(data, **settings)).cfg, Reconstruction)


def test_run_leaves_everything(finished):
    left = {path.relative_to(finished).as_posix() for path in finished.rglob("*") if path.is_file()}
    assert left >= {
        *("config.yaml", "overrides.txt", "command.txt", "versions.json", "run.log", "status.json"),
        *("metrics.jsonl", "metrics.json", "result.h5", "checkpoint.h5", "report.html"),
        *("figures/object_phase.png", "figures/loss.png", "figures/ring_correlation.png"),
    }
    assert not [name for name in left if "tmp" in name]


def test_metrics_are_flat_numbers(finished):
    metrics = json.loads((finished / "metrics.json").read_text())
    for name in ("r_factor", "r_factor_heldout", "seconds_per_epoch", "peak_memory_mb"):
        assert metrics[name] > 0
    assert metrics["frc_half_bit_px"] is None or metrics["frc_half_bit_px"] >= 1.0
    assert all(value is None or isinstance(value, (int, float)) for value in metrics.values())
    assert metrics["epochs"] == 4


def test_history_has_a_line_per_epoch_and_falls(finished):
    records = run_folder.read_metrics(finished)
    assert [r["epoch"] for r in records] == [1, 2, 3, 4]
    assert [r["step"] for r in records] == [3, 6, 9, 12]
    assert records[-1]["total"] < records[0]["total"]
    assert records[0]["total"] == pytest.approx(records[0]["ptychography"])


def test_saved_config_is_resolved_absolute_and_without_hydra(finished, data):
    text = (finished / "config.yaml").read_text()
    assert "${" not in text and "hydra" not in text
    cfg = config.load(finished / "config.yaml")
    assert cfg["data"]["path"] == str(data) and cfg["name"] == "first" and cfg["held_out"] == 0.05
    assert config.build(cfg, Reconstruction).epochs == 4


def test_status_and_result_tell_the_same(finished):
    status = run_folder.read_status(finished)
    assert (status["state"], status["epoch"], status["epochs"], status["step"]) == ("finished", 4, 4, 12)
    result = jxrecon.load(finished)
    assert result.metrics["r_factor"] == json.loads((finished / "metrics.json").read_text())["r_factor"]
    assert list(result.history["epoch"]) == [1, 2, 3, 4]
    assert result.provenance["seed"] == 0


def test_report_is_drawn_again(finished, tmp_path, capsys):
    copy = shutil.copytree(finished, tmp_path / "copy")
    shutil.rmtree(copy / "figures")
    (copy / "report.html").unlink()
    assert cli.main(["report", str(copy)]) == 0
    assert (copy / "figures/object_phase.png").exists() and "<html" in (copy / "report.html").read_text()


def test_second_run_into_the_same_folder_is_refused(finished, data, capsys):
    before = {p: p.stat().st_mtime_ns for p in finished.rglob("*")}
    assert cli.main(tiny.overrides(data, finished)) == 2
    assert "already holds a run" in capsys.readouterr().err
    assert {p: p.stat().st_mtime_ns for p in finished.rglob("*")} == before


def test_folder_with_other_files_is_refused(data, tmp_path, capsys):
    (tmp_path / "thesis.tex").write_text("years of work")
    assert cli.main(tiny.overrides(data, tmp_path)) == 2
    assert "not empty" in capsys.readouterr().err


def test_unwritable_folder_is_one_line(data, tmp_path, capsys):
    (tmp_path / "file").write_text("")
    assert cli.main(tiny.overrides(data, tmp_path / "file" / "run")) == 2
    assert "cannot make this folder" in capsys.readouterr().err


def test_32_simultaneous_starts_make_32_folders(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    barrier = threading.Barrier(32)

    def start(_):
        barrier.wait()
        return run_folder.create(None, "same", "a: 1\n", []).path

    with concurrent.futures.ThreadPoolExecutor(32) as pool:
        assert len(set(pool.map(start, range(32)))) == 32
    assert len(list((tmp_path / "runs/same").iterdir())) == 32


def test_one_of_many_gets_a_folder_that_all_want(tmp_path):
    barrier = threading.Barrier(16)

    def start(_):
        barrier.wait()
        try:
            return run_folder.create(tmp_path / "wanted", "x", "a: 1\n", [])
        except InputError as error:
            return str(error)

    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        outcomes = list(pool.map(start, range(16)))
    assert sum(isinstance(o, run_folder.RunFolder) for o in outcomes) == 1
    assert all("choose a" in o for o in outcomes if isinstance(o, str))


def test_non_finite_numbers_are_null_in_the_history(tmp_path):
    folder = run_folder.create(tmp_path / "run", "x", "a: 1\n", [])
    folder.append_metrics({"epoch": 1, "loss": float("nan"), "chunk": 1})
    folder.append_metrics({"epoch": 2, "loss": float("inf"), "chunk": 2})
    with (folder.path / "metrics.jsonl").open("a") as file:
        file.write('{"epoch": 3, "lo')  # killed in mid-line
    assert [r["loss"] for r in run_folder.read_metrics(folder.path)] == [None, None]
    folder.forget_after(1)
    assert (folder.path / "metrics.jsonl").read_text().count("\n") == 1


def test_fit_that_explodes_stops_with_its_last_finite_state(data, tmp_path, capsys):
    """A weight of 1e38 overflows float32 in the first step."""
    wild = tiny.overrides(data, tmp_path / "run", **{"objective.terms.ptychography.weight": 1e38})
    assert cli.main(wild) == 1
    told = capsys.readouterr().err.strip().splitlines()[-1]
    assert "not finite" in told and "object" in told and "step" in told
    assert run_folder.read_status(tmp_path / "run")["state"] == "failed"
    assert not (tmp_path / "run/result.h5").exists()
    pieces = prepare(job_of(data))
    from jxrecon import checkpoint

    state, _ = checkpoint.load(
        tmp_path / "run/checkpoint.h5", begin(pieces.parameters, pieces.job.free(), pieces.job.epochs)
    )
    assert all(np.isfinite(np.asarray(x)).all() for x in jax.tree.leaves(state.parameters))


def test_unreadable_data_leave_nothing(tmp_path, capsys):
    path = tiny.write(tmp_path / "tiny.npz")
    path.write_bytes(path.read_bytes()[:2000])
    assert cli.main(tiny.overrides(path, tmp_path / "run")) == 2
    assert str(path) in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


def test_simulation_writes_a_set_that_can_be_reconstructed(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    small = ["simulation.frame_shape=[64,64]", "simulation.scan.count=9"]
    assert cli.main(["experiment=simulate_ptychography", *small, f"hydra.run.dir={tmp_path}/set"]) == 0
    (_, measurement) = read(job_of(tmp_path / "set/data.h5"))["ptychography"]
    assert measurement.frames.shape == (9, 64, 64)


def test_halves_are_disjoint_and_complete():
    frames = np.arange(7, dtype=np.float32)[:, None, None] * np.ones((1, 2, 2), np.float32)
    whole = single_view(ArrayFrames(frames), np.zeros((7, 2)))
    parts = [half(whole, which) for which in (0, 1)]
    seen = [part.frames.read(np.arange(part.scan_count))[:, 0, 0].tolist() for part in parts]
    assert seen == [[0, 2, 4, 6], [1, 3, 5]]
    assert SomeFrames(whole.frames, np.array([5, 1])).read(np.array([0])).max() == 5


def test_a_warm_start_gets_no_ring_correlation(finished, data, tmp_path, capsys):
    """Two halves that begin with the reconstruction of the whole scan would agree whatever the data."""
    changes = {"halves": "true", "initial": "result", "initial.path": f"'{finished}'"}
    folder = tmp_path / "warm"
    assert cli.main(tiny.overrides(data, folder, **changes)) == 0
    assert "both halves would begin with the same specimen" in capsys.readouterr().err
    assert json.loads((folder / "metrics.json").read_text())["frc_half_bit_px"] is None


def test_free_parameters_nest_and_null_freezes(data):
    job = job_of(data)
    assert set(job.free()) == {"object", "probe.modes"}
    frozen = job_of(data, **{"optimisers.probe": "null"})
    assert set(frozen.free()) == {"object"}


def test_predicted_memory_holds_frames_and_unknowns(data):
    job = job_of(data)
    measurements = read(job)
    found = memory.predict(job, job.objective.bind(measurements), batches_of(job, measurements))
    frames = tiny.FRAMES * tiny.SIZE**2 * 4
    assert found.frames == pytest.approx(frames, rel=0.2)  # with the mask and the folds
    assert found.device > found.frames + found.unknowns > frames
    pieces = prepare(job)
    state = begin(pieces.parameters, job.free(), job.epochs)
    assert found.unknowns == memory.nbytes((pieces.parameters, state.optimiser))


def test_check_refuses_what_does_not_fit(data, capsys, monkeypatch):
    assert cli.main(["check", *tiny.overrides(data)]) == 0
    assert "memory" in capsys.readouterr().out
    monkeypatch.setattr(runtime, "memory_bytes", lambda: 100 << 20)
    assert cli.main(["check", *tiny.overrides(data)]) == 2
    told = capsys.readouterr().err
    assert "there are 100 MiB" in told and "lower `" in told


def test_progress_is_a_line_now_and_then_without_a_terminal(monkeypatch):
    clock = iter([0.0, 1.0, 2.0, 7.0, 8.0, 20.0])
    monkeypatch.setattr(progress.time, "monotonic", lambda: next(clock))
    stream = io.StringIO()
    with progress.Progress(10, stream=stream) as shown:
        for epoch, loss in ((1, 5.0), (2, 4.0), (5, 3.0), (6, 2.0), (10, 1.0)):
            shown.update(epoch, 3 * epoch, loss)
    lines = stream.getvalue().splitlines()
    assert lines == [
        "epoch 5/10  step 15  loss 3  7 s, 7 s left",
        "epoch 10/10  step 30  loss 1  20 s, 0 s left",
    ]


def test_progress_is_a_bar_on_a_terminal():
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    stream = Terminal()
    with progress.Progress(4, start=1, stream=stream) as shown:
        shown.update(4, 12, 0.5)
    assert "4/4" in stream.getvalue() and "step 12, loss 0.5" in stream.getvalue()


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.2, "0 s"), (59, "59 s"), (61, "1 min 01 s"), (7800, "2 h 10 min")]
)
def test_durations_are_said_as_people_do(seconds, text):
    assert progress.duration(seconds) == text


def test_time_per_epoch_leaves_the_compiling_chunk_out():
    records = [
        {"chunk": c, "epoch": c // 2, "seconds": s} for c, s in ((1, 9.0), (2, 1.0), (3, 1.0), (4, 1.2))
    ]
    assert outcome.timing(records)["seconds_per_epoch"] == pytest.approx(2.0)


def test_compilation_cache_is_chosen_by_the_user(monkeypatch, tmp_path):
    monkeypatch.setenv("JAX_COMPILATION_CACHE_DIR", str(tmp_path / "a"))
    assert runtime.cache_folder() == tmp_path / "a"
    monkeypatch.delenv("JAX_COMPILATION_CACHE_DIR")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "b"))
    assert runtime.cache_folder().parent == tmp_path / "b/jxrecon"
    assert runtime.usable(tmp_path / "c") and os.stat(tmp_path / "c").st_mode & 0o077 == 0
    (tmp_path / "file").write_text("")
    assert not runtime.usable(tmp_path / "file" / "d")
