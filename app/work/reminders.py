"""Find the reminders that are due, and hand each user's on in the transaction that takes them: so each fires once."""

import logging
import random
from collections.abc import Callable, Sequence

from app.database import WORK, scope, transaction
from app.http.problems import Problem
from app.tasks.reminder_queries import Fired, list_next, take_due
from app.times import seconds_between
from app.work.outgoing import NOW

logger = logging.getLogger("tasks.work")

# After an error that nothing expects.
PAUSE_SECONDS = 60
# If another worker has taken all.
TAKEN_SECONDS = 1

# Writes what is to be sent of a user's reminders, in the current transaction.
Teller = Callable[[str, Sequence[Fired]], None]


class DueReminders:
    """The reminders of all users as a source of work."""

    def __init__(self, tellers: Sequence[Teller]) -> None:
        self._tellers = tellers

    def run(self, limit: int) -> tuple[int, float | None]:
        """Fire what is due of the users who come first."""
        with scope(WORK):
            found = list_next(limit)
        users = list({row.user_id for row in found if row.fire_at <= row.clock})
        if not users:
            return 0, seconds_between(found[0].clock, found[0].fire_at) if found else None
        # So that two workers seldom wait for each other.
        random.shuffle(users)
        fired = [self._fire(user_id) for user_id in users]
        taken = sum(filter(None, fired))
        if None in fired:
            return taken, PAUSE_SECONDS
        # Another worker that took all may fail.
        return taken, NOW if taken else TAKEN_SECONDS

    def _fire(self, user_id: str) -> int | None:
        """Fire a user's reminders; return how many, or None if that failed. The other users' must not wait for it."""
        try:
            with scope(user_id), transaction():
                taken, fired = take_due(user_id)
                for tell in self._tellers if fired else ():
                    tell(user_id, fired)
                return taken
        except Problem:
            raise
        except Exception:
            logger.exception("the reminders of a user failed")
            return None
