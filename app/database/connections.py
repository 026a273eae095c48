"""Idle connections. SQLAlchemy's pool makes and limits them, but does not check them out and in.

The pool's own steps (a record, a proxy, events, three locks) took a tenth of the time to read one task.
"""

import threading
from contextlib import suppress

from sqlalchemy import Engine, event
from sqlalchemy.pool import PoolProxiedConnection

from app.database.scopes import scope

# The key in a connection's info of the check that must pass before it is used again.
CHECK = "check"
# The key of the time when it was made, by time.monotonic().
MADE_AT = "made_at"


class Connections:
    """The idle connections of one engine. The one used last is taken first."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._spare: list[PoolProxiedConnection] = []
        self._waiting = 0
        self._counting = threading.Lock()
        event.listen(engine, "engine_disposed", self._close)

    @property
    def in_use(self) -> int:
        """Return the number of connections in use."""
        # Never negative, because the pool's count and the idle list change at different moments.
        checked_out: int = self._engine.pool.checkedout()  # type: ignore[attr-defined]
        return max(0, checked_out - len(self._spare))

    def take(self) -> PoolProxiedConnection:
        """Return an idle connection or a new one; raise TimeoutError if all stay in use for too long."""
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
            # A waiting request waits for a connection in SQLAlchemy's pool.
            with suppress(IndexError):
                self._spare.pop().close()

    def _wait(self) -> PoolProxiedConnection:
        with self._counting:
            self._waiting += 1
        try:
            # One may have come back between the first try and the count.
            with suppress(IndexError):
                return self._spare.pop()
            # On the first connection SQLAlchemy asks the server about itself, outside any user's scope.
            with scope(None):
                return self._engine.raw_connection()
        finally:
            with self._counting:
                self._waiting -= 1

    def _close(self, _engine: Engine) -> None:
        while self._spare:
            self._spare.pop().invalidate()
