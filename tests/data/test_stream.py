"""Order, errors and the end of the background thread."""

import threading
import time

import pytest

from jxrecon.data.stream import read_ahead


def _workers():
    return [t for t in threading.enumerate() if t.name == "read_ahead"]


@pytest.mark.parametrize("depth", [0, 1, 4])
def test_items_come_in_order(depth):
    assert list(read_ahead(iter(range(50)), depth)) == list(range(50))
    assert not _workers()


def test_works_in_another_thread_and_no_further_ahead_than_asked():
    made = []

    def source():
        for k in range(20):
            made.append((k, threading.get_ident()))
            yield k

    stream = read_ahead(source(), depth=2)
    assert next(stream) == 0
    deadline = time.monotonic() + 20
    while len(made) < 4 and time.monotonic() < deadline:
        time.sleep(0.01)
    time.sleep(0.1)
    assert [k for k, _ in made] == [0, 1, 2, 3]  # one handed over, two waiting, one in hand
    assert made[0][1] != threading.get_ident()
    stream.close()
    assert not _workers()


def test_error_is_raised_after_the_items_before_it():
    def source():
        yield 1
        yield 2
        raise OSError("disk gone")

    got = []
    with pytest.raises(OSError, match="disk gone"):
        for item in read_ahead(source(), 3):
            got.append(item)
    assert got == [1, 2]
    assert not _workers()


def test_leaving_early_ends_an_endless_source():
    def endless():
        k = 0
        while True:
            yield k
            k += 1

    for item in (stream := read_ahead(endless(), 2)):
        if item == 5:
            break
    stream.close()
    assert not _workers()
