"""Work that is done once for all who need its result."""

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from app.http.problems import Problem

logger = logging.getLogger("tasks.single_flight")


@dataclass(slots=True)
class Run:
    """One run of the work. Times are of time.monotonic()."""

    began_at: float
    done: threading.Event = field(default_factory=threading.Event)
    failure: Exception | None = None

    def wait(self, patience: float) -> bool:
        """Wait until it is done, or has taken so many seconds since it began: False then, at once if it is late."""
        return self.done.wait(max(0, self.began_at + patience - time.monotonic()))


class SingleFlight:
    """Runs `work` in a thread of its own, one run at a time, so that who needs it decides how long to wait."""

    def __init__(self, name: str, work: Callable[[], None]) -> None:
        self.name = name
        # When the last run that did not fail began.
        self.began_at = float("-inf")
        self._work = work
        self._run: Run | None = None
        self._starting = threading.Lock()

    @property
    def age(self) -> float:
        """Seconds since the last good run began."""
        return time.monotonic() - self.began_at

    @property
    def under_way(self) -> Run | None:
        """The run that is not done yet."""
        run = self._run
        return run if run and not run.done.is_set() else None

    def start(self) -> Run:
        """The run under way, or a new one."""
        with self._starting:
            run = self.under_way
            if run is None:
                run = Run(time.monotonic())
                threading.Thread(target=self._do, args=(run,), name=self.name, daemon=True).start()
                # Not before: a thread that cannot be started would leave a run that everybody waits for.
                self._run = run
            return run

    def wait_if_older(self, seconds: float, patience: float) -> bool:
        """Make sure that a good run began within the last `seconds`; False if one takes longer than `patience`.

        A run that fails meanwhile raises what it failed with: to try again for each who waits would take minutes.
        """
        arrived_at = time.monotonic()
        # A run under way may have begun too early; then the next is waited for as well.
        while self.began_at < arrived_at - seconds:
            run = self.start()
            if not run.wait(patience):
                return False
            if run.failure is not None:
                raise run.failure
        return True

    def _do(self, run: Run) -> None:
        try:
            self._work()
            self.began_at = run.began_at
        except Exception as error:  # noqa: BLE001 (whoever waits is told, whatever it is)
            run.failure = error
            logger.warning("%s failed: %s", self.name, error.detail if isinstance(error, Problem) else error)
        finally:
            run.done.set()
