"""Requests that wait for changes: each sleeps until its user's rows have changed, or until its time is up.

This process's writes wake them at once. Those of others are found by looks at the database (`watches.py`). A wait holds
no connection of the pool.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass

from app.http.problems import DatabaseUnavailable
from app.tasks import changes
from app.tasks.change_queries import look
from app.tasks.change_tokens import Token
from app.tasks.changes import Changes
from app.tasks.watches import LOOK_SECONDS, End, Wait, Watches
from app.turns import Sleep

# Less than the 60 s after which proxies give up.
MAX_WAIT_SECONDS = 50
# Pause after a write, so that several that follow each other make one response.
GATHER_SECONDS = 0.05


@dataclass(frozen=True, slots=True)
class Patience:
    """How long a request can wait. Both checks raise TokenRefused: a cheap one, and one for before it reads."""

    seconds: float
    sleep: Sleep
    check: Callable[[], None]
    check_again: Callable[[], None]


class Waits:
    """A process's waits. `on_end` is called with what ended each."""

    on_end: Callable[[End], None] | None = None

    def __init__(self) -> None:
        self._watches = Watches()
        self.wake = self._watches.wake
        # Those that sleep.
        self.count = 0

    def list_changes(
        self, user_id: str, since: str | None, limit: int, with_lists: bool, patience: Patience | None
    ) -> Changes:
        """List changes as soon as there are some, or none when the patience ends. Without any, answer at once."""
        token = Token.read(since, user_id, with_lists)
        if patience and since and token.seen is not None:
            with patience.sleep:
                return self._wait(user_id, token, limit, patience)
        return changes.list_changes(user_id, token, limit)

    def _wait(self, user_id: str, token: Token, limit: int, patience: Patience) -> Changes:
        wait = Wait(token, patience.sleep, patience.check)
        with self._watches.joined(user_id, wait) as watch:
            # Only from here on are writes noticed, so look once more.
            found = look(user_id, *token.since)
            token.require_age(found.clock)
            if found.sums != token.seen:
                return changes.list_changes(user_id, token, limit)
            watch.begin(wait, found)
            end: End = "token"
            self.count += 1
            try:
                end, news = self._sleep(user_id, wait, limit, patience)
            finally:
                self.count -= 1
                if self.on_end:
                    self.on_end(end)
        return news or Changes(token.at(found.clock, found.recent).write(user_id))

    def _sleep(self, user_id: str, wait: Wait, limit: int, patience: Patience) -> tuple[End, Changes | None]:
        """Sleep until there is something new, or until there is no more reason to wait."""
        ends_at = time.monotonic() + patience.seconds
        while (left := ends_at - time.monotonic()) > 0:
            # If it could not read what has woken it, it tries again.
            wait.sleep.sleep(min(left, LOOK_SECONDS) if wait.woken_by else left)
            if wait.sleep.is_abandoned:
                return "client", None
            if wait.refusal:
                raise wait.refusal
            if wait.is_stopped:
                return "stop", None
            if (by := wait.woken_by) and (news := self._news(user_id, wait, limit, patience)):
                return by, news
        return "time", None

    def _news(self, user_id: str, wait: Wait, limit: int, patience: Patience) -> Changes | None:
        """Return what is new for a wait that was woken, if there is something and the database can be read."""
        time.sleep(GATHER_SECONDS)
        if self._watches.is_paused:
            return None
        by, wait.woken_by = wait.woken_by, None
        try:
            if look(user_id, *wait.token.since).sums == wait.token.seen:
                return None
            patience.check_again()
            return changes.list_changes(user_id, wait.token, limit)
        except DatabaseUnavailable:
            self._watches.pause()
            wait.woken_by = by
            return None
