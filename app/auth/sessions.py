"""Start, renew and end sessions."""

from collections.abc import Iterator, Sequence
from typing import Any

import uuid_utils
from sqlalchemy import Insert, and_, bindparam, delete, exists, func, insert, literal, select, update

from app.auth.models import sessions, users
from app.auth.revoked import Revoked, revoke_sessions
from app.auth.tokens import RefreshToken
from app.database import execute, fetch_all, fetch_one, transaction
from app.database.columns import from_now, now
from app.database.execution import MAX_AT_ONCE
from app.database.expiry import Expired
from app.database.statements import Row

# One more session ends the one that was renewed longest ago.
MAX_SESSIONS = 200
# A spent refresh token may come from a retry after a lost response.
RETRY_SECONDS = 10
_seconds: Any = bindparam("seconds")
_own = (sessions.c.user_id == bindparam("of_user"), sessions.c.id == bindparam("of_id"))
_live = sessions.c.expires_at > now()


def _insert_session(*conditions: Any) -> Insert:
    """Build the INSERT of a session for an enabled user who meets the conditions.

    FOR SHARE waits for a concurrent change of the user, then checks the user again. A later change finds the
    session. (FOR KEY SHARE, which the foreign key takes, does not wait for a change of the password.)
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
    MAX_SESSIONS
)
_verified = users.c.password_hash == bindparam("verified_hash")
# The keys: whether a password was verified, and whether there must be room for the session.
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
# A token older than the newest, and not a retry: it has been copied.
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
    .limit(MAX_SESSIONS)
)
_end_one = delete(sessions).where(*_own).returning(sessions.c.id)
_end_others = (
    delete(sessions)
    .where(sessions.c.user_id == bindparam("of_user"), sessions.c.id != bindparam("kept"))
    .returning(sessions.c.id)
)
_end_all = delete(sessions).where(sessions.c.user_id == bindparam("of_user")).returning(sessions.c.id)
# Never the new session, whatever the clock says.
_too_many = (
    select(_other.c.id)
    .where(_other.c.user_id == bindparam("of_user"), _other.c.id != bindparam("kept"))
    .order_by(_other.c.rotated_at.desc(), _other.c.id.desc())
    .offset(literal(MAX_SESSIONS - 1))
)
_end_oldest = (
    delete(sessions)
    .where(sessions.c.user_id == bindparam("of_user"), sessions.c.id.in_(_too_many))
    .returning(sessions.c.id)
)

_expired = Expired(sessions.c.expires_at)


def start_session(user_id: str, seconds: int, verified_hash: str | None = None) -> RefreshToken | None:
    """Start a session that ends after `seconds` unless it is renewed, and return its refresh token.

    Return None if the user is disabled or deleted, or the verified password is no longer the user's.
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
    # The user does not qualify, or has the maximum number of sessions.
    with transaction():
        if not execute(_start[is_verified, False], parameters):
            return None
        # Every process, including this one, reads the revocation within a second.
        _end(user_id, _end_oldest, {"of_user": user_id, "kept": refresh.session_id})
    return refresh


def renew_session(spent: RefreshToken, seconds: int) -> RefreshToken | None:
    """Exchange a refresh token for the next one atomically; None if it is not the newest of a live session."""
    renewed = spent.next()
    parameters = _key(spent.user_id, spent.session_id) | {
        "spent_generation": spent.generation,
        "spent_hash": spent.secret_hash,
        "new_hash": renewed.secret_hash,
        "seconds": seconds,
    }
    return renewed if execute(_rotate, parameters) else None


def end_reused_session(spent: RefreshToken) -> Revoked:
    """End the session of an already spent refresh token, unless it was spent just now (RFC 9700, section 4.14.2)."""
    parameters = _key(spent.user_id, spent.session_id) | {
        "family_hash": spent.family_hash,
        "spent_generation": spent.generation,
    }
    return end_session(spent.user_id, spent.session_id) if fetch_one(_reused, parameters) else []


def list_sessions(user_id: str) -> Sequence[Row]:
    """Return a user's live sessions, newest first."""
    return fetch_all(_list, {"of_user": user_id})


def end_session(user_id: str, session_id: str) -> Revoked:
    """End one session; return an empty list if it does not exist."""
    return _end(user_id, _end_one, _key(user_id, session_id))


def end_sessions(user_id: str, kept: str | None = None) -> Revoked:
    """End all sessions of a user except `kept`."""
    return (
        _end(user_id, _end_others, {"of_user": user_id, "kept": kept})
        if kept
        else _end(user_id, _end_all, {"of_user": user_id})
    )


def purge_expired() -> Iterator[int]:
    """Delete all expired sessions; yield the number in each part."""
    return _expired.delete(MAX_AT_ONCE)


def _end(user_id: str, statement: Any, parameters: dict[str, Any]) -> Revoked:
    with transaction():
        return revoke_sessions(user_id, [row.id for row in fetch_all(statement, parameters)])


def _key(user_id: str, session_id: str) -> dict[str, Any]:
    return {"of_user": user_id, "of_id": session_id}
