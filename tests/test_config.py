"""Configs: types and names against the constructors, hostile files, hostile overrides."""

import time
from pathlib import Path
from typing import Any, Literal

import equinox as eqx
import jax.numpy as jnp
import numpy as np
import pytest
from jaxtyping import Array, Float

from jxrecon import config, hydra_node
from jxrecon.config_files import check_interpolations, check_text
from jxrecon.errors import InputError
from jxrecon.noise import Amplitude, Gaussian, Poisson
from jxrecon.objective import AbstractNoise
from jxrecon.spelling import nearest
from jxrecon.validate import Plan, check, construct

POISSON = {"_target_": "jxrecon.noise.Poisson"}


class Settings(eqx.Module):
    """One argument of every kind that a constructor may have."""

    count: int
    weight: Float[Array, ""] = eqx.field(converter=jnp.asarray, default=1.0)
    scale: float = 1.0
    regime: Literal["near", "far"] = "far"
    shape: tuple[int, int] = (1, 1)
    names: tuple[str, ...] = ()
    limit: int | None = None
    noise: AbstractNoise | None = None
    terms: dict[str, AbstractNoise] = eqx.field(default_factory=dict)
    either: AbstractNoise | dict[str, AbstractNoise] | None = None
    flag: bool = False


def settings(**arguments: Any) -> Any:
    """`arguments` checked against the annotations of `Settings`, and built."""
    from jxrecon.targets import parameters

    wanted = parameters(Settings)
    checked = {name: check(v, wanted[name][0], name) for name, v in arguments.items()}
    return construct(Plan(Settings, checked, ""))


def test_values_arrive_in_the_types_of_the_annotations():
    made = settings(
        count=3,
        weight=2,
        scale=2,
        shape=[4, 5],
        names=["a", "b"],
        limit=None,
        noise={**POISSON, "floor": 1},
        terms={"x": POISSON, "y": {"_target_": "jxrecon.noise.Gaussian", "read_noise": 3}},
        either={"a": POISSON},
    )
    assert made.scale == 2.0 and type(made.scale) is float
    assert made.shape == (4, 5) and made.names == ("a", "b") and made.limit is None
    assert isinstance(made.noise, Poisson) and type(made.noise.floor) is float
    assert isinstance(made.terms["y"], Gaussian) and float(made.terms["y"].read_noise) == 3
    assert float(made.weight) == 2 and isinstance(made.either["a"], Poisson)


WRONG_VALUES = [
    ({"count": "3"}, "`count` is '3' (str); expected integer"),
    ({"count": 3.0}, "`count` is 3.0 (float); expected integer"),
    ({"count": True}, "`count` is True (bool); expected integer"),
    ({"count": None}, "`count` is null; expected integer"),
    ({"scale": "1e-3x"}, "expected number"),
    ({"scale": float("nan")}, "`scale` is nan"),
    ({"weight": "heavy"}, "`weight` is 'heavy' (str); expected number"),
    ({"weight": [1.0]}, "`weight` is [1.0] (list); expected number"),
    ({"regime": "nera"}, "the nearest is `near`"),
    ({"shape": [1, 2, 3]}, "expected a list of 2"),
    ({"shape": [1, "b"]}, "`shape[1]` is 'b' (str); expected integer"),
    ({"names": "ab"}, "`names` is 'ab' (str)"),
    ({"limit": "no"}, "expected integer or null"),
    ({"noise": "poisson"}, "`noise` is 'poisson' (str)"),
    ({"noise": {"floor": 1}}, "`noise` is {'floor': 1} (dict)"),
    ({"noise": {"_target_": "jxrecon.objective.Objective", "terms": {}}}, "`noise` is a `Objective`"),
    ({"noise": {**POISSON, "flor": 1}}, "`noise.flor` is no argument of `Poisson`; the nearest is `floor`"),
    ({"either": {"a": {**POISSON, "floor": "x"}}}, "`either.a.floor` is 'x' (str); expected number"),
    ({"either": {**POISSON, "floor": "x"}}, "`either.floor` is 'x' (str); expected number"),
    ({"terms": {"a": {**POISSON, "_partial_": True}}}, "`terms.a._partial_` is not allowed"),
    ({"noise": {**POISSON, "floor": -1}}, "`noise`: `floor` is -1.0; expected a number above 0"),
    ({"flag": 1}, "expected true or false"),
]


@pytest.mark.parametrize(("wrong", "says"), WRONG_VALUES, ids=lambda x: str(x)[:40])
def test_wrong_value_is_named(wrong, says):
    with pytest.raises(InputError) as caught:
        settings(**{"count": 1, **wrong})
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)


def test_missing_argument_is_named():
    with pytest.raises(InputError, match="`data.measurement` is missing"):
        config.plan({"data": {"_target_": "jxrecon.objective.DataTerm"}})


FORBIDDEN_TARGETS = [
    ("os.system", "outside `jxrecon`"),
    ("pathlib.Path.unlink", "outside `jxrecon`"),
    ("numpy.load", "outside `jxrecon`"),
    ("builtins.eval", "outside `jxrecon`"),
    ("jxrecon_evil.Thing", "outside `jxrecon`"),
    ("jxrecon.config.importlib.import_module", "no module `jxrecon.config.importlib`"),
    ("jxrecon.noise.jnp", "no concrete Module"),
    ("jxrecon.noise.eqx.Module", "no module"),
    ("jxrecon.noise._positive", "no concrete Module"),
    ("jxrecon.objective.AbstractNoise", "no concrete Module"),
    ("jxrecon.noise.AbstractNoise", "no concrete Module"),
    ("jxrecon.forward.ptychography.Parameters", "no concrete Module"),
    ("jxrecon.config.build", "no concrete Module"),
    ("jxrecon.noise.Poison", "the nearest is `Poisson`"),
    ("jxrecon.niose.Poisson", "the nearest is `jxrecon.noise`"),
    ("jxrecon", "outside `jxrecon`"),
    ("jxrecon..noise", "expected the dotted name"),
    ("", "expected the dotted name"),
    (3, "expected the dotted name"),
    (["jxrecon.noise.Poisson"], "expected the dotted name"),
]


@pytest.mark.parametrize(("target", "says"), FORBIDDEN_TARGETS, ids=str)
@pytest.mark.parametrize("depth", [0, 2])
def test_targets_outside_the_rule_are_refused_before_anything_is_built(target, says, depth):
    node: Any = {"_target_": target}
    for _ in range(depth):
        node = {"inner": [node]}
    with pytest.raises(InputError) as caught:
        config.build({"good": POISSON, "evil": node})
    assert says in str(caught.value)


def test_whole_tree_is_checked_before_the_first_call(monkeypatch):
    called = []
    monkeypatch.setattr(Amplitude, "__check_init__", lambda self: called.append(1))
    with pytest.raises(InputError):
        config.build({"a": {"_target_": "jxrecon.noise.Amplitude"}, "b": {"_target_": "os.system"}})
    assert not called
    config.build({"a": {"_target_": "jxrecon.noise.Amplitude"}})
    assert called


def test_trust_comes_from_the_environment_only(monkeypatch, tmp_path):
    (tmp_path / "strangers.py").write_text(
        "import equinox\n\nclass Thing(equinox.Module):\n    size: int = 2\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delenv("JXRECON_TRUST", raising=False)
    node = {"_target_": "strangers.Thing", "size": 5}
    with pytest.raises(InputError, match="--trust strangers"):
        config.build(node)
    monkeypatch.setenv("JXRECON_TRUST", "strangers")
    assert config.build(node).size == 5


def bomb(levels: int = 7, width: int = 9) -> str:
    """YAML in which every level holds `width` aliases of the level before."""
    lines = ["a0: &a0 [x]"]
    lines += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * width)}]" for i in range(1, levels + 1)]
    return "\n".join(lines)


HOSTILE_TEXT = {
    "alias bomb": (bomb(), "through its aliases"),
    "merge bomb": ("a: &a {k: 1}\n" + "b: [" + "*a," * 30_000 + "*a]", "through its aliases"),
    "alias of itself": ("a: &a [*a]", "refers to itself"),
    "deep": ("[" * 5000 + "]" * 5000, "nested deeper"),
    "python tag": (
        "a: !!python/object/apply:os.system ['touch canary']",
        "could not determine a constructor",
    ),
    "interpolation": ("a: ${b}\nb: 1", "interpolation"),
    "environment": ("a: ${oc.env:HOME}", "interpolation"),
    "hydra": ("hydra: {callbacks: {x: {_target_: os.system}}}", "`hydra` node"),
    "list": ("- 1", "expected a mapping"),
    "two documents": ("a: 1\n---\nb: 2", "single document"),
    "tab": ("a:\n\t- b", "not valid YAML"),
}


@pytest.mark.parametrize("name", HOSTILE_TEXT)
def test_a_strangers_config_is_refused_in_one_line(name, tmp_path):
    text, says = HOSTILE_TEXT[name]
    path = tmp_path / "config.yaml"
    path.write_text(text)
    with pytest.raises(InputError) as caught:
        config.load(path)
    assert says in str(caught.value) and str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_oversized_config_is_refused_unread(tmp_path):
    path = tmp_path / "big.yaml"
    path.write_text("a: 1\n" * 100_000)
    with pytest.raises(InputError, match="bytes"):
        config.load(path)


def test_small_aliases_are_welcome():
    check_text("a: &a {b: 1}\nc: *a", "config")
    assert config.loads("a: &a {b: 1}\nc: *a") == {"a": {"b": 1}, "c": {"b": 1}}


def test_interpolations_that_multiply_are_refused():
    tree = {"a0": "x", **{f"a{i}": f"${{a{i - 1}}}" * 9 for i in range(1, 30)}}
    with pytest.raises(InputError, match="multiply"):
        check_interpolations(tree)
    with pytest.raises(InputError, match="circle"):
        check_interpolations({"a": "${b}", "b": "${a}"})
    nested = {
        "a0": {"x": 1},
        **{f"a{i}": {"l": f"${{a{i - 1}}}", "r": f"${{..a{i - 1}}}"} for i in range(1, 30)},
    }
    with pytest.raises(InputError, match="multiply"):
        check_interpolations(nested)
    check_interpolations({"a": 1, "b": {"c": "${a}", "d": "${.c}"}, "e": "${now:%H} ${b.d}"})


def test_saved_config_reads_back_the_same():
    tree = {"a": 1e-4, "b": {"c": [1, 2.5, None, "x: y"]}, "d": True, "e": "1e-3", "f": 1e30}
    assert config.loads(config.dumps(tree)) == tree


USER_FILES = {
    "callbacks": ("hydra: {callbacks: {x: {_target_: os.system}}}", "hydra.callbacks"),
    "launcher target": ("hydra: {launcher: {_target_: os.system}}", "hydra.launcher"),
    "launcher set-up": ("hydra: {launcher: {setup: [touch canary]}}", "hydra.launcher.setup"),
    "sweeper target": ("hydra: {sweeper: {_target_: os.system}}", "hydra.sweeper._target_"),
    "environment": ("hydra: {job: {env_set: {A: b}}}", "hydra.job.env_set"),
    "environment copy": ("hydra: {job: {env_copy: [HOME]}}", "hydra.job.env_copy"),
    "logging": ("hydra: {job_logging: {handlers: {x: {class: os.system}}}}", "hydra.job_logging"),
    "run folder": ("hydra: {run: {dir: /etc}}", "hydra.run.dir"),
    "search path": ("hydra: {searchpath: [/tmp]}", "hydra.searchpath"),
    "package header": ("# @package hydra.callbacks\nx: {_target_: os.system}", "only the command line"),
    "group of hydra": ("defaults: [{/hydra/callbacks: x}]", "speaks to Hydra"),
    "sweeper of hydra": ("defaults: [{override /hydra/sweeper: x}]", "speaks to Hydra"),
    "into hydra": ("defaults: [{/noise@hydra.callbacks.x: poisson}]", "is not allowed"),
    "out of the folder": ("defaults: [../../secret]", "is not allowed"),
    "alias bomb": (bomb(), "through its aliases"),
    "not text": ("\x00\x01", "not valid YAML"),
}


@pytest.mark.parametrize("name", USER_FILES)
def test_experiment_of_a_stranger_cannot_speak_to_hydra(name, tmp_path):
    text, says = USER_FILES[name]
    (tmp_path / "experiment").mkdir()
    header = "" if text.startswith("#") else "# @package _global_\n"
    (tmp_path / "experiment" / "evil.yaml").write_text(header + text)
    started = time.process_time()
    with pytest.raises(InputError) as caught:
        config.compose_raw(["experiment=evil"], [tmp_path])
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)
    assert time.process_time() - started < 10  # an expanding bomb would take minutes


def test_packaged_node_of_hydra_passes_and_any_other_does_not():
    with hydra_node.composing() as composer:
        hydra_node.check_node(composer.known, composer.known)
        for key in ("callbacks", "env", "help"):
            with pytest.raises(InputError, match=f"hydra.{key}"):
                hydra_node.check_node({**composer.known, key: {"x": 1}}, composer.known)


def test_file_of_a_packaged_experiments_name_is_refused(tmp_path, monkeypatch):
    ours = tmp_path / "ours"
    (ours / "experiment").mkdir(parents=True)
    (ours / "experiment" / "star.yaml").write_text("a: 1")
    (tmp_path / "mine" / "experiment").mkdir(parents=True)
    (tmp_path / "mine" / "experiment" / "star.yaml").write_text("a: 2")
    monkeypatch.setattr(hydra_node, "config_dir", lambda: ours)
    with pytest.raises(InputError, match="give the file another"), hydra_node.composing([tmp_path / "mine"]):
        pass


def test_paths_become_absolute(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    tree = {"data": {"path": "a.h5", "other": "b"}, "list": [{"path": ["c.h5", "~/d.h5"]}], "path": None}
    made = config.absolute_paths(tree)
    assert made["data"] == {"path": str(tmp_path / "a.h5"), "other": "b"}
    assert made["list"][0]["path"] == [str(tmp_path / "c.h5"), str(Path.home() / "d.h5")]
    assert made["path"] is None


def test_nearest_compares_dotted_names_by_their_last_part_too():
    assert nearest("epoch", ["epochs", "seed"]) == "epochs"
    assert nearest("optimizer.object.rate", ["optimisers.object.rate", "epochs"]) == "optimisers.object.rate"
    assert (
        nearest("learning_rat", ["optimisers.object.learning_rate", "x"]) == "optimisers.object.learning_rate"
    )
    assert nearest("zzz", ["epochs"]) is None


def test_every_class_that_a_config_names_has_checked_types():
    """The default config as a whole: every key an argument, every value of its type."""
    composed = config.compose(["data.path=nothing.h5"])
    plan = config.plan(composed.cfg)
    assert isinstance(plan, Plan) and plan.arguments["epochs"] == composed.cfg["epochs"]
    assert np.isclose(plan.arguments["objective"].arguments["terms"]["ptychography"].arguments["weight"], 1)
