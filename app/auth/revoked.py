"""Write, read and delete the rows of revocations. Each process's copy of them is in revocation.py."""

from collections.abc import Iterator, Sequence
from typing import Any

from sqlalchemy import Integer, and_, bindparam, case, delete, select, tuple_

from app.auth.models import revocations
from app.database import execute, fetch_all, fetch_one, fetch_tuples
from app.database.columns import Timestamp, from_now, now
from app.database.engines import both_engines, for_engine
from app.database.execution import MAX_AT_ONCE
from app.database.expiry import Expired
from app.database.statements import Row
from app.settings import MAX_ACCESS_TOKEN_SECONDS

# Subjects of a revocation, besides the ids of sessions and personal tokens.
EVERY_TOKEN = "every token"
DISABLED = "disabled"

# For differing clocks: a token is accepted for LEEWAY_SECONDS longer.
GRACE_SECONDS = 60
OWN_TOKENS_GONE_SECONDS = MAX_ACCESS_TOKEN_SECONDS + GRACE_SECONDS
# Long enough for each process to notice that a user is enabled again; see revocation.WHOLE_AGAIN.
ENABLED_AGAIN_SECONDS = 86_400
# Some 7,900 years: about the limit of both engines.
FOR_EVER_SECONDS = 250_000_000_000
EVER = "9999-12-31T00:00:00.000000Z"
NEVER = "1970-01-01T00:00:00.000000Z"

# Rows per page when all are read.
PAGE = 10_000

REVOCATION = tuple(revocations.c[name] for name in ("user_id", "subject", "others", "issued_until", "expires_at"))

_seconds: Any = bindparam("seconds")
_of_user = revocations.c.user_id == bindparam("of_user")

_expired_of_user = delete(revocations).where(_of_user, revocations.c.expires_at < now())
_expired = Expired(revocations.c.expires_at)


def _upsert(insert_for_engine: Any) -> Any:
    """Build an upsert that only moves the times forward, because the clock may have gone back."""
    statement = insert_for_engine(revocations).values(changed_at=now(), expires_at=from_now(_seconds))
    later = {
        name: case(
            (statement.excluded[name] > revocations.c[name], statement.excluded[name]), else_=revocations.c[name]
        )
        for name in ("issued_until", "expires_at")
    }
    replaced = later | {"changed_at": statement.excluded.changed_at}
    return statement.on_conflict_do_update(index_elements=["user_id", "subject"], set_=replaced).returning(*REVOCATION)


def _put(insert_for_engine: Any) -> Any:
    """Build an upsert that replaces the row, so that it can be taken back."""
    statement = insert_for_engine(revocations).values(changed_at=now(), expires_at=from_now(_seconds))
    replaced = {name: statement.excluded[name] for name in ("issued_until", "changed_at", "expires_at")}
    return statement.on_conflict_do_update(index_elements=["user_id", "subject"], set_=replaced).returning(*REVOCATION)


_revoke = both_engines(_upsert)
_switch = both_engines(_put)

# At least one row, with the database's time.
_clock = select(now().label("read_at")).subquery("clock")
_changed = and_(revocations.c.changed_at > bindparam("since", type_=Timestamp()), revocations.c.expires_at > now())
_read_changed = select(_clock.c.read_at, *REVOCATION).select_from(_clock.outerjoin(revocations, _changed))
_read_of_user = select(*REVOCATION).where(_of_user, revocations.c.expires_at > now())
_read_page = (
    select(*REVOCATION)
    .where(
        tuple_(revocations.c.user_id, revocations.c.subject) > tuple_(bindparam("after_user"), bindparam("after")),
        revocations.c.expires_at > bindparam("read_at", type_=Timestamp()),
    )
    .order_by(revocations.c.user_id, revocations.c.subject)
    .limit(bindparam("rows", type_=Integer()))
)

Revoked = Sequence[Row]


def revoke_sessions(user_id: str, ended: Sequence[str]) -> Revoked:
    """Reject the tokens of ended sessions, or ended personal tokens; one row holds any number of ids."""
    execute(_expired_of_user, {"of_user": user_id})
    if not ended:
        return []
    others = " ".join(ended[1:]) or None
    return [_write(_revoke, user_id, ended[0], EVER, OWN_TOKENS_GONE_SECONDS, others)]


def revoke_own_tokens(user_id: str) -> Revoked:
    """Reject every token of a deleted account. Its id is never used again."""
    return [_write(_revoke, user_id, EVERY_TOKEN, EVER, OWN_TOKENS_GONE_SECONDS)]


def revoke_outside_tokens(user_id: str, issued_until: str, longest_life: int) -> Revoked:
    """Reject every token issued until this time for another issuer's user, until the last one has expired."""
    return [_write(_revoke, user_id, EVERY_TOKEN, issued_until, longest_life + GRACE_SECONDS)]


def revoke_user(user_id: str, disabled: bool) -> Revoked:
    """Reject all tokens of a disabled user, or accept them again."""
    until, seconds = (EVER, FOR_EVER_SECONDS) if disabled else (NEVER, ENABLED_AGAIN_SECONDS)
    return [_write(_switch, user_id, DISABLED, until, seconds)]


def read_changed(since: str) -> tuple[str, Revoked]:
    """Return the database's time, and the revocations added or changed since."""
    rows = fetch_all(_read_changed, {"since": since})
    return rows[0].read_at, [row[1:] for row in rows if row.user_id is not None]


def read_of_user(user_id: str) -> Revoked:
    """Return one user's revocations."""
    return fetch_all(_read_of_user, {"of_user": user_id})


def read_all(read_at: str) -> Iterator[Revoked]:
    """Yield all revocations not expired at this time of the database, page by page."""
    after_user = after = ""
    is_last = False
    while not is_last:
        position = {"after_user": after_user, "after": after}
        page = fetch_tuples(_read_page, {**position, "read_at": read_at, "rows": PAGE})
        yield page
        is_last = len(page) < PAGE
        if not is_last:
            after_user, after = page[-1][:2]


def ended_by(revoked: Row) -> list[str]:
    """Return the ids of the sessions, or personal tokens, that a revocation ends."""
    return [revoked[1], *(revoked[2] or "").split()]


def purge_expired() -> Iterator[int]:
    """Delete all revocations that can no longer reject any token; yield the number in each part."""
    return _expired.delete(MAX_AT_ONCE)


def _write(
    statements: Any, user_id: str, subject: str, issued_until: str, seconds: int, others: str | None = None
) -> Row:
    row = {"user_id": user_id, "subject": subject, "others": others, "issued_until": issued_until, "seconds": seconds}
    written = fetch_one(for_engine(statements), row)
    assert written is not None
    return written
