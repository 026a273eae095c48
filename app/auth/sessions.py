"""Sessions: how they begin, are renewed and end; and what ending them revokes."""

from collections.abc import Iterator, Sequence
from typing import Any

import uuid_utils
from sqlalchemy import (
    Insert,
    Integer,
    and_,
    bindparam,
    case,
    delete,
    exists,
    func,
    insert,
    literal,
    select,
    tuple_,
    update,
)

from app.auth.models import revocations, sessions, users
from app.auth.tokens import RefreshToken
from app.columns import Timestamp, both_engines, for_engine, from_now, now
from app.database import execute, fetch_all, fetch_one, fetch_tuples, transaction
from app.settings import LONGEST_ACCESS_TOKEN_SECONDS
from app.statements import Row

# Subjects of a revocation beside the ids of sessions.
EVERY_TOKEN = "every token"
DISABLED = "disabled"

# For clocks that differ: a token is taken for LEEWAY_SECONDS longer.
GRACE_SECONDS = 60
OWN_TOKENS_GONE_SECONDS = LONGEST_ACCESS_TOKEN_SECONDS + GRACE_SECONDS
# An account that begins one more ends the one that was renewed longest ago.
MOST_SESSIONS = 200
# A spent refresh token may be a retry of a request whose answer was lost.
RETRY_SECONDS = 10

# Long enough for each process to read that a user is enabled again; see revocation.WHOLE_AGAIN.
ENABLED_AGAIN_SECONDS = 86_400
# Some 7,900 years: as far as both engines can count.
FOR_EVER_SECONDS = 250_000_000_000
EVER = "9999-12-31T00:00:00.000000Z"
NEVER = "1970-01-01T00:00:00.000000Z"

# Rows of a page, when all are read.
PAGE = 10_000

REVOCATION = tuple(revocations.c[name] for name in ("user_id", "subject", "others", "issued_until", "expires_at"))

_seconds: Any = bindparam("seconds")
_own = (sessions.c.user_id == bindparam("of_user"), sessions.c.id == bindparam("of_id"))
_live = sessions.c.expires_at > now()


def _insert_session(*conditions: Any) -> Insert:
    """A session for a user who is there and enabled, and meets the conditions.

    FOR SHARE: one that is changed or deleted at this moment is waited for and looked at again, and whoever changes it
    afterwards finds the session. (FOR KEY SHARE, which the foreign key takes, lets a change of the password pass.)
    """
    row = {
        "user_id": users.c.id,
        "id": bindparam("new_id", type_=sessions.c.id.type),
        "family_hash": bindparam("new_family"),
        "refresh_hash": bindparam("new_hash"),
        "generation": literal(0),
        "rotated_at": now(),
        "created_at": now(),
        "expires_at": from_now(_seconds),
    }
    of_user = select(*row.values()).where(users.c.id == bindparam("of_user"), users.c.disabled_at.is_(None))
    return insert(sessions).from_select(list(row), of_user.where(*conditions).with_for_update(read=True))


_other = sessions.alias()
_has_room = select(func.count()).where(_other.c.user_id == bindparam("of_user")).scalar_subquery() < literal(
    MOST_SESSIONS
)
_verified = users.c.password_hash == bindparam("verified_hash")
# By whether a password was verified, and whether there must be room.
_start = {
    (False, True): _insert_session(_has_room),
    (False, False): _insert_session(),
    (True, True): _insert_session(_verified, _has_room),
    (True, False): _insert_session(_verified),
}
_rotate = (
    update(sessions)
    .where(
        *_own,
        _live,
        sessions.c.generation == bindparam("spent_generation"),
        sessions.c.refresh_hash == bindparam("spent_hash"),
        exists().where(users.c.id == bindparam("of_user"), users.c.disabled_at.is_(None)),
    )
    .values(
        refresh_hash=bindparam("new_hash"),
        generation=sessions.c.generation + 1,
        rotated_at=now(),
        expires_at=from_now(_seconds),
    )
)
# A token from before the newest one, and not a retry: somebody has a copy.
_reused = select(sessions.c.id).where(
    *_own,
    sessions.c.family_hash == bindparam("family_hash"),
    sessions.c.generation > bindparam("spent_generation"),
    ~and_(
        sessions.c.generation == bindparam("spent_generation") + 1,
        sessions.c.rotated_at > from_now(literal(-RETRY_SECONDS)),
    ),
)
_list = (
    select(sessions.c.id, sessions.c.created_at, sessions.c.rotated_at.label("used_at"), sessions.c.expires_at)
    .where(sessions.c.user_id == bindparam("of_user"), _live)
    .order_by(sessions.c.created_at.desc(), sessions.c.id.desc())
    .limit(MOST_SESSIONS)
)
_end_one = delete(sessions).where(*_own).returning(sessions.c.id)
_end_others = (
    delete(sessions)
    .where(sessions.c.user_id == bindparam("of_user"), sessions.c.id != bindparam("kept"))
    .returning(sessions.c.id)
)
_end_all = delete(sessions).where(sessions.c.user_id == bindparam("of_user")).returning(sessions.c.id)
# Not the new one, whatever the clock says.
_too_many = (
    select(_other.c.id)
    .where(_other.c.user_id == bindparam("of_user"), _other.c.id != bindparam("kept"))
    .order_by(_other.c.rotated_at.desc(), _other.c.id.desc())
    .offset(literal(MOST_SESSIONS - 1))
)
_end_oldest = (
    delete(sessions)
    .where(sessions.c.user_id == bindparam("of_user"), sessions.c.id.in_(_too_many))
    .returning(sessions.c.id)
)

_expired_revocations = delete(revocations).where(
    revocations.c.user_id == bindparam("of_user"), revocations.c.expires_at < now()
)


def _upsert_revocation(insert_for_engine: Any) -> Any:
    """What was refused until some time stays so: the clock may have gone back since."""
    statement = insert_for_engine(revocations).values(changed_at=now(), expires_at=from_now(_seconds))
    later = {
        name: case(
            (statement.excluded[name] > revocations.c[name], statement.excluded[name]), else_=revocations.c[name]
        )
        for name in ("issued_until", "expires_at")
    }
    replaced = later | {"changed_at": statement.excluded.changed_at}
    return statement.on_conflict_do_update(index_elements=["user_id", "subject"], set_=replaced).returning(*REVOCATION)


def _switch_revocation(insert_for_engine: Any) -> Any:
    """What can be taken back."""
    statement = insert_for_engine(revocations).values(changed_at=now(), expires_at=from_now(_seconds))
    replaced = {name: statement.excluded[name] for name in ("issued_until", "changed_at", "expires_at")}
    return statement.on_conflict_do_update(index_elements=["user_id", "subject"], set_=replaced).returning(*REVOCATION)


_expired_sessions = delete(sessions).where(sessions.c.user_id == bindparam("of_user"), sessions.c.expires_at < now())
_purge_revocations = delete(revocations).where(revocations.c.expires_at < now())
_revoke = both_engines(_upsert_revocation)
_switch = both_engines(_switch_revocation)

# One row at least: it tells the database's time.
_clock = select(now().label("read_at")).subquery("clock")
_changed = and_(revocations.c.changed_at > bindparam("since", type_=Timestamp()), revocations.c.expires_at > now())
_read_changed = select(_clock.c.read_at, *REVOCATION).select_from(_clock.outerjoin(revocations, _changed))
_read_of_user = select(*REVOCATION).where(
    revocations.c.user_id == bindparam("of_user"), revocations.c.expires_at > now()
)
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


def start_session(user_id: str, seconds: int, verified_hash: str | None = None) -> RefreshToken | None:
    """Start a session that lives for `seconds` unless it is renewed; the token that renews it.

    None if the user is disabled or gone, or has another password by now than the one that was verified.
    """
    refresh = RefreshToken.first(user_id, str(uuid_utils.uuid7()))
    parameters = {
        "of_user": user_id,
        "new_id": refresh.session_id,
        "new_family": refresh.family_hash,
        "new_hash": refresh.secret_hash,
        "seconds": seconds,
    }
    is_verified = verified_hash is not None
    if is_verified:
        parameters["verified_hash"] = verified_hash
    if execute(_start[is_verified, True], parameters):
        return refresh
    # Refused, or the account is full.
    with transaction():
        if not execute(_start[is_verified, False], parameters):
            return None
        # Every process reads of it within a second, this one too.
        _end(user_id, _end_oldest, {"of_user": user_id, "kept": refresh.session_id})
    return refresh


def renew_session(spent: RefreshToken, seconds: int) -> RefreshToken | None:
    """Spend a refresh token for the next one, atomically; None if it is not the newest of a live session."""
    renewed = spent.next()
    parameters = _key(spent.user_id, spent.session_id) | {
        "spent_generation": spent.generation,
        "spent_hash": spent.secret_hash,
        "new_hash": renewed.secret_hash,
        "seconds": seconds,
    }
    return renewed if execute(_rotate, parameters) else None


def end_reused_session(spent: RefreshToken) -> Revoked:
    """End the session of a refresh token that was spent before, unless that was just now (RFC 9700, section 4.14.2)."""
    parameters = _key(spent.user_id, spent.session_id) | {
        "family_hash": spent.family_hash,
        "spent_generation": spent.generation,
    }
    return end_session(spent.user_id, spent.session_id) if fetch_one(_reused, parameters) else []


def list_sessions(user_id: str) -> Sequence[Row]:
    """A user's live sessions, newest first."""
    return fetch_all(_list, {"of_user": user_id})


def end_session(user_id: str, session_id: str) -> Revoked:
    """End one session; nothing is returned if there is none."""
    return _end(user_id, _end_one, _key(user_id, session_id))


def end_sessions(user_id: str, kept: str | None = None) -> Revoked:
    """End all sessions of a user, but for one."""
    return (
        _end(user_id, _end_others, {"of_user": user_id, "kept": kept})
        if kept
        else _end(user_id, _end_all, {"of_user": user_id})
    )


def revoke_own_tokens(user_id: str) -> Revoked:
    """Refuse every token of an account that is no more. Its id never comes back."""
    return [_write_revocation(_revoke, user_id, EVERY_TOKEN, EVER, OWN_TOKENS_GONE_SECONDS)]


def revoke_outside_tokens(user_id: str, issued_until: str, longest_life: int) -> Revoked:
    """Refuse every token of a user of another issuer that was issued until then, for as long as one can live."""
    return [_write_revocation(_revoke, user_id, EVERY_TOKEN, issued_until, longest_life + GRACE_SECONDS)]


def revoke_user(user_id: str, disabled: bool) -> Revoked:
    """Refuse everything of a user from now on, or no more."""
    until, seconds = (EVER, FOR_EVER_SECONDS) if disabled else (NEVER, ENABLED_AGAIN_SECONDS)
    return [_write_revocation(_switch, user_id, DISABLED, until, seconds)]


def read_changed(since: str) -> tuple[str, Revoked]:
    """The database's time, and what was revoked, or changed, since."""
    rows = fetch_all(_read_changed, {"since": since})
    return rows[0].read_at, [row[1:] for row in rows if row.user_id is not None]


def read_revocations_of(user_id: str) -> Revoked:
    """What is revoked of one user's."""
    return fetch_all(_read_of_user, {"of_user": user_id})


def read_all(read_at: str) -> Iterator[Revoked]:
    """What is revoked and not expired at this time of the database's, page by page."""
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
    """The ids of the sessions that a revocation ends."""
    return [revoked[1], *(revoked[2] or "").split()]


def purge_expired(user_id: str) -> int:
    """End a user's sessions and revocations of which no living token is left; how many sessions."""
    execute(_expired_revocations, {"of_user": user_id})
    return execute(_expired_sessions, {"of_user": user_id})


def purge_expired_revocations() -> None:
    """End those that have outlived their users as well."""
    execute(_purge_revocations)


def _end(user_id: str, statement: Any, parameters: dict[str, Any]) -> Revoked:
    """End sessions, however many, with one revocation."""
    with transaction():
        ended = [row.id for row in fetch_all(statement, parameters)]
        execute(_expired_revocations, {"of_user": user_id})
        if not ended:
            return []
        others = " ".join(ended[1:]) or None
        return [_write_revocation(_revoke, user_id, ended[0], EVER, OWN_TOKENS_GONE_SECONDS, others)]


def _write_revocation(
    statements: Any, user_id: str, subject: str, issued_until: str, seconds: int, others: str | None = None
) -> Row:
    row = {"user_id": user_id, "subject": subject, "others": others, "issued_until": issued_until, "seconds": seconds}
    written = fetch_one(for_engine(statements), row)
    assert written is not None
    return written


def _key(user_id: str, session_id: str) -> dict[str, Any]:
    return {"of_user": user_id, "of_id": session_id}
