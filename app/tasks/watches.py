"""What the waits of a process share: looks at the database, and checks of their tokens and of their worker.

A wait itself sleeps all the time. A few threads look and check for all of them, while there are any.
"""

import logging
import math
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import Context, copy_context
from dataclasses import dataclass, field
from random import uniform
from typing import Literal

from app.auth.problems import RateLimited, TokenRefused
from app.http.problems import DatabaseUnavailable, ServiceBusy
from app.tasks.change_queries import Look, look
from app.tasks.change_tokens import Sums, Token, overlap_before
from app.turns import Sleep

# Of one user in a process.
MAX_WAITS_OF_USER = 10
# In a process: half of a worker's connections, so that other requests have the rest.
MAX_WAITS = 1_000
RETRY_SECONDS = 5
# Between two looks for one user at most: together with a look and a pause after it less than two seconds.
LOOK_SECONDS = 1.7
# Looks of a process at once, so that other requests have most connections of the pool.
LOOKS_AT_ONCE = 4
# On average.
DUE_LOOKS_SECONDS = 0.05
# How often the tokens are checked, and whether the worker stops.
CHECK_SECONDS = 0.3
# The waits of a stopping worker end within this time, so that their clients do not all come back at once.
SPREAD_SECONDS = 5

End = Literal["write", "look", "time", "client", "stop", "token"]

logger = logging.getLogger("tasks.waits")


@dataclass(slots=True, eq=False)
class Wait:
    """A request that waits. `check` raises TokenRefused once its token is revoked."""

    token: Token
    sleep: Sleep
    check: Callable[[], None]
    # Set until a look has shown whether there is something new for this wait.
    woken_by: End | None = None
    refusal: TokenRefused | None = None
    # By time.monotonic(), once the worker stops.
    stops_at: float = math.inf

    @property
    def is_stopped(self) -> bool:
        return time.monotonic() >= self.stops_at

    def wake(self, by: End) -> None:
        self.woken_by = self.woken_by or by
        self.sleep.wake()


@dataclass(slots=True)
class Watch:
    """A user's waits, and the last look that they share."""

    waits: set[Wait] = field(default_factory=set)
    # Of the first wait: it has the scope and the app.
    context: Context = field(default_factory=copy_context)
    # When the next look is due, by time.monotonic().
    look_at: float = math.inf
    # What the last look found after a time, first for tasks, then for lists if a wait includes them.
    tasks_since: str | None = None
    lists_since: str | None = None
    sums: Sums | None = None

    def wake(self, by: End, but: Wait | None = None) -> None:
        for wait in self.waits - {but}:
            wait.wake(by)

    def keep(self, found: Look, with_lists: bool) -> None:
        """Remember a look. The next one reads only from where transactions under way can still write."""
        self.tasks_since = overlap_before(found.clock)
        self.lists_since = self.tasks_since if with_lists else None
        self.sums = found.recent

    def begin(self, wait: Wait, found: Look) -> None:
        """Go on from a new wait's own look, if the last one of the others does not do."""
        with_lists = wait.token.lists is not None
        if self.tasks_since is None:
            # At any moment, so that clients that come at once, as after a restart, do not make looks at once.
            self.look_at = time.monotonic() + _part_of_interval(0)
        elif not with_lists or self.lists_since is not None:
            return
        self.keep(found, with_lists)
        # Something may have changed between the last look and this one.
        self.wake("look", but=wait)


class Watches:
    """All waits of a process, by user."""

    def __init__(self) -> None:
        self._of_user: dict[str, Watch] = {}
        self._running: set[int] = set()
        self._counting = threading.Lock()
        # After a look that failed.
        self._paused_until = 0.0
        self.count = 0

    def wake(self, user_id: str) -> None:
        """Wake a user's waits. Every write of this process calls it, after the commit."""
        if watch := self._of_user.get(user_id):
            watch.wake("write")

    @property
    def is_paused(self) -> bool:
        return time.monotonic() < self._paused_until

    def pause(self) -> None:
        """Leave the database alone for a moment, because it is unavailable."""
        self._paused_until = time.monotonic() + LOOK_SECONDS

    @contextmanager
    def joined(self, user_id: str, wait: Wait) -> Iterator[Watch]:
        """Count a wait among its user's, if it may wait."""
        watch = self._of_user.get(user_id) or Watch()
        if len(watch.waits) >= MAX_WAITS_OF_USER:
            raise RateLimited(RETRY_SECONDS, f"You have {MAX_WAITS_OF_USER} requests that wait. End one first.")
        if self.count >= MAX_WAITS:
            raise ServiceBusy(RETRY_SECONDS)
        self._of_user[user_id] = watch
        watch.waits.add(wait)
        self._count(1)
        try:
            yield watch
        finally:
            watch.waits.remove(wait)
            if not watch.waits:
                del self._of_user[user_id]
            self._count(-1)

    def _count(self, change: int) -> None:
        with self._counting:
            self.count += change
            if self.count:
                # The first one checks, the others look.
                for number in {*range(1 + LOOKS_AT_ONCE)} - self._running:
                    self._running.add(number)
                    threading.Thread(target=self._run, args=(number,), name="waits", daemon=True).start()

    def _is_needed(self, number: int) -> bool:
        """Return whether a thread goes on. It ends when there are no waits."""
        with self._counting:
            if not self.count:
                self._running.remove(number)
            return bool(self.count)

    def _run(self, number: int) -> None:
        work = self._look_for_due if number else self._check_all
        while self._is_needed(number):
            try:
                work()
            except DatabaseUnavailable:
                self.pause()
            except Exception:
                # The others still need it.
                logger.exception("a look or a check for waits failed")
                self.pause()
            # The looks of a process are at different times, so that a request has few of them in front of it.
            time.sleep(uniform(0, 2 * DUE_LOOKS_SECONDS) if number else CHECK_SECONDS)  # noqa: S311

    def _look_for_due(self) -> None:
        for user_id, watch in [*self._of_user.items()]:
            if watch.look_at < self._paused_until:
                watch.look_at = self._paused_until + _part_of_interval(0)
            if watch.look_at <= time.monotonic():
                _look_for(user_id, watch)

    def _check_all(self) -> None:
        for watch in [*self._of_user.values()]:
            for wait in [*watch.waits]:
                _check(wait)


def _look_for(user_id: str, watch: Watch) -> None:
    """Look once for all of a user's waits, and wake them if anything has changed."""
    lists_since, watch.look_at = watch.lists_since, math.inf
    try:
        found = watch.context.run(look, user_id, str(watch.tasks_since), lists_since)
    finally:
        watch.look_at = time.monotonic() + _part_of_interval(0.8)
    if found.sums != watch.sums:
        watch.wake("look")
    watch.keep(found, lists_since is not None)


def _check(wait: Wait) -> None:
    try:
        wait.check()
    except TokenRefused as refusal:
        wait.refusal = refusal
        wait.sleep.wake()
    if wait.sleep.is_stopping and wait.stops_at == math.inf:
        wait.stops_at = time.monotonic() + uniform(0, SPREAD_SECONDS)  # noqa: S311
    if wait.is_stopped:
        wait.sleep.wake()


def _part_of_interval(least: float) -> float:
    """Return a part of LOOK_SECONDS, so that looks spread over time."""
    return LOOK_SECONDS * uniform(least, 1)  # noqa: S311
