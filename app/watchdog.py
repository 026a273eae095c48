"""A deadline for servers that fall silent: a frozen PostgreSQL keeps every time-out of TCP content."""

import os
import socket
import threading
import time
from contextlib import suppress

import psycopg2.extensions

# Longer than the server's own statement_timeout, which is the gentler end.
DEADLINE_SECONDS = 7
LOOK_SECONDS = 0.5


class Watchdog:
    """Shuts down the socket of a connection whose server has not answered within the deadline."""

    def __init__(self) -> None:
        self._waiting: dict[psycopg2.extensions.connection, float] = {}
        self._starting = threading.Lock()
        self._process: int | None = None

    def start(self) -> None:
        """Have a thread that looks, in this process; a fork has none."""
        with self._starting:
            if self._process != os.getpid():
                self._process = os.getpid()
                threading.Thread(target=self._look, name="database watchdog", daemon=True).start()

    def begin(self, connection: psycopg2.extensions.connection) -> None:
        self._waiting[connection] = time.monotonic()

    def end(self, connection: psycopg2.extensions.connection) -> None:
        self._waiting.pop(connection, None)

    def _look(self) -> None:
        while True:
            time.sleep(LOOK_SECONDS)
            for connection, since in list(self._waiting.items()):
                if time.monotonic() - since > DEADLINE_SECONDS:
                    self.end(connection)
                    _shut_down(connection)


def _shut_down(connection: psycopg2.extensions.connection) -> None:
    """Let the waiting thread's read fail; it closes the connection itself."""
    # It may be closed in this very moment.
    with suppress(OSError, psycopg2.InterfaceError):
        # A duplicate, since a socket object closes its descriptor.
        duplicate = socket.socket(fileno=os.dup(connection.fileno()))
        with duplicate:
            duplicate.shutdown(socket.SHUT_RDWR)
