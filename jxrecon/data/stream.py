"""Reads ahead: the next block is prepared in the background while the present one is used."""

import queue
import threading
from collections.abc import Generator, Iterable
from typing import TypeVar

T = TypeVar("T")
_END = object()


class _Failure:
    def __init__(self, error: BaseException):
        self.error = error


def _offer(box: queue.Queue, item: object, stop: threading.Event) -> bool:
    """Puts an item unless the reader has gone."""
    while not stop.is_set():
        try:
            box.put(item, timeout=0.05)
            return True
        except queue.Full:
            continue
    return False


def _fill(source: Iterable, box: queue.Queue, stop: threading.Event) -> None:
    try:
        for item in source:
            if not _offer(box, item, stop):
                return
        _offer(box, _END, stop)
    except BaseException as error:  # it is raised again in the thread that reads
        _offer(box, _Failure(error), stop)


def read_ahead(source: Iterable[T], depth: int = 2) -> Generator[T, None, None]:
    """The items of `source`, in order, up to `depth` of them prepared ahead in one background thread.

    What the source raises is raised here, after the items before it. Closing the generator (or leaving a loop over it) ends the
    thread, once the item in work is ready. With depth 0 there is no thread.
    """
    if depth <= 0:
        yield from source
        return
    box: queue.Queue = queue.Queue(maxsize=depth)
    stop = threading.Event()
    worker = threading.Thread(target=_fill, args=(source, box, stop), name="read_ahead", daemon=True)
    worker.start()
    try:
        while (item := box.get()) is not _END:
            if isinstance(item, _Failure):
                raise item.error
            yield item
    finally:
        stop.set()
        worker.join()
