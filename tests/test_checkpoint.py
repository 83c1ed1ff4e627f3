"""Checkpoints come back to the last bit, on any number of devices, or are refused with the leaf's name; never silently other."""

import logging
import os
import random
from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from damage import answers, cut, flipped, hole
from jax.sharding import AxisType, NamedSharding, PartitionSpec

from jxrecon.checkpoint import VERSION, config_hash, load, read_meta, savable_leaves, save
from jxrecon.errors import InputError
from jxrecon.parameters import Parameters, Positions, Probe
from jxrecon.sealed import seal, write_dataset
from jxrecon.storage import reserved_hdf5


class Moments(NamedTuple):
    mu: dict
    count: int


def parameters(background=None):
    draw = np.random.default_rng(0).standard_normal
    modes = jnp.asarray(draw((1, 2, 8, 8)) + 1j * draw((1, 2, 8, 8)), "complex64")
    positions = Positions(jnp.asarray(draw((5, 2)), "f4"), jnp.zeros((5, 2)), jnp.zeros(4))
    return Parameters(
        jnp.asarray(np.exp(1j * draw((1, 30, 34))), "complex64"),
        Probe(modes),
        positions,
        jnp.ones(5),
        background,
    )


def state():
    """A leaf of every sort."""
    unknowns = parameters()
    return {
        "parameters": unknowns,
        "optimiser": optax.adam(1e-3).init(unknowns),  # pyright: ignore[reportArgumentType]
        "moments": Moments({"probe.modes": jnp.arange(6, dtype=jnp.bfloat16).reshape(2, 3)}, 3),
        "key": jax.random.key(3),
        "keys": jax.random.split(jax.random.key(4, impl="rbg"), 5),
        "raw_key": jax.random.PRNGKey(5),
        "numpy": (
            np.float64(0.1),
            np.arange(5, dtype=">i2"),
            np.array(2.5),
            np.zeros((0, 3)),
            np.array([True, False]),
        ),
        "python": [True, 3, 0.1, 1j, float("inf")],
        "weak": jnp.asarray(1.5),
        "half": jnp.asarray([1.5, float("nan")], "float16"),
        "nothing": None,
    }


def bits(leaf):
    if isinstance(leaf, jax.Array) and jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key):
        return (str(leaf.dtype), leaf.shape, np.asarray(jax.random.key_data(leaf)).tobytes())
    array = np.asarray(leaf)
    return (
        type(leaf).__name__,
        str(array.dtype),
        array.shape,
        array.tobytes(),
        getattr(leaf, "weak_type", False),
    )


def identical(one, other):
    return jax.tree.structure(one) == jax.tree.structure(other) and list(
        map(bits, jax.tree.leaves(one))
    ) == list(map(bits, jax.tree.leaves(other)))


def test_everything_comes_back_to_the_last_bit(tmp_path):
    meta = {"epoch": 7, "loss": np.float32(0.1), "config": "a: µ\n", "best": float("inf")}
    save(tmp_path / "c.h5", state(), meta)
    tree, found = load(tmp_path / "c.h5", state())
    assert identical(tree, state())
    assert found == {**meta, "loss": float(np.float32(0.1))}
    assert read_meta(tmp_path / "c.h5") == found
    drawn = jax.random.normal(tree["keys"][2], (3,))
    assert np.array_equal(drawn, jax.random.normal(state()["keys"][2], (3,)))


def test_double_precision(tmp_path, float64):
    tree = {"a": jnp.asarray([0.1, 0.2]), "b": jnp.asarray(1 + 1e-15j)}
    save(tmp_path / "c.h5", tree, {})
    assert identical(load(tmp_path / "c.h5", tree)[0], tree)


@pytest.mark.parametrize("before", [1, 4])
@pytest.mark.parametrize("after", [1, 2, 4])
def test_any_number_of_devices(tmp_path, before, after):
    def sharding(count):
        mesh = jax.make_mesh(
            (count,), ("device",), devices=jax.devices()[:count], axis_types=(AxisType.Auto,)
        )
        return NamedSharding(mesh, PartitionSpec("device"))

    values = np.random.default_rng(0).standard_normal((8, 100, 700), dtype=np.float32)
    save(tmp_path / "c.h5", {"a": jax.device_put(values, sharding(before))}, {})
    like = {"a": jax.ShapeDtypeStruct(values.shape, values.dtype, sharding=sharding(after))}
    restored = load(tmp_path / "c.h5", like)[0]["a"]
    assert restored.sharding == sharding(after)
    assert np.array_equal(restored, values)
    assert load(tmp_path / "c.h5", {"a": restored})[0]["a"].sharding == sharding(after)


def renamed(t):
    return {("probes" if k == "probe" else k): v for k, v in t.items()}


MISFITS = {
    "renamed": (renamed, "missing ['probes.modes'], unknown ['probe.modes']"),
    "missing": (lambda t: t | {"more": 1}, "missing ['more'], unknown none"),
    "extra": (lambda t: {"probe": t["probe"]}, "missing none, unknown ['step']"),
    "shape": (
        lambda t: t | {"probe": {"modes": np.ones((2, 3))}},
        "leaf `probe.modes` is float64 (3, 2); expected float64 (2, 3)",
    ),
    "dtype": (
        lambda t: t | {"probe": {"modes": np.ones((3, 2), "f4")}},
        "leaf `probe.modes` is float64 (3, 2); expected float32",
    ),
    "python": (lambda t: t | {"step": 1.0}, "leaf `step` is python int (); expected python float ()"),
    "key": (lambda t: t | {"step": jax.random.key(0)}, "leaf `step` is python int (); expected key<fry> ()"),
}


@pytest.mark.parametrize("name", MISFITS)
def test_what_does_not_fit_is_named(tmp_path, name):
    tree = {"probe": {"modes": np.ones((3, 2))}, "step": 1}
    save(tmp_path / "c.h5", tree, {})
    change, message = MISFITS[name]
    with pytest.raises(InputError) as caught:
        load(tmp_path / "c.h5", change(tree))
    assert message in str(caught.value)
    assert str(caught.value).startswith(f"{tmp_path}/c.h5: ")


def test_leaves_that_cannot_be_saved_are_named(tmp_path):
    for tree, message in (
        ({"f": jnp.sin}, "leaf `f` is a "),
        ({"s": {"t": "text"}}, "leaf `s.t` is a str"),
        ({"a": {"b": 1}, "a.b": 2}, "leaf `a.b`: a name must be unique"),
        ({"a/b": 1}, "leaf `a/b`: .* no slash"),
    ):
        with pytest.raises(ValueError, match=message):
            save(tmp_path / "c.h5", tree, {})
    assert os.listdir(tmp_path) == []


def test_names_are_those_of_the_config():
    names = savable_leaves(parameters(background=jnp.ones((8, 8))))
    expected = [
        "object",
        "probe.modes",
        "positions.nominal",
        "positions.shift",
        "positions.affine",
        "flux",
        "background",
    ]
    assert list(names) == expected


def test_configuration_of_another_run_is_refused_unless_forced(tmp_path):
    ours, other = config_hash({"a": 1, "b": [0.5]}), config_hash({"a": 2, "b": [0.5]})
    assert ours == config_hash({"b": (0.5,), "a": 1}) != other
    save(tmp_path / "c.h5", {"a": 1}, {"config_hash": ours})
    assert load(tmp_path / "c.h5", {"a": 0}, config_hash=ours)[0] == {"a": 1}
    with pytest.raises(
        InputError, match="c.h5: was written by a run with another configuration; use `force`"
    ):
        load(tmp_path / "c.h5", {"a": 0}, config_hash=other)
    assert load(tmp_path / "c.h5", {"a": 0}, config_hash=other, force=True)[0] == {"a": 1}


def test_newer_format_is_refused_and_not_replaced_by_an_older_generation(tmp_path):
    save(tmp_path / "c.h5", {"a": 1}, {})
    with reserved_hdf5(tmp_path / "c.h5", 1000, keep=2) as file:
        write_dataset(file, "meta", "{}")
        seal(file, "jxrecon checkpoint", VERSION + 1)
    with pytest.raises(
        InputError, match=f"`format_version` is {VERSION + 1}, this jxrecon reads up to {VERSION}"
    ):
        load(tmp_path / "c.h5", {"a": 0})


@pytest.mark.parametrize("damage", [flipped, cut])
def test_an_unreadable_checkpoint_is_replaced_by_the_older_one_with_a_warning(tmp_path, caplog, damage):
    path = tmp_path / "c.h5"
    for step in range(2):
        save(path, {"step": step, "a": np.arange(9.0)}, {"step": step})
    path.write_bytes(damage(path.read_bytes(), random.Random(1)))
    with caplog.at_level(logging.WARNING):
        tree, meta = load(path, {"step": 0, "a": np.zeros(9)})
    assert tree["step"] == meta["step"] == 0
    assert (
        f"{path}: damaged: " in caplog.text
        and f"continuing from the older checkpoint {path}.1" in caplog.text
    )


def test_nothing_readable_is_one_line(tmp_path):
    with pytest.raises(InputError, match="no checkpoint can be read: .*No such file or directory.*c.h5'$"):
        load(tmp_path / "c.h5", {"a": 1})


DAMAGES = {"flip": (flipped, 200, 0.05), "hole": (hole, 50, 0.5), "cut": (cut, 50, 0.0)}


@pytest.mark.parametrize("sort", DAMAGES)
def test_damage_is_never_silent(tmp_path, count, sort):
    """`same` is for holes where zeros were, and for the few bytes that HDF5 leaves unused."""
    damage, number, most_same = DAMAGES[sort]
    tree, meta = state(), {"config": "a: 1\n" * 20, "epoch": 3}
    save(tmp_path / "c.h5", tree, meta, keep=1)
    tally = answers(
        tmp_path / "c.h5",
        count(number),
        damage,
        lambda: load(tmp_path / "c.h5", tree),
        lambda found: identical(found[0], tree) and found[1] == meta,
    )
    assert tally["silent"] == 0
    assert tally["refused"] >= (1 - most_same) * count(number)


def test_no_step_compiles_again_after_a_restart(tmp_path):
    calls = []

    @eqx.filter_jit
    def step(tree):
        calls.append(1)
        return jax.tree.map(lambda x: x * 2 if eqx.is_inexact_array(x) else x, tree)

    tree = {k: v for k, v in state().items() if k in ("parameters", "optimiser", "weak", "key")}
    step(tree)
    save(tmp_path / "c.h5", tree, {})
    step(load(tmp_path / "c.h5", tree)[0])
    assert len(calls) == 1
