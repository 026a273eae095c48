"""Turns: in gunicorn's worker all requests share one thread, so long computations must let others run.

In commands and under another server, each request has its own thread, which the interpreter interrupts.
"""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol, Self

import gevent
from gevent import monkey

# How long requests run one after another before the worker looks for clients and database responses that are ready.
TURN_SECONDS = 0.005

# Encoding this many tasks takes some milliseconds, and longer if each has the maximum length.
ROWS_WITHOUT_A_TURN = 200

_turn = threading.Lock()


def _give_way_in_worker() -> None:
    # The loop's time is the time of its last look at the sockets.
    if time.time() - gevent.get_hub().loop.now() > TURN_SECONDS:
        # Not sleep(0): a thousand others doing the same would run before the next look. With this priority, each round
        # of the loop is one turn.
        gevent.idle(priority=2)


def _give_way_in_thread() -> None:
    """Do nothing: the interpreter switches threads by itself."""


# Called now and then by long computations, and between the requests of one client.
give_way = _give_way_in_worker if monkey.is_module_patched("threading") else _give_way_in_thread


@contextmanager
def turn() -> Iterator[None]:
    """Wait for a turn to compute something long: only one request of a process has it at a time.

    Without it, sixty simultaneous lists of a thousand long tasks kept all other requests waiting for seconds.
    """
    with _turn:
        yield
        give_way()


@contextmanager
def turn_for(rows: int) -> Iterator[None]:
    """Wait for a turn to encode this many tasks, unless they are few."""
    if rows < ROWS_WITHOUT_A_TURN:
        yield
        return
    with turn():
        yield


@contextmanager
def without_turn() -> Iterator[None]:
    """Let another request have this one's turn while this one waits."""
    _turn.release()
    try:
        yield
    finally:
        _turn.acquire()


# Keys of the WSGI environment, which only gunicorn's worker sets: a function that makes a Sleep for this request, and
# the seconds that it has slept.
SLEEP = "tasks.sleep"
WAITED = "tasks.waited"


class Sleep(Protocol):
    """A request that sleeps and meanwhile holds no thread. Within a `with` it notices that its client leaves."""

    # Whether the client has left, or has sent its next request.
    is_abandoned: bool

    @property
    def is_stopping(self) -> bool:
        """Return whether the worker stops."""

    def __enter__(self) -> Self: ...

    def __exit__(self, *_: object) -> None: ...

    def sleep(self, seconds: float) -> None:
        """Return after so many seconds, or once it is woken, or once the client has left."""

    def wake(self) -> None: ...


class Deadline:
    """Raise `error` in the block after so many seconds. It costs 1 µs, instead of gevent.Timeout's 4."""

    def __init__(self, seconds: float, error: type[Exception]) -> None:
        self._timer = gevent.get_hub().loop.timer(seconds)
        # No update of the loop's time, which give_way() takes for the last look at the sockets.
        self._timer.start(gevent.getcurrent().throw, error, update=False)

    def __enter__(self) -> None:
        pass

    def __exit__(self, *_: object) -> None:
        self._timer.close()
