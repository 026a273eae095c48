"""Connections between two uses: SQLAlchemy's pool makes and bounds them, and is spared the rest of its work.

Its own check-out and check-in (a record, a proxy, events, three locks) took a tenth of what reading one task costs.
"""

import threading
from contextlib import suppress

from sqlalchemy import Engine, event
from sqlalchemy.pool import PoolProxiedConnection

# Where the pool keeps, for each connection, what must be well before it is used again.
CHECK = "check"
# And when it was made, of time.monotonic().
MADE_AT = "made_at"


class Connections:
    """The connections of one engine that nobody uses just now; the one used last is taken first."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._spare: list[PoolProxiedConnection] = []
        self._waiting = 0
        self._counting = threading.Lock()
        event.listen(engine, "engine_disposed", self._close)

    @property
    def in_use(self) -> int:
        """How many somebody uses."""
        # The pool may have been told of one more than there was, for a moment.
        checked_out: int = self._engine.pool.checkedout()  # type: ignore[attr-defined]
        return max(0, checked_out - len(self._spare))

    def take(self) -> PoolProxiedConnection:
        """One of them, or a new one; TimeoutError where all are in use for too long."""
        try:
            pooled = self._spare.pop()
        except IndexError:
            return self._wait()
        try:
            if check := pooled.info.get(CHECK):
                check()
        except BaseException:
            pooled.invalidate()
            raise
        return pooled

    def give_back(self, pooled: PoolProxiedConnection) -> None:
        self._spare.append(pooled)
        if self._waiting:
            # Who waits does so for one that is back in the pool.
            with suppress(IndexError):
                self._spare.pop().close()

    def _wait(self) -> PoolProxiedConnection:
        with self._counting:
            self._waiting += 1
        try:
            # Between the look and the count, one may have come back.
            with suppress(IndexError):
                return self._spare.pop()
            return self._engine.raw_connection()
        finally:
            with self._counting:
                self._waiting -= 1

    def _close(self, _engine: Engine) -> None:
        while self._spare:
            self._spare.pop().invalidate()
