"""The set-up: lock, wheel, lazy package, and what `./jx` does before it touches the network."""

import os
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest
from packaging.requirements import Requirement

import jxrecon

ROOT = Path(__file__).parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
LOCKED_EXTRAS = ("test", "lint", "build")
PYTHONS = ("3.11", "3.12", "3.13")


def _lock() -> list[tuple[Requirement, list[str]]]:
    """(name, version and marker; hashes) of every entry."""
    entries = (ROOT / "requirements.lock").read_text().replace("\\\n", " ").splitlines()
    return [
        (Requirement(line.split("--hash")[0]), re.findall(r"--hash=sha256:([0-9a-f]{64})\b", line))
        for line in entries
    ]


def _environment(python: str) -> dict[str, str]:
    return {
        "python_version": python,
        "python_full_version": f"{python}.0",
        "sys_platform": "linux",
        "extra": "",
    }


def test_lock_holds_names_versions_hashes_and_nothing_else():
    line = re.compile(r"[A-Za-z0-9._-]+==[^\s;]+( ; [^\\#/]+)? \\|    --hash=sha256:[0-9a-f]{64}( \\)?")
    wrong = [
        text for text in (ROOT / "requirements.lock").read_text().splitlines() if not line.fullmatch(text)
    ]
    assert not wrong
    assert all(hashes for _, hashes in _lock())


@pytest.mark.parametrize("python", PYTHONS)
def test_lock_meets_every_requirement(python):
    pinned = [r for r, _ in _lock() if r.marker is None or r.marker.evaluate(_environment(python))]
    versions = {r.name.lower(): str(r.specifier).removeprefix("==") for r in pinned}
    assert len(versions) == len(pinned), f"a package has two versions on Python {python}"
    wanted = PROJECT["dependencies"] + [w for e in LOCKED_EXTRAS for w in PROJECT["optional-dependencies"][e]]
    for requirement in map(Requirement, wanted):
        assert requirement.specifier.contains(versions[requirement.name.lower()]), (
            f"{requirement} is not what is locked"
        )


def test_wheel_carries_the_configs(tmp_path):
    copy = tmp_path / "a checkout"
    shutil.copytree(
        ROOT, copy, ignore=shutil.ignore_patterns(".git", ".venv*", "out", "runs", "scratch", "__pycache__")
    )
    build = "import sys; from hatchling.build import build_wheel; print(build_wheel(sys.argv[1]))"
    subprocess.run([sys.executable, "-c", build, str(tmp_path)], cwd=copy, check=True, capture_output=True)
    with zipfile.ZipFile(next(tmp_path.glob("*.whl"))) as wheel:
        names = wheel.namelist()
        entry_points = wheel.read(next(n for n in names if n.endswith("entry_points.txt"))).decode()
    for folder, target in (("configs", "jxrecon/configs"), ("jxrecon", "jxrecon")):
        sources = [
            p for p in (ROOT / folder).rglob("*") if p.suffix in {".yaml", ".py"} and "local" not in p.parts
        ]
        missing = {f"{target}/{p.relative_to(ROOT / folder).as_posix()}" for p in sources} - set(names)
        assert not missing
    assert not [n for n in names if n.startswith(("tests", "experiments")) or "local" in n.split("/")]
    assert "jxrecon = jxrecon.cli:main" in entry_points


def test_public_names_exist():
    for name in jxrecon.__all__:
        assert getattr(jxrecon, name).__name__ == name
    with pytest.raises(AttributeError, match="it has DataTerm, Geometry"):
        jxrecon.Nonsense  # noqa: B018 - the access is what is tested


def _jx(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """`./jx` with only the standard tools on the path, and no way to an index."""
    variables = {"PATH": "/usr/bin:/bin", "UV_OFFLINE": "1", "PIP_NO_INDEX": "1", **environment}
    return subprocess.run(["sh", str(ROOT / "jx"), *arguments], env=variables, capture_output=True, text=True)


def test_jx_refuses_a_missing_or_old_python(tmp_path):
    old = tmp_path / "python3"
    old.write_text(f"#!/bin/sh\nexec {sys.executable} -c 'import sys; sys.exit(1)'\n")
    old.chmod(0o755)
    for python in ("/nowhere/python3", str(old)):
        answer = _jx("doctor", JX_PYTHON=python, JX_ENV=str(tmp_path / "env"))
        assert answer.returncode == 2
        assert re.fullmatch(
            rf"jx: found no Python of version 3.11 or newer among: {python};.*\n", answer.stderr
        )


def test_jx_leaves_what_it_did_not_make(tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("precious")
    answer = _jx("doctor", JX_PYTHON=sys.executable, JX_ENV=str(tmp_path / "mine"))
    assert answer.returncode == 2 and "was not made by jx" in answer.stderr
    assert (tmp_path / "mine" / "thesis.txt").read_text() == "precious"


def test_jx_says_that_a_place_cannot_be_written():
    answer = _jx("doctor", JX_PYTHON=sys.executable, JX_ENV="/proc/env")
    assert answer.returncode == 2 and "set JX_ENV" in answer.stderr


def test_jx_runs_a_finished_environment_without_setting_it_up(tmp_path):
    """The stamp is the checksum of lock and pyproject: as long as it agrees, nothing is installed."""
    env = tmp_path / "an env"
    (env / "bin").mkdir(parents=True)
    (env / "bin" / "python").write_text('#!/bin/sh\necho "python $*"\n')
    (env / "bin" / "python").chmod(0o755)
    text = (ROOT / "requirements.lock").read_bytes() + (ROOT / "pyproject.toml").read_bytes()
    checksum = subprocess.run(["cksum"], input=text, capture_output=True, check=True).stdout.decode().strip()
    env.with_name("an env.stamp").write_text(f"{checksum}  {ROOT}\n")
    assert _jx("check", "data.path=a b", JX_ENV=str(env)).stdout == "python -m jxrecon check data.path=a b\n"
    assert re.fullmatch(r"python -m pytest .* -k one\n", _jx("test", "-k", "one", JX_ENV=str(env)).stdout)


@pytest.mark.slow
def test_jx_sets_up_a_clone_and_works_offline(tmp_path):
    clone = tmp_path / "a clone"
    subprocess.run(["git", "clone", "-q", str(ROOT), str(clone)], check=True)
    variables = {k: v for k, v in os.environ.items() if k.startswith(("SSL_", "PIP_", "UV_", "HTTP"))}
    variables |= {"HOME": str(tmp_path), "PATH": "/usr/bin:/bin", "JX_PYTHON": sys.executable}
    for extra in ({}, {"UV_OFFLINE": "1", "PIP_NO_INDEX": "1"}):
        done = subprocess.run(
            [str(clone / "jx"), "--version"], env=variables | extra, capture_output=True, text=True
        )
        assert done.returncode == 0 and jxrecon.__version__ in done.stdout, done.stderr
