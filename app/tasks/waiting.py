"""Requests that wait for changes: each sleeps until its user's rows have changed, or until its time is up.

This process's writes wake them at once. Those of others are found by a look at the database for each waiting user,
every LOOK_SECONDS, which the user's waits share. Between the looks a wait holds no connection of the pool.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from random import uniform
from threading import BoundedSemaphore
from typing import Literal

from app.auth.problems import RateLimited
from app.http.problems import DatabaseUnavailable, ServiceBusy
from app.tasks import changes
from app.tasks.change_queries import Look, look
from app.tasks.change_tokens import Sums, Token, overlap_before
from app.tasks.changes import Changes
from app.turns import Sleep

# Less than the 60 s after which proxies give up.
MAX_WAIT_SECONDS = 50
# Of one user in a process.
MAX_WAITS_OF_USER = 10
# In a process: half of a worker's connections, so that other requests have the rest.
MAX_WAITS = 1_000
RETRY_SECONDS = 5
# Between two looks for one user: together with a look and GATHER_SECONDS less than two seconds.
LOOK_SECONDS = 1.5
# Looks of a process at once, so that other requests have most connections of the pool.
LOOKS_AT_ONCE = 4
LOOK_AGAIN_SECONDS = 0.05
# How often a wait checks its token, and whether its worker stops.
CHECK_SECONDS = 0.3
# Pause after a write, so that several that follow each other make one response.
GATHER_SECONDS = 0.05
# The waits of a stopping worker end within this time, so that their clients do not all come back at once.
SPREAD_SECONDS = 5

End = Literal["write", "look", "time", "client", "stop", "token"]


@dataclass(frozen=True, slots=True)
class Patience:
    """How long a request can wait. Both checks raise TokenRefused: a cheap one, and one for before it reads."""

    seconds: float
    sleep: Sleep
    check: Callable[[], None]
    check_again: Callable[[], None]


@dataclass(slots=True, eq=False)
class _Wait:
    token: Token
    limit: int
    patience: Patience
    # Set until a look has shown whether there is something new for this wait.
    woken_by: End | None = None

    def wake(self, by: End) -> None:
        self.woken_by = by
        self.patience.sleep.wake()


@dataclass(slots=True)
class _Watch:
    """A user's waits in a process, and the last look that they share."""

    waits: set[_Wait] = field(default_factory=set)
    # By time.monotonic().
    looked_at: float = 0.0
    # What the last look found after a time, first for tasks, then for lists if a wait includes them.
    tasks_since: str | None = None
    lists_since: str | None = None
    sums: Sums | None = None

    def wake(self, by: End, but: _Wait | None = None) -> None:
        for wait in self.waits - {but}:
            wait.wake(by)

    def keep(self, found: Look, with_lists: bool) -> None:
        """Remember a look. The next one reads only from where transactions under way can still write."""
        self.tasks_since = overlap_before(found.clock)
        self.lists_since = self.tasks_since if with_lists else None
        self.sums = found.recent

    def begin(self, wait: _Wait, found: Look) -> None:
        """Go on from a new wait's own look, if the last one of the others does not do."""
        with_lists = wait.token.lists is not None
        if self.tasks_since is None or (with_lists and self.lists_since is None):
            self.looked_at = time.monotonic()
            self.keep(found, with_lists)
            # Something may have changed between the last look and this one.
            self.wake("look", but=wait)


class Waits:
    """A process's waits. `on_end` is called with what ended each."""

    on_end: Callable[[End], None] | None = None

    def __init__(self) -> None:
        self._watches: dict[str, _Watch] = {}
        self._looking = BoundedSemaphore(LOOKS_AT_ONCE)
        # After a failed look, so that hundreds of waits do not all try.
        self._paused_until = 0.0
        self.count = 0

    def wake(self, user_id: str) -> None:
        """Wake a user's waits. Every write of this process calls it, after the commit."""
        if watch := self._watches.get(user_id):
            watch.wake("write")

    def list_changes(
        self, user_id: str, since: str | None, limit: int, with_lists: bool, patience: Patience | None
    ) -> Changes:
        """List changes as soon as there are some, or none when the patience ends. Without any, answer at once."""
        token = Token.read(since, user_id, with_lists)
        if patience and since and token.seen is not None:
            with patience.sleep:
                return self._wait(user_id, _Wait(token, limit, patience))
        return changes.list_changes(user_id, token, limit)

    def _wait(self, user_id: str, wait: _Wait) -> Changes:
        with self._joined(user_id, wait) as watch:
            # Only from here on are writes noticed, so look once more.
            found = look(user_id, *wait.token.since)
            wait.token.require_age(found.clock)
            if found.sums != wait.token.seen:
                return changes.list_changes(user_id, wait.token, wait.limit)
            watch.begin(wait, found)
            end: End = "token"
            try:
                end, news = self._sleep(user_id, watch, wait)
            finally:
                if self.on_end:
                    self.on_end(end)
        return news or Changes(wait.token.at(found.clock, found.recent).write(user_id))

    @contextmanager
    def _joined(self, user_id: str, wait: _Wait) -> Iterator[_Watch]:
        """Count a wait among its user's."""
        watch = self._watches.get(user_id) or _Watch()
        if len(watch.waits) >= MAX_WAITS_OF_USER:
            raise RateLimited(RETRY_SECONDS, f"You have {MAX_WAITS_OF_USER} requests that wait. End one first.")
        if self.count >= MAX_WAITS:
            raise ServiceBusy(RETRY_SECONDS)
        self._watches[user_id] = watch
        watch.waits.add(wait)
        self.count += 1
        try:
            yield watch
        finally:
            self.count -= 1
            watch.waits.remove(wait)
            if not watch.waits:
                del self._watches[user_id]

    def _sleep(self, user_id: str, watch: _Watch, wait: _Wait) -> tuple[End, Changes | None]:
        """Sleep until there is something new, or until there is no more reason to wait."""
        sleep = wait.patience.sleep
        end: End = "time"
        ends_at = time.monotonic() + wait.patience.seconds
        while (now := time.monotonic()) < ends_at:
            wait.patience.check()
            if sleep.is_stopping and end != "stop":
                end, ends_at = "stop", min(ends_at, now + uniform(0, SPREAD_SECONDS))  # noqa: S311
            if not self._is_paused and (by := wait.woken_by) and (news := self._news(user_id, wait)):
                return by, news
            self._look_for(user_id, watch)
            next_look = max(watch.looked_at + LOOK_SECONDS, self._paused_until) - now
            sleep.sleep(min(CHECK_SECONDS, max(next_look, LOOK_AGAIN_SECONDS), max(ends_at - now, 0)))
            if sleep.is_abandoned:
                return "client", None
        return end, None

    def _news(self, user_id: str, wait: _Wait) -> Changes | None:
        """Return what is new for a wait that was woken, if the database can be read and there is something."""
        time.sleep(GATHER_SECONDS)
        by, wait.woken_by = wait.woken_by, None
        try:
            if look(user_id, *wait.token.since).sums == wait.token.seen:
                return None
            wait.patience.check_again()
            return changes.list_changes(user_id, wait.token, wait.limit)
        except DatabaseUnavailable:
            # Try again later.
            wait.woken_by = by
            self._pause()
            return None

    def _look_for(self, user_id: str, watch: _Watch) -> None:
        """Look for all of a user's waits, if it is time to, and wake them if anything has changed."""
        is_due = time.monotonic() >= watch.looked_at + LOOK_SECONDS and not self._is_paused
        if not is_due or not self._looking.acquire(blocking=False):
            return
        try:
            watch.looked_at, lists_since = time.monotonic(), watch.lists_since
            found = look(user_id, str(watch.tasks_since), lists_since)
            if found.sums != watch.sums:
                watch.wake("look")
            watch.keep(found, lists_since is not None)
        except DatabaseUnavailable:
            self._pause()
        finally:
            self._looking.release()

    @property
    def _is_paused(self) -> bool:
        return time.monotonic() < self._paused_until

    def _pause(self) -> None:
        self._paused_until = time.monotonic() + LOOK_SECONDS
