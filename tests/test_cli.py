"""The command line: wrong commands, help, printing of configs, completion, sweeps, doctor and collect."""

import json
import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from jxrecon import cli

ROOT = Path(__file__).parent.parent
TERM = "objective.terms.ptychography"
NOISE = f"{TERM}.noise"
DATA = "data.path=missing.h5"


def test_help_lists_every_verb(capsys):
    assert cli.main(["--help"]) == 0
    text = capsys.readouterr().out
    for verb in cli.VERBS:
        assert f"  {verb} " in text
        assert (ROOT / "jxrecon" / "verbs" / f"{verb}.py").exists()


@pytest.mark.parametrize("verb", cli.VERBS)
def test_every_verb_explains_itself(verb, capsys):
    assert cli.main([verb, "--help"]) == 0
    assert len(capsys.readouterr().out.splitlines()) > 5


WRONG = [
    (["chekc"], "the nearest is `check`"),
    (["reume", "RUN"], "the nearest is `resume`"),
    (["frobnicate"], "expected one of `check`"),
    (["epochs"], "neither a verb nor `key=value`"),
    (["--verison"], "the nearest is `--version`"),
    (["--multirnu", DATA], "the nearest is `--multirun`"),
    (["--cfg", "jop"], "invalid choice: 'jop'"),
    (["--config-dir"], "expected one argument"),
    (["--config-dir", "nowhere", DATA], "no such folder"),
    (["resume"], "required: RUN"),
    (["resume", "nowhere"], "no such run folder"),
    (["resume", "nowhere", "seed=3"], "no such run folder"),
    (["report", "nowhere"], "no such run folder"),
    (["collect", "nowhere"], "no such folder"),
    (["inspect"], "required: FILE"),
    (["inspect", "missing.h5"], "missing.h5"),
    (["-sc", "instal=bash"], "the nearest is `install`"),
    (["-sc", "install=bsh"], "the nearest is `bash`"),
    (["experiment=simulatde"], "the nearest is `simulated`"),
    (["experiment=../../secret"], "by its name, not by a path"),
    (["epoch=3", DATA], "`epoch` is no key of this config; the nearest is `epochs`"),
    (["batchsize=3", DATA], "the nearest is `batch_size`"),
    (["optimizers.object.learning_rate=1", DATA], "the nearest is `optimisers.object.learning_rate`"),
    (["optimisers.object.learning_rat=1", DATA], "the nearest is `optimisers.object.learning_rate`"),
    ([f"{NOISE}.flor=1", DATA], f"the nearest is `{NOISE}.floor`"),
    ([f"+{NOISE}.flor=1", DATA], f"`{NOISE}.flor` is no argument of `Amplitude`; the nearest is `floor`"),
    (["~optimisers.objct", DATA], "the nearest is `optimisers.object`"),
    (["noise=poison", DATA], "the nearest is `poisson`"),
    (["model=ptychografy", DATA], "the nearest is `ptychography`"),
    (["epochs=many", DATA], "`epochs` is 'many' (str); expected integer"),
    (["epochs=1.5", DATA], "`epochs` is 1.5 (float); expected integer"),
    (["epochs=-1", DATA], "`epochs` is -1; expected 0 to"),
    (["epochs=100000000000", DATA], "expected 0 to"),
    (["experment=ptychography", DATA], "the nearest is `experiment`"),
    (["optimisers.object.learning_rate=-1", DATA], "`learning_rate` is -1.0; expected 0 to"),
    (["optimisers.object.learning_rate=inf", DATA], "`learning_rate`"),
    (["optimisers.object.start=-5", DATA], "`start` is -5"),
    (["optimisers.object.stop=0", DATA], "`stop` after `start`"),
    (["batch_size=0", DATA], "`batch_size` is 0"),
    (["held_out=1.5", DATA], "`held_out` is 1.5"),
    (["precision=float23", DATA], "the nearest is `float32`"),
    (["order=compct", DATA], "the nearest is `compact`"),
    (["devices=1000", DATA], "`devices` is 1000"),
    (["optimisers.object.learning_rate=fast", DATA], "expected number"),
    (["optimisers.object=3", DATA], "`optimisers.object` is 3 (int)"),
    (["optimisers=null", DATA], "`optimisers`"),
    ([f"{NOISE}._target_=os.system", DATA], "outside `jxrecon`"),
    ([f"+{NOISE}._args_=[ls]", DATA], "is not allowed"),
    ([f"{NOISE}._target_=jxrecon.noise.Poison", DATA], "the nearest is `Poisson`"),
    ([f"{NOISE}._target_=jxrecon.optimisers.Adam", DATA], "is a `Adam`; expected a node whose"),
    ([f"{NOISE}.floor=-1", DATA], "expected a number above 0"),
    (["seed=1,2", DATA], "`-m` runs them all"),
    (["sweep=dose", DATA], "start them with `-m`"),
    (["name='my run'", DATA], "it names a folder"),
    (["seed=[", DATA], "is not understood"),
    (["seed=${nothing}", DATA], "nothing"),
    (["data.path=missing.h5"], "missing.h5"),
    (["epochs=1"], "`data.path` is missing"),
    (["check", "experiment=nothing"], "there is no `experiment=nothing`"),
    (["check", "data.path=missing.h5"], "missing.h5"),
    (["+hydra.callbacks.x._target_=os.system", DATA], "`hydra.callbacks.x._target_` cannot be set"),
    (["hydra.job.env_set.PATH=/tmp", DATA], "cannot be set"),
    (["hydra.launcher._target_=os.system", DATA], "cannot be set"),
    (["hydra.sweeper._target_=os.system", DATA], "cannot be set"),
    (["hydra.searchpath=[file:///tmp]", DATA], "cannot be set"),
    (["hydra/launcher=evil", DATA], "not on the list"),
    (["hydra/sweeper=optuna", DATA], "not on the list"),
    (["+noise@hydra.callbacks.x=poisson", DATA], "not allowed"),
    (["-m", "hydra/launcher=evil", "seed=1,2", DATA], "not on the list"),
    (["-m", "seed=1,many", DATA], "expected integer"),
]


@pytest.mark.parametrize(
    ("command", "says"), WRONG, ids=lambda x: " ".join(x)[:50] if isinstance(x, list) else ""
)
def test_wrong_command_is_one_line_and_exit_code_2(command, says, capsys, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    assert cli.main(command) == 2
    told = capsys.readouterr()
    assert told.err.startswith("jxrecon: ") and told.err.count("\n") == 1
    assert says in told.err
    assert not told.out
    assert not list(tmp_path.iterdir()), "nothing may be left behind"


def test_debug_shows_the_traceback(capsys, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    assert cli.main(["epoch=3", "--debug"]) == 2
    assert "Traceback" in capsys.readouterr().err


def test_bug_is_one_line_and_exit_code_1(capsys, monkeypatch):
    def broken(*_):
        raise RuntimeError("first\nsecond")

    monkeypatch.setattr(cli, "_dispatch", broken)
    assert cli.main([]) == 1
    told = capsys.readouterr().err
    assert told.count("\n") == 1 and "RuntimeError: first second" in told and "--debug" in told


@pytest.mark.parametrize(
    ("error", "says"),
    [
        (MemoryError("8 GiB"), "out of memory"),
        (RuntimeError("RESOURCE_EXHAUSTED: Out of memory allocating 1 bytes"), "lower `batch_size`"),
        (OSError(28, "No space left on device", "/x/result.h5"), "/x/result.h5"),
    ],
)
def test_foreseeable_failures_say_what_to_do(error, says):
    assert says in cli.explain(error)


def test_config_is_printed_with_and_without_interpolations(capsys):
    assert cli.main(["--cfg", "job", "epochs=7", "name=x", "noise=gaussian"]) == 0
    text = capsys.readouterr().out
    assert "epochs: 7" in text and "jxrecon.noise.Gaussian" in text and "hydra:" not in text
    assert cli.main(["--cfg", "job", "-p", f"{TERM}.noise"]) == 0
    assert capsys.readouterr().out.startswith("_target_: jxrecon.noise.Amplitude")


def test_verb_may_follow_options_and_values_of_options_are_no_verbs():
    assert cli.split_verb(["--debug", "check", "a=1"]) == ("check", ["--debug", "a=1"])
    assert cli.split_verb(["--config-dir", "check", "a=1"]) == ("run", ["--config-dir", "check", "a=1"])
    assert cli.split_verb([]) == ("run", [])


@pytest.mark.parametrize(
    ("line", "wanted"),
    [
        ("jxrecon re", "report resume"),
        ("jxrecon epo", "epochs="),
        ("jxrecon experiment=simulate", "experiment=simulated"),
        ("jxrecon check precis", "precision="),
    ],
)
def test_tab_completes_verbs_groups_and_keys(line, wanted, capsys, monkeypatch):
    monkeypatch.setenv("COMP_LINE", line)
    assert cli.main(["-sc", "query=bash"]) == 0
    words = capsys.readouterr().out.split()
    assert set(wanted.split()) <= set(words)


def test_completion_script_calls_jxrecon(capsys, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["/somewhere/__main__.py"])
    assert cli.main(["-sc", "install=bash"]) == 0
    assert capsys.readouterr().out.rstrip().endswith("jxrecon")


def test_doctor_finds_what_every_run_needs(capsys):
    assert cli.main(["doctor"]) == 0
    text = capsys.readouterr().out
    assert "BAD" not in text
    for what in ("python", "jax", "devices", "compilation cache", "float64", "free disk"):
        assert what in text


def test_collect_makes_one_table(tmp_path, capsys):
    for number, loss in ((2, 0.5), (10, 0.25)):
        run = tmp_path / str(number)
        run.mkdir()
        (run / "status.json").write_text(json.dumps({"state": "finished"}))
        (run / "overrides.txt").write_text(f"seed={number}\n")
        (run / "metrics.json").write_text(json.dumps({"r_factor": loss, "frc_half_bit_px": None}))
    (tmp_path / "3").mkdir()
    (tmp_path / "3" / "status.json").write_text('{"state": "failed", "message": "<b>"}')
    assert cli.main(["collect", str(tmp_path)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == ["run", "2", "3", "10"]
    assert lines[1].split()[1:4] == ["finished", "seed=2", "0.5"] and lines[2].split()[1] == "failed"
    assert (tmp_path / "runs.csv").read_text().splitlines()[1] == "2,finished,seed=2,0.5,"
    assert "<b>" not in (tmp_path / "runs.html").read_text()


def test_sweep_runs_every_combination_and_survives_a_failing_job(tmp_path):
    """Two simulations as processes of their own; pixels that are too coarse for the optics make one of them fail."""
    swept = ["seed=2", "simulation.frame_shape=[32,32],[64,64]", "simulation.scan.count=4"]
    command = ["-m", "experiment=simulate_ptychography", *swept, f"hydra.sweep.dir={tmp_path}/sweep"]
    done = subprocess.run(
        [sys.executable, "-m", "jxrecon", *command],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1, done.stderr
    made = [number for number in range(2) if (tmp_path / f"sweep/{number}/data.h5").exists()]
    assert made == [1]
    assert done.stderr.count("finest fringe") == 1 and "Traceback" not in done.stderr
    lines = (tmp_path / "sweep/runs.csv").read_text().splitlines()
    assert len(lines) == 2 and "seed=2" in lines[1] and "frame_shape=[64,64]" in lines[1]


def test_sweep_of_a_file_is_expanded():
    from jxrecon import hydra_node, sweep

    with hydra_node.composing() as composer:
        _, jobs = sweep.expand(composer, ["sweep=dose", "experiment=simulated", "seed=range(2)"])
    assert len(jobs) == 6 and all("experiment=simulated" in job and "sweep=dose" not in job for job in jobs)
    assert {line for job in jobs for line in job if "photons" in line} == {
        f"data.simulation.photons={photons}" for photons in ("100000.0", "1000000.0", "10000000.0")
    }


def test_jobs_to_check_cover_every_override():
    from jxrecon.sweep import covering

    jobs = [[f"a={a}", f"b={b}"] for a in range(30) for b in range(30)]
    chosen = covering(jobs)
    assert {line for job in chosen for line in job} == {line for job in jobs for line in job}
    assert len(chosen) < 60


def test_ctrl_c_while_jax_is_being_imported_ends_at_once(tmp_path):
    program = """
        import os, signal, sys, threading
        from jxrecon import cli
        threading.Timer(0.5, os.kill, (os.getpid(), signal.SIGINT)).start()
        sys.argv = ["jxrecon", "experiment=simulated", "hydra.run.dir=run"]
        sys.exit(cli.main())
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program)],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parent.parent)},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 1 and "Traceback" not in done.stderr
    assert done.stderr.strip() == "jxrecon: interrupted before the first step; no result was written."
    assert not (tmp_path / "run").exists()
