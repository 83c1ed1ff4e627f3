"""Damage to files, for the tests of what we write: how a reader of ours answers to it."""

import collections
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

from jxrecon.errors import InputError


def flipped(data: bytes, chance: random.Random) -> bytes:
    """One bit turned over."""
    bit = chance.randrange(8 * len(data))
    return data[: bit // 8] + bytes([data[bit // 8] ^ 1 << bit % 8]) + data[bit // 8 + 1 :]


def hole(data: bytes, chance: random.Random) -> bytes:
    """Up to 4096 bytes lost, as zeros."""
    start = chance.randrange(len(data))
    end = min(start + chance.randrange(1, 4097), len(data))
    return data[:start] + bytes(end - start) + data[end:]


def cut(data: bytes, chance: random.Random) -> bytes:
    """The end missing."""
    return data[: chance.randrange(len(data))]


def answers(
    path: Path,
    count: int,
    damage: Callable[[bytes, random.Random], bytes],
    read: Callable[[], Any],
    same: Callable[[Any], bool],
) -> collections.Counter:
    """How often `read` refused a damaged file (one line that names it), gave what was written, or something else (`silent`)."""
    whole, chance, tally = path.read_bytes(), random.Random(0), collections.Counter()
    for _ in range(count):
        path.write_bytes(damage(whole, chance))
        try:
            tally["same" if same(read()) else "silent"] += 1
        except InputError as error:
            assert str(path) in str(error) and "\n" not in str(error)
            tally["refused"] += 1
    path.write_bytes(whole)
    return tally
