"""What was revoked: a copy in each process, never older than a second, so that no request pays a query of its own."""

import threading
import time
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from flask import Flask

from app.auth import sessions
from app.auth.identity import Identity
from app.auth.problems import TokenRevoked
from app.engines import rfc3339
from app.single_flight import SingleFlight
from app.statements import Row

# A copy of this age is read again in the background, as long as there are requests: a database that goes to sleep
# when nobody calls must be able to.
REFRESH_SECONDS = 0.5
# A request that finds an older one, after a pause or with a slow database, waits for a new one.
STALE_SECONDS = 0.9
# A change is stamped before it is committed, so each read goes back behind the one before it.
OVERLAP = timedelta(seconds=30)
PRUNE_SECONDS = 60


@dataclass(frozen=True, slots=True)
class Revocation:
    """Refuses a subject's tokens that were issued until then. Times are seconds since 1970."""

    issued_until: float
    changed_at: str
    expires_at: float

    def covers(self, issued_at: float | None) -> bool:
        return self.issued_until > 0 and (issued_at is None or issued_at <= self.issued_until)


class Revocations:
    """One process's copy of the table."""

    def __init__(self, app: Flask) -> None:
        self._app = app
        self._of_user: dict[str, dict[str, Revocation]] = {}
        self._adding = threading.Lock()
        self._copy = SingleFlight("reading revocations", self._read)
        self._read_until: datetime | None = None
        self._pruned_at = time.monotonic()

    def refuse_revoked(self, identity: Identity) -> None:
        """Raise TokenRevoked if this token has been revoked, or DatabaseUnavailable if that cannot be known."""
        age = self._copy.age
        if age > STALE_SECONDS:
            self._copy.run_if_older(STALE_SECONDS)
        elif age > REFRESH_SECONDS:
            self._copy.run_in_background()
        self.refuse_known(identity)

    def refuse_known(self, identity: Identity) -> None:
        """Raise TokenRevoked if the copy says so, however old it is."""
        of_user = self._of_user.get(identity.user_id)
        if of_user and any(
            subject in of_user and of_user[subject].covers(identity.issued_at)
            for subject in (sessions.EVERY_TOKEN, sessions.DISABLED, identity.session_id)
        ):
            raise TokenRevoked

    def add(self, rows: Iterable[Row]) -> None:
        """Take in rows of the table: those that were read, and at once those that this process has written."""
        with self._adding:
            for row in rows:
                # Made anew and put in place at once, for other threads read it meanwhile.
                of_user = dict(self._of_user.get(row.user_id, {}))
                known = of_user.get(row.subject)
                if known is None or known.changed_at <= row.changed_at:
                    until, expires = _seconds(row.issued_until), _seconds(row.expires_at)
                    of_user[row.subject] = Revocation(until, row.changed_at, expires)
                    self._of_user[row.user_id] = of_user

    def _read(self) -> None:
        with self._app.app_context():
            read_at, rows = sessions.read_revocations(rfc3339(self._read_until - OVERLAP) if self._read_until else None)
        self.add(rows)
        self._read_until = datetime.fromisoformat(read_at)
        if time.monotonic() - self._pruned_at > PRUNE_SECONDS:
            self._prune(self._read_until.timestamp())

    def _prune(self, now: float) -> None:
        """Drop what can refuse nothing any more."""
        with self._adding:
            for user_id, of_user in list(self._of_user.items()):
                if all(revocation.expires_at < now for revocation in of_user.values()):
                    del self._of_user[user_id]
        self._pruned_at = time.monotonic()


def init_app(app: Flask) -> None:
    app.extensions["revocations"] = Revocations(app)


def _seconds(moment: str) -> float:
    return datetime.fromisoformat(moment).timestamp()
