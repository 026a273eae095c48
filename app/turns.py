"""Giving way: under gunicorn's worker all requests share one thread, so what computes for long lets the others go on.

In the commands, and under another server, each request has a thread of its own, which the interpreter interrupts.
"""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import gevent
from gevent import monkey

# How long requests go on, one after the other, before those are looked for that wait for their clients or the database.
TURN_SECONDS = 0.005

# So many tasks take some milliseconds to encode, more where each is as long as it may be.
ROWS_WITHOUT_A_TURN = 200

_turn = threading.Lock()


def _give_way_in_worker() -> None:
    # The loop's own time is that of its last look at the sockets.
    if time.time() - gevent.get_hub().loop.now() > TURN_SECONDS:
        # Not sleep(0), after which a thousand others that do the same come before the next look. At this priority, each
        # time round the loop is one turn.
        gevent.idle(priority=2)


def _give_way_in_thread() -> None:
    """The interpreter switches threads by itself."""


# To be called now and then by what computes for long, and between the requests of one client.
give_way = _give_way_in_worker if monkey.is_module_patched("threading") else _give_way_in_thread


@contextmanager
def turn() -> Iterator[None]:
    """Wait for a turn to compute something long: one request of a process at a time has it.

    Without it, sixty lists of a thousand long tasks, asked for at once, kept everybody else waiting for seconds.
    """
    with _turn:
        yield
        give_way()


@contextmanager
def turn_for(rows: int) -> Iterator[None]:
    """Wait for a turn to encode so many tasks, unless they are few."""
    if rows < ROWS_WITHOUT_A_TURN:
        yield
        return
    with turn():
        yield


@contextmanager
def without_turn() -> Iterator[None]:
    """Within a turn, let another request have it, for this one waits."""
    _turn.release()
    try:
        yield
    finally:
        _turn.acquire()


class Deadline:
    """What is done within this ends in `error` after so many seconds: gevent.Timeout, at 1 µs instead of 4."""

    def __init__(self, seconds: float, error: type[Exception]) -> None:
        self._timer = gevent.get_hub().loop.timer(seconds)
        # Not to be taken for a look at the sockets, whose time give_way() asks for.
        self._timer.start(gevent.getcurrent().throw, error, update=False)

    def __enter__(self) -> None:
        pass

    def __exit__(self, *_: object) -> None:
        self._timer.close()
