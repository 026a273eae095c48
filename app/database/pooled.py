"""A connection for one statement or transaction."""

import time
from typing import Any

from app.database.connections import MADE_AT
from app.database.outages import DatabaseState
from app.database.sqlite import SQLITE_BUSY_SECONDS
from app.http.problems import DatabaseUnavailable


class PooledConnection:
    """A driver's connection from the pool. Once one breaks, all older ones are discarded."""

    is_broken = False

    def __init__(self, state: DatabaseState, writes: bool = True) -> None:
        self._state = state
        # A writer that waits for another holds no connection, so that reads go on.
        self._turn = state.one_writer if writes else None

    def __enter__(self) -> Any:
        if self._turn is None:
            return self._connect()
        if not self._turn.acquire(timeout=SQLITE_BUSY_SECONDS):
            raise DatabaseUnavailable
        try:
            if time.monotonic() < self._state.writes_paused_until:
                # The previous writer has waited for another process and failed.
                raise DatabaseUnavailable
            return self._connect()
        except BaseException:
            self._turn.release()
            raise

    def _connect(self) -> Any:
        self._pooled = self._state.connections.take()
        while self._pooled.info[MADE_AT] <= self._state.broken_at:
            self._pooled.invalidate()
            self._pooled = self._state.connections.take()
        self._connection = self._pooled.driver_connection
        return self._connection

    def __exit__(self, *error: object) -> None:
        try:
            self._give_back()
        finally:
            if self._turn is not None:
                self._turn.release()

    def _give_back(self) -> None:
        self.is_broken = bool(getattr(self._connection, "closed", False))
        if self.is_broken:
            self._state.broken_at = time.monotonic()
            self._pooled.invalidate()
        else:
            self._state.connections.give_back(self._pooled)
