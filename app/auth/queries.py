"""Users, their addresses and sessions: the only statements on these tables."""

import unicodedata
from datetime import UTC, datetime, timedelta
from typing import Any

import uuid_utils
from sqlalchemy import Row, bindparam, insert, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import IntegrityError

from app.auth.identity import LOCAL_USER_PREFIX
from app.auth.models import sessions, user_emails, users
from app.auth.problems import EmailTaken
from app.auth.tokens import RefreshToken
from app.columns import now
from app.database import db, execute, fetch_one, transaction, violation

_USER = (users.c.id, users.c.email, users.c.name, users.c.created_at)

_claim_email = insert(user_emails)
_add_user = insert(users).values(created_at=now()).returning(*_USER)
_add_session = insert(sessions).values(created_at=now())
_add_outside_user = {
    # The user may have been made by another request in the meantime.
    dialect.name: make(users).values(created_at=now()).on_conflict_do_nothing()
    for dialect, make in ((postgresql.dialect, postgresql.insert), (sqlite.dialect, sqlite.insert))
}
_owner_of_email = select(user_emails.c.user_id).where(user_emails.c.email == bindparam("email"))
_user = select(*_USER, users.c.password_hash).where(users.c.id == bindparam("user_id"))


def register(email: str, password_hash: str, name: str | None, session_seconds: int) -> tuple[Row[Any], RefreshToken]:
    """Make an account and its first session; EmailTaken if the address is somebody's."""
    user_id = f"{LOCAL_USER_PREFIX}{uuid_utils.uuid7().hex}"
    with transaction():
        try:
            execute(_claim_email, {"email": fold(email), "user_id": user_id})
        except IntegrityError as error:
            if violation(error) != "unique":
                raise
            raise EmailTaken from error
        user = fetch_one(_add_user, {"id": user_id, "email": email, "name": name, "password_hash": password_hash})
        assert user is not None
        return user, start_session(user_id, session_seconds)


def start_session(user_id: str, seconds: int) -> RefreshToken:
    """A new session, and the token that renews it."""
    refresh = RefreshToken.new(user_id, str(uuid_utils.uuid7()))
    expires_at = datetime.now(UTC) + timedelta(seconds=seconds)
    row = {"user_id": user_id, "id": refresh.session_id, "refresh_hash": refresh.secret_hash, "expires_at": expires_at}
    execute(_add_session, row)
    return refresh


def add_outside_user(user_id: str) -> None:
    """Make the row of a user known only from a token, unless it is there."""
    execute(_add_outside_user[db.engine.dialect.name], {"id": user_id})


def find_user(user_id: str) -> Row[Any] | None:
    return fetch_one(_user, {"user_id": user_id})


def find_user_by_email(email: str) -> Row[Any] | None:
    """The account with this address, its password's hash included."""
    owner = fetch_one(_owner_of_email, {"email": fold(email)})
    return owner and find_user(owner.user_id)


def fold(email: str) -> str:
    """The form in which addresses are compared."""
    return unicodedata.normalize("NFC", email).casefold()
