"""Work that runs once for all requests that need its result."""

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from app.http.problems import Problem

logger = logging.getLogger("tasks.single_flight")


@dataclass(slots=True)
class Run:
    """One run of the work. Times are by time.monotonic()."""

    began_at: float
    done: threading.Event = field(default_factory=threading.Event)
    failure: Exception | None = None

    def wait(self, patience: float) -> bool:
        """Wait until it is done; return False once it has taken `patience` seconds since it began."""
        return self.done.wait(max(0, self.began_at + patience - time.monotonic()))


class SingleFlight:
    """Runs `work` in its own thread, one run at a time, so that each caller decides how long to wait."""

    def __init__(self, name: str, work: Callable[[], None]) -> None:
        self.name = name
        # When the last successful run began.
        self.began_at = float("-inf")
        self._work = work
        self._run: Run | None = None
        self._starting = threading.Lock()

    @property
    def age(self) -> float:
        """Return the seconds since the last successful run began."""
        return time.monotonic() - self.began_at

    @property
    def under_way(self) -> Run | None:
        """Return the current run, or None."""
        run = self._run
        return run if run and not run.done.is_set() else None

    def start(self) -> Run:
        """Return the current run, or start one."""
        with self._starting:
            return self.under_way or self._begin()

    def wait_if_older(self, seconds: float, patience: float) -> bool:
        """Make sure a successful run began within the last `seconds`; return False if one exceeds `patience`.

        Raise the error of a run that fails meanwhile, because trying again for each waiting caller would take minutes.
        """
        oldest = time.monotonic() - seconds
        # The current run may have begun too early; then wait for the next one as well.
        while self.began_at < oldest:
            with self._starting:
                if self.began_at >= oldest:
                    # It has ended just now.
                    return True
                run = self.under_way or self._begin()
            if not run.wait(patience):
                return False
            if run.failure is not None:
                raise run.failure
        return True

    def _begin(self) -> Run:
        run = Run(time.monotonic())
        threading.Thread(target=self._do, args=(run,), name=self.name, daemon=True).start()
        # Set after the start: if the thread cannot start, no caller must wait for this run.
        self._run = run
        return run

    def _do(self, run: Run) -> None:
        try:
            self._work()
            self.began_at = run.began_at
        except Exception as error:  # noqa: BLE001 (the waiting callers get every error)
            run.failure = error
            logger.warning("%s failed: %s", self.name, error.detail if isinstance(error, Problem) else error)
        finally:
            run.done.set()
