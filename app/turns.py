"""Giving way: under gunicorn's worker all requests share one thread, so what computes for long lets the others go on.

In the commands, and under another server, each request has a thread of its own, which the interpreter interrupts.
"""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import gevent
from gevent import monkey

# So many tasks take some milliseconds to encode, more where each is as long as it may be.
ROWS_WITHOUT_A_TURN = 200

_turn = threading.Lock()


def _give_way_in_worker() -> None:
    # Not sleep(0), after which a thousand others that do the same come before the next look at the sockets. At this
    # priority, each time round the loop is one turn.
    gevent.idle(priority=2)


def _give_way_in_thread() -> None:
    time.sleep(0)


give_way = _give_way_in_worker if monkey.is_module_patched("threading") else _give_way_in_thread


@contextmanager
def turn_for(rows: int) -> Iterator[None]:
    """Wait for a turn to encode so many tasks, unless they are few.

    One request of a process at a time does it: sixty lists of a thousand long tasks, asked for at once, would keep
    everybody else waiting for seconds otherwise.
    """
    if rows < ROWS_WITHOUT_A_TURN:
        yield
        return
    with _turn:
        yield
        give_way()
