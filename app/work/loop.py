"""The loop that looks for work: when something was just written here, when the next is due, and now and then.

An idle service sends no statement, so that a database that scales to zero may sleep.
"""

import logging
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from flask import Flask

from app.http.problems import Problem
from app.outbox.delivery import count_messages, seconds_late
from app.services import services_of
from app.work.outgoing import NOW, Outgoing

logger = logging.getLogger("tasks.work")

# The most that a source begins in one look.
ROWS_IN_A_LOOK = 500
# A database that this process has used within this time is awake anyway.
AWAKE_SECONDS = 60
# After a failure, doubled each time.
FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 1, 60
# Between two looks, unless there is more to find now, so that a clock that differs from the database's causes no haste.
SHORTEST_WAIT_SECONDS = 0.05
# How often the messages are counted for the metrics, if there is a look.
COUNT_SECONDS = 15


class Source(Protocol):
    """Something that becomes due at times of its own."""

    def run(self, limit: int) -> tuple[int, float | None]:
        """Begin up to so much of what is due. Return how much that was, and in how many seconds the next is due.

        These are 0 if more is due now, and None if nothing is known. The caller is in no scope.
        """
        ...


@dataclass(frozen=True, slots=True)
class Pace:
    """Seconds between two looks: while the database is awake, and while it may sleep.

    With `together`, all processes look at the same moments: then the database is woken once.
    """

    awake: float
    asleep: float
    together: bool = False

    def wait(self, is_awake: bool) -> float:
        if is_awake:
            return self.awake
        return self.asleep - (time.time() % self.asleep if self.together else 0)


# A thread of the service finds its own process's messages at once: these times are for what others have left behind.
IN_SERVICE = Pace(awake=10, asleep=3_600, together=True)
# `flask work` finds all messages only by looking.
ALONE = Pace(awake=1, asleep=5)


class Loop:
    """Looks into each source, again and again."""

    def __init__(self, app: Flask, sources: Sequence[Source], outgoing: Outgoing) -> None:
        self._app, self._sources, self._outgoing = app, [*sources, outgoing], outgoing
        self._alarm, self._database = services_of(app).alarm, services_of(app).database
        self._is_wanted: Callable[[], bool] = lambda: True
        self._pause: float = 0
        self._counted_at = float("-inf")
        # Called with the numbers for the metrics.
        self.note: Callable[[Mapping[str, int], float], None] | None = None

    def start(self, pace: Pace, is_wanted: Callable[[], bool] = lambda: True) -> None:
        """Look in a thread of its own, after any fork, until `stop()`, or until this process is not wanted any more."""
        self._is_wanted = is_wanted
        threading.Thread(target=self._run, args=(pace,), name="looking for work", daemon=True).start()

    def stop(self, seconds: float) -> bool:
        """Begin nothing more; return whether all that had begun has ended within this time."""
        self._is_wanted = lambda: False
        self._outgoing.stop()
        self._alarm.set()
        return self._outgoing.wait(seconds)

    def run_once(self) -> None:
        """Do all that is due now, and what is due when that is done."""
        begun = 1
        while begun:
            begun, next_due = 0, NOW
            self._outgoing.start_again()
            while next_due == NOW:
                count, next_due = self._look()
                begun += count
            self._outgoing.wait()

    def _run(self, pace: Pace) -> None:
        while self._is_wanted():
            # Before the look, because what is written during it may be missed.
            self._alarm.clear()
            self._sleep(self._look_and_wait(pace), pace.awake)
        self._outgoing.stop()

    def _sleep(self, seconds: float, at_most: float) -> None:
        """Wait for the alarm; while the database sleeps, also for a request that wakes it."""
        ends_at = time.monotonic() + seconds
        while (left := ends_at - time.monotonic()) > 0:
            if self._alarm.wait(min(left, at_most)) or (left > at_most and self._is_awake()):
                return

    def _is_awake(self) -> bool:
        return time.monotonic() - self._database.used_at < AWAKE_SECONDS

    def _look_and_wait(self, pace: Pace) -> float:
        """Look once; return in how many seconds to look again."""
        try:
            _, next_due = self._look()
        except Exception as error:
            self._outgoing.start_again()
            self._pause = min(LONGEST_PAUSE_SECONDS, 2 * self._pause or FIRST_PAUSE_SECONDS)
            if isinstance(error, Problem):
                logger.warning("looking for work failed: %s", error.detail)
            else:
                logger.exception("looking for work failed")
            return self._pause
        self._pause = 0
        return NOW if next_due == NOW else max(SHORTEST_WAIT_SECONDS, min(next_due, pace.wait(self._is_awake())))

    def _look(self) -> tuple[int, float]:
        """Look into each source; return how much was begun, and in how many seconds the next is due."""
        begun, next_due = 0, float("inf")
        with self._app.app_context():
            for source in self._sources:
                count, due = source.run(ROWS_IN_A_LOOK)
                begun += count
                next_due = next_due if due is None else min(next_due, max(NOW, due))
            if self.note and time.monotonic() - self._counted_at > COUNT_SECONDS:
                self._counted_at = time.monotonic()
                self.note(count_messages(), seconds_late())
        return begun, next_due
