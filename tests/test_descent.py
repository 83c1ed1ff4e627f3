"""A group's schedule runs from its own start to its own stop; outside of them nothing moves."""

import jax.numpy as jnp
import optax
import pytest

from jxrecon.descent import scheduled
from jxrecon.schedules import Cosine


@pytest.mark.parametrize(("epoch", "factor"), [(1.9, 0.0), (2.0, 1.0), (3.0, 0.51), (4.0, 0.0), (9.0, 0.0)])
def test_the_schedule_counts_from_the_start_to_the_stop_of_its_group(epoch, factor):
    inner = optax.with_extra_args_support(optax.identity())
    group = scheduled(inner, Cosine(final=0.02), start=2, stop=4, epochs=10)
    updates = {"x": jnp.ones(3)}
    moved, _ = group.update(updates, group.init(updates), epoch=jnp.asarray(epoch))
    assert moved["x"] == pytest.approx([factor] * 3, abs=1e-6)
