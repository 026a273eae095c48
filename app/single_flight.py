"""Work that one thread does for all who need its result."""

import logging
import threading
import time
from collections.abc import Callable

from app.problems import Problem

logger = logging.getLogger("tasks.single_flight")


class SingleFlight:
    """Runs `work` one at a time, for the caller or behind its back. Times are of time.monotonic()."""

    def __init__(self, name: str, work: Callable[[], None]) -> None:
        self.name = name
        # When the last run that did not raise began.
        self.began_at = float("-inf")
        self._work = work
        self._running = threading.Lock()
        self._failure: Problem | None = None
        self._failed_at = float("-inf")

    @property
    def age(self) -> float:
        """Seconds since the last good run began."""
        return time.monotonic() - self.began_at

    def run_if_older(self, seconds: float) -> None:
        """Have a run that began within the last `seconds`: wait for the one under way if that is enough, or do one."""
        arrived_at = time.monotonic()
        with self._running:
            if self._failed_at > arrived_at and self._failure is not None:
                # It failed while this one waited; to try once more for each who waits would hold them for minutes.
                raise self._failure
            if self.began_at < arrived_at - seconds:
                self._run()

    def run_in_background(self) -> None:
        """Start a run, unless one is under way, and go on."""
        if self._running.acquire(blocking=False):
            threading.Thread(target=self._run_and_release, name=self.name, daemon=True).start()

    def _run_and_release(self) -> None:
        try:
            self._run()
        except Problem as problem:
            # Whoever needs the result next runs it again, and is told.
            logger.warning("%s failed: %s", self.name, problem.detail)
        finally:
            self._running.release()

    def _run(self) -> None:
        began_at = time.monotonic()
        try:
            self._work()
        except Problem as problem:
            self._failure, self._failed_at = problem, time.monotonic()
            raise
        self.began_at = began_at
