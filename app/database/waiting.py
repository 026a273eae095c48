"""How psycopg2 waits for PostgreSQL: each statement has a deadline, and other requests go on meanwhile.

No time-out of TCP ends a wait for a frozen server, whose kernel still acknowledges. Where this raises, psycopg2 closes
the connection.
"""

import select
import time
from contextlib import nullcontext
from typing import Any

import gevent
from gevent import monkey
from psycopg2 import OperationalError
from psycopg2.extensions import POLL_OK, POLL_READ

from app.turns import Deadline

# What a watcher of gevent's loop waits for.
_READ, _WRITE = 1, 2


class ServerSilent(OperationalError):
    """PostgreSQL, or the network before it, said nothing for as long as it may."""

    def __str__(self) -> str:
        return "the server said nothing in time"


def _wait_in_worker(connection: Any) -> None:
    """Under gunicorn's worker. `select.poll`, which gevent has too, took 11 µs more for a statement."""
    hub, patience = gevent.get_hub(), getattr(connection, "patience", None)
    with nullcontext() if patience is None else Deadline(patience, ServerSilent):
        while (state := connection.poll()) != POLL_OK:
            hub.wait(hub.loop.io(connection.fileno(), _READ if state == POLL_READ else _WRITE))


def _wait_alone(connection: Any) -> None:
    """In a thread that has nothing else to do."""
    began_at, patience = time.monotonic(), getattr(connection, "patience", None)
    while (state := connection.poll()) != POLL_OK:
        seconds = None if patience is None else began_at + patience - time.monotonic()
        if seconds is not None and seconds <= 0:
            raise ServerSilent
        ready = select.poll()
        ready.register(connection.fileno(), select.POLLIN if state == POLL_READ else select.POLLOUT)
        ready.poll(seconds and seconds * 1_000)


# A `connection.patience` is how many seconds it waits for the server; None, or none: as long as it takes.
wait = _wait_in_worker if monkey.is_module_patched("select") else _wait_alone
