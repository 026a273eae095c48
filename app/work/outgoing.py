"""Find the messages that are due, and hand their receivers to the threads that send.

A look reads only what has become due since the last one, so a receiver with a hundred thousand waiting messages costs
the others nothing. Now and then everything is read again, page by page: another process may have stopped before it had
sent what only it knew of.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from time import monotonic

from flask import Flask

from app.outbox.delivery import BEFORE_ALL, Handler, Place, list_due
from app.times import rfc3339, seconds_between
from app.work.senders import Senders

# A message gets its time when its transaction begins, which may take until 20 s later to commit.
OVERLAP = timedelta(seconds=30)
WHOLE_AGAIN_SECONDS = 60
# More receivers wait in the database instead of here.
MAX_RECEIVERS = 10_000
FULL_SECONDS = 1
# A source's answer if there is more to find now.
NOW = 0.0


class Outgoing:
    """The outbox as a source of work."""

    def __init__(self, app: Flask, handlers: Mapping[str, Handler]) -> None:
        self._app = app
        self._senders = {kind: self._new_senders(kind, handler) for kind, handler in handlers.items()}
        self._after: Place = BEFORE_ALL
        self._began_at = monotonic()

    def _new_senders(self, kind: str, handler: Handler) -> Senders:
        senders = Senders(self._app, kind, handler)
        senders.on_trouble = self.start_again
        return senders

    def start_again(self) -> None:
        """Let the next look read from the beginning."""
        self._began_at = float("-inf")

    def run(self, limit: int) -> tuple[int, float | None]:
        """Start sending up to so many messages that are due."""
        if sum(map(len, self._senders.values())) >= MAX_RECEIVERS:
            return 0, FULL_SECONDS
        if monotonic() - self._began_at > WHOLE_AGAIN_SECONDS:
            self._after, self._began_at = BEFORE_ALL, monotonic()
        found = list_due(self._after, limit)
        due = [message for message in found if message.due_at <= message.clock]
        # A kind that this version does not know is left to the other version that wrote it.
        known = [message for message in due if message.kind in self._senders]
        for message in known:
            self._senders[message.kind].add((message.user_id, message.key))
        if len(due) == limit:
            self._after = (due[-1].due_at, due[-1].user_id, due[-1].id)
            return len(known), NOW
        if not found:
            return 0, None
        self._after = (rfc3339(datetime.fromisoformat(found[0].clock) - OVERLAP), *BEFORE_ALL[1:])
        later = found[len(due) :]
        return len(known), seconds_between(later[0].clock, later[0].due_at) if later else None

    def stop(self) -> None:
        """Begin no further attempt."""
        for senders in self._senders.values():
            senders.is_stopping = True

    def wait(self, seconds: float | None = None) -> bool:
        """Wait until all threads have ended; return False if they take longer than this."""
        ends_at = None if seconds is None else monotonic() + seconds
        waits = [senders.wait(ends_at and max(0, ends_at - monotonic())) for senders in self._senders.values()]
        return all(waits)
