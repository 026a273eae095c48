"""A request that sleeps without a thread, and notices when its client leaves or its worker stops."""

import time
from collections.abc import Callable
from typing import Any, Self

import gevent
from gevent.event import Event

from app.turns import WAITED

# The event that a watcher of gevent's loop waits for.
_READ = 1


class Sleep:
    """See app.turns.Sleep."""

    def __init__(self, client: Any, environ: dict[str, Any], is_stopping: Callable[[], bool]) -> None:
        self._client, self._environ, self._is_stopping = client, environ, is_stopping
        self._woken = Event()
        self.is_abandoned = False

    @property
    def is_stopping(self) -> bool:
        return self._is_stopping()

    def __enter__(self) -> Self:
        self._watcher = gevent.get_hub().loop.io(self._client.fileno(), _READ)
        self._watcher.start(self._abandon)
        return self

    def __exit__(self, *_: object) -> None:
        self._watcher.close()

    def sleep(self, seconds: float) -> None:
        began_at = time.perf_counter()
        self._woken.wait(seconds)
        self._woken.clear()
        slept = self._environ.get(WAITED, 0.0) + time.perf_counter() - began_at
        self._environ[WAITED] = round(slept, 3)

    def wake(self) -> None:
        self._woken.set()

    def _abandon(self) -> None:
        """Called when there is something to read: the end, or a next request, so the client waits no longer."""
        self.is_abandoned = True
        self._watcher.stop()
        self._woken.set()
