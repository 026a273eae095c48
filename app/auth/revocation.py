"""What was revoked: a copy in each process, never older than a second, so that no request pays a query of its own."""

import sys
import threading
import time
from collections.abc import Iterable
from datetime import datetime, timedelta

from flask import Flask

from app.auth import revoked
from app.auth.identity import Identity
from app.auth.problems import TokenRevoked
from app.auth.single_flight import SingleFlight
from app.database.statements import Row
from app.times import rfc3339

# A copy of this age is read again in the background, as long as there are requests: a database that goes to sleep
# when nobody calls must be able to.
REFRESH_SECONDS = 0.5
# A request that finds an older one, after a pause or with a slow database, waits for a new one.
STALE_SECONDS = 0.9
# A read that takes longer than this is not waited for any more: a request asks for its own user's. With a million of
# them, a new process needs 2 to 6 s of processor time to read all.
PATIENCE_SECONDS = 0.25
# A change is stamped before it is committed, so each read goes back behind the one before it.
OVERLAP = timedelta(seconds=30)
# By the database's clock, between two reads: after a longer pause, or when the clock has gone back, what has changed
# cannot be told by its time, and everything is read again.
WHOLE_AGAIN = timedelta(hours=1)
PRUNE_SECONDS = 600

_HOUR = len("2026-03-14T09")


class Copy:
    """The table as a process keeps it: one entry for each session or user, some 120 to 210 bytes.

    The hour in which the last token expires that an entry could refuse is one text for all entries that share it.
    """

    def __init__(self) -> None:
        self.ended: dict[str, str] = {}
        # Until when refused tokens were issued, in seconds since 1970.
        self.until: dict[str, tuple[float, str]] = {}
        self.disabled: set[str] = set()

    def refuses(self, identity: Identity) -> bool:
        if identity.session_id in self.ended or identity.user_id in self.disabled:
            return True
        until = self.until.get(identity.user_id)
        return until is not None and (identity.issued_at is None or identity.issued_at <= until[0])

    def add(self, rows: Iterable[Row]) -> None:
        """Take in rows of the table, each in the place of what was known before."""
        for row in rows:
            user_id, subject, others, issued_until, expires_at = row
            hour = sys.intern(expires_at[:_HOUR])
            if subject == revoked.DISABLED:
                (self.disabled.add if issued_until > revoked.NEVER else self.disabled.discard)(user_id)
            elif subject == revoked.EVERY_TOKEN:
                self.until[user_id] = (datetime.fromisoformat(issued_until).timestamp(), hour)
            elif others is None:
                self.ended[subject] = hour
            else:
                self.ended.update(dict.fromkeys(revoked.ended_by(row), hour))

    def prune(self, now: str) -> None:
        """Drop what can refuse nothing any more."""
        this_hour = now[:_HOUR]
        for session_id in [key for key, hour in self.ended.items() if hour < this_hour]:
            del self.ended[session_id]
        for user_id in [key for key, (_, hour) in self.until.items() if hour < this_hour]:
            del self.until[user_id]


class Revocations:
    """What this process knows of the table."""

    def __init__(self, app: Flask) -> None:
        self._app = app
        self._known = Copy()
        # What this process has written since the read under way began.
        self._written: list[Row] = []
        self._adding = threading.Lock()
        self._copy = SingleFlight("reading revocations", self._read)
        self._read_until: datetime | None = None
        self._pruned_at = time.monotonic()

    def refuse_revoked(self, identity: Identity) -> None:
        """Raise TokenRevoked if this token has been revoked, or DatabaseUnavailable if that cannot be known."""
        age = self._copy.age
        if age > STALE_SECONDS and not self._copy.wait_if_older(STALE_SECONDS, PATIENCE_SECONDS):
            # Everything is being read, of all users. One of them is looked up at once.
            alone = Copy()
            alone.add(revoked.read_of_user(identity.user_id))
            if alone.refuses(identity):
                raise TokenRevoked
            return
        if STALE_SECONDS >= age > REFRESH_SECONDS:
            self._copy.start()
        self.refuse_known(identity)

    def refuse_known(self, identity: Identity) -> None:
        """Raise TokenRevoked if the copy says so, however old it is."""
        if self._known.refuses(identity):
            raise TokenRevoked

    def add(self, rows: Iterable[Row]) -> None:
        """Take in at once what this process has written."""
        with self._adding:
            self._written += rows
            self._known.add(rows)

    def _read(self) -> None:
        with self._adding:
            self._written.clear()
        with self._app.app_context():
            before = self._read_until
            read_at, rows = revoked.read_changed(rfc3339(before - OVERLAP) if before else revoked.EVER)
            now = datetime.fromisoformat(read_at)
            known = self._known
            if before is None or not timedelta(0) <= now - before <= WHOLE_AGAIN:
                known, rows = Copy(), []
                for page in revoked.read_all(read_at):
                    known.add(page)
        with self._adding:
            # What was read may be older than what was written meanwhile.
            known.add(rows)
            known.add(self._written)
            self._known = known
            if time.monotonic() - self._pruned_at > PRUNE_SECONDS:
                known.prune(read_at)
                self._pruned_at = time.monotonic()
        self._read_until = now
