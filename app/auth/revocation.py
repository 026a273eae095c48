"""Each process's copy of the revocations, at most a second old, so that requests need no query of their own."""

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

# A copy of this age is read again in the background, but only on a request: an idle database can then go to sleep.
REFRESH_SECONDS = 0.5
# A request that finds an older copy, after a pause or with a slow database, waits for a new one.
STALE_SECONDS = 0.9
# Maximum wait for a read; then a request reads only its own user's revocations. With a million revocations, a new
# process needs 2 to 6 s of processor time to read all.
PATIENCE_SECONDS = 0.25
# A change gets its time before it is committed, so each read overlaps the previous one.
OVERLAP = timedelta(seconds=30)
# Between two reads, by the database's clock. After a longer pause, or if the clock went back, times do not show all
# changes. Then everything is read again.
WHOLE_AGAIN = timedelta(hours=1)
PRUNE_SECONDS = 600

_HOUR = len("2026-03-14T09")


class Copy:
    """A process's copy of the table: one entry for each session or user, some 120 to 210 bytes.

    An entry has the hour when the last token that it could reject expires. Entries with the same hour share its text.
    """

    def __init__(self) -> None:
        self.ended: dict[str, str] = {}
        # For each user, tokens issued until this time (seconds since 1970) are rejected.
        self.until: dict[str, tuple[float, str]] = {}
        self.disabled: set[str] = set()

    def refuses(self, identity: Identity) -> bool:
        if identity.session_id in self.ended or identity.user_id in self.disabled:
            return True
        until = self.until.get(identity.user_id)
        return until is not None and (identity.issued_at is None or identity.issued_at <= until[0])

    def add(self, rows: Iterable[Row]) -> None:
        """Add rows of the table; each replaces the earlier entry."""
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
        """Drop entries that can no longer reject any token."""
        this_hour = now[:_HOUR]
        for session_id in [key for key, hour in self.ended.items() if hour < this_hour]:
            del self.ended[session_id]
        for user_id in [key for key, (_, hour) in self.until.items() if hour < this_hour]:
            del self.until[user_id]


class Revocations:
    """This process's knowledge of the table."""

    def __init__(self, app: Flask) -> None:
        self._app = app
        self._known = Copy()
        # The rows that this process has written since the current read began.
        self._written: list[Row] = []
        self._adding = threading.Lock()
        self._copy = SingleFlight("reading revocations", self._read)
        self._read_until: datetime | None = None
        self._pruned_at = time.monotonic()
        self._tried_at = 0.0

    def refuse_revoked(self, identity: Identity) -> None:
        """Raise TokenRevoked if this token is revoked, or DatabaseUnavailable if that cannot be checked."""
        age = self._copy.age
        if age > STALE_SECONDS and not self._copy.wait_if_older(STALE_SECONDS, PATIENCE_SECONDS):
            # All users' revocations are still being read, so look up this user's now.
            self.refuse_stored(identity)
            return
        if STALE_SECONDS >= age > REFRESH_SECONDS:
            self._copy.start()
        self.refuse_known(identity)

    def refuse_soon(self, identity: Identity) -> None:
        """Raise TokenRevoked within a second after this token is revoked, for a request that waits and calls this.

        Without the database it refuses what is known, and the request waits on.
        """
        if self._copy.age > REFRESH_SECONDS and time.monotonic() - self._tried_at > REFRESH_SECONDS:
            self._tried_at = time.monotonic()
            self._copy.start()
        self.refuse_known(identity)

    def refuse_stored(self, identity: Identity) -> None:
        """Raise TokenRevoked if the database contains the revocation now. This takes a statement."""
        alone = Copy()
        alone.add(revoked.read_of_user(identity.user_id))
        if alone.refuses(identity):
            raise TokenRevoked

    def refuse_known(self, identity: Identity) -> None:
        """Raise TokenRevoked if the copy contains the revocation, however old the copy is."""
        if self._known.refuses(identity):
            raise TokenRevoked

    def add(self, rows: Iterable[Row]) -> None:
        """Add rows that this process has written, without waiting for the next read."""
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
            # The rows that were read may be older than those written meanwhile.
            known.add(rows)
            known.add(self._written)
            self._known = known
            if time.monotonic() - self._pruned_at > PRUNE_SECONDS:
                known.prune(read_at)
                self._pruned_at = time.monotonic()
        self._read_until = now
