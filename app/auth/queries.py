"""Accounts: users, their addresses and passwords.

Sessions are in sessions.py, personal tokens in personal_tokens.py, attempts in rate_limits.py. All that ends several of
them locks the user's row first.
"""

import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from functools import cache

import uuid_utils
from sqlalchemy import Delete, Integer, bindparam, delete, insert, null, select, tuple_, update

from app.auth import personal_tokens, revoked, sessions
from app.auth.addresses import fold
from app.auth.identity import LOCAL_USER_PREFIX, Identity
from app.auth.links import cancel_links
from app.auth.mails import request_verification
from app.auth.models import user_emails, users
from app.auth.problems import EmailTaken, InvalidCredentials
from app.auth.revoked import Revoked
from app.auth.tokens import PersonalToken, RefreshToken
from app.database import IntegrityError, execute, fetch_all, fetch_one, scope, transaction, violation
from app.database.columns import OWNED, metadata, now
from app.database.engines import both_engines, for_engine
from app.database.execution import MAX_AT_ONCE
from app.database.statements import Row
from app.outbox.queue import delete_messages
from app.services import services
from app.times import rfc3339

USER = tuple(
    users.c[name]
    for name in ("id", "email", "name", "created_at", "email_verified_at", "pending_email", "reminder_mail")
)

_this_user = users.c.id == bindparam("of_user")

_claim_email = insert(user_emails)
_add_user = insert(users).values(created_at=now(), email_verified_at=null(), pending_email=null()).returning(*USER)
# Another request may have added the user in the meantime.
_add_outside_user = both_engines(lambda insert: insert(users).values(created_at=now()).on_conflict_do_nothing())
_owner_of_email = select(user_emails.c.user_id).where(user_emails.c.email == bindparam("email"))
_user = select(*USER, users.c.password_hash, users.c.disabled_at).where(_this_user)
_next_rows = (
    select(*USER, users.c.disabled_at).where(users.c.id > bindparam("after_id")).order_by(users.c.id).limit(1_000)
)
_rename = update(users).where(_this_user).values(name=bindparam("new_name"))
_want_reminders = update(users).where(_this_user).values(reminder_mail=bindparam("wanted"))
_set_hash = update(users).where(_this_user).values(password_hash=bindparam("new_hash"))
# Who knew the old one may have asked for another address.
_set_password = _set_hash.values(pending_email=null())
# Another request may have changed the password since it was verified.
_still_verified = users.c.password_hash == bindparam("verified_hash")
_renew_hash = _set_hash.where(_still_verified)
_replace_password = _set_password.where(_still_verified)
_verify = update(users).where(_this_user).values(email_verified_at=now())
_disable = update(users).where(_this_user).values(disabled_at=now())
_enable = update(users).where(_this_user).values(disabled_at=None)
_release_email = delete(user_emails).where(
    user_emails.c.email == bindparam("of_email"), user_emails.c.user_id == bindparam("of_user")
)
_delete_user = delete(users).where(_this_user)
_delete_verified = _delete_user.where(_still_verified)


def register(email: str, password_hash: str, name: str | None, session_seconds: int) -> tuple[Row, RefreshToken]:
    """Add an account and its first session; raise EmailTaken if the address belongs to an account."""
    with transaction():
        user = add_unverified_account(email, password_hash, name)
        refresh = sessions.start_session(user.id, session_seconds)
        assert refresh is not None
        return user, refresh


def add_unverified_account(email: str, password_hash: str, name: str | None) -> Row:
    """Add an account, and ask for a mail that verifies its address."""
    with transaction():
        user = add_account(email, password_hash, name)
        request_verification(user)
        return user


def add_account(email: str, password_hash: str | None, name: str | None, user_id: str | None = None) -> Row:
    """Add an account; raise EmailTaken if the address belongs to one. Without a hash, no password works."""
    user_id = user_id or f"{LOCAL_USER_PREFIX}{uuid_utils.uuid7().hex}"
    with transaction():
        claim_address(email, user_id)
        user = fetch_one(_add_user, {"id": user_id, "email": email, "name": name, "password_hash": password_hash})
        assert user is not None
        return user


def claim_address(email: str, user_id: str) -> None:
    """Let an address belong to a user's account; raise EmailTaken if it belongs to one."""
    try:
        execute(_claim_email, {"email": fold(email), "user_id": user_id})
    except IntegrityError as error:
        if violation(error) != "unique":
            raise
        raise EmailTaken from error


def release_address(email: str, user_id: str) -> None:
    """Let an address belong to no account."""
    execute(_release_email, {"of_email": fold(email), "of_user": user_id})


def add_outside_user(user_id: str) -> None:
    """Add the row of a user known only from a token, unless it exists."""
    execute(for_engine(_add_outside_user), {"id": user_id})


def find_user(user_id: str) -> Row | None:
    """Return the user with the password hash, or None."""
    return fetch_one(_user, {"of_user": user_id})


def list_users(after: str = "") -> list[Row]:
    """Return the next thousand users, in order of their ids."""
    return fetch_all(_next_rows, {"after_id": after})


def find_user_by_email(email: str) -> Row | None:
    """Return the account with this address. An unknown address takes the same statements, and so the same time."""
    owner = fetch_one(_owner_of_email, {"email": fold(email)})
    return find_user(owner.user_id if owner else "")


def name_user(identity: Identity, name: str | None) -> None:
    """Set a user's name. For a user known only from a token, this may be the first write."""
    if not identity.is_local:
        add_outside_user(identity.user_id)
    execute(_rename, {"of_user": identity.user_id, "new_name": name})


def want_reminders(user_id: str, wanted: bool) -> None:
    """Set whether an account gets its reminders by mail."""
    execute(_want_reminders, {"of_user": user_id, "wanted": wanted})


def make_personal_token(
    identity: Identity, name: str, scopes: Sequence[str], days: int | None
) -> tuple[Row, PersonalToken]:
    """Add a personal token. For a user known only from a token, this may be the first write."""
    with transaction():
        if not identity.is_local:
            add_outside_user(identity.user_id)
        return personal_tokens.make_token(identity, name, scopes, days)


def change_password(user: Row, new_hash: str, kept_session: str | None, end_tokens: bool) -> Revoked:
    """Replace the verified password by a new one, and end the user's other sessions; the personal tokens on request."""
    with transaction():
        if not execute(_replace_password, _verified_and_new(user, new_hash)):
            raise InvalidCredentials
        cancel_links(user.id)
        ended = personal_tokens.end_tokens(user.id) if end_tokens else []
        return [*ended, *sessions.end_sessions(user.id, kept_session)]


def set_password(user_id: str, new_hash: str) -> tuple[Revoked, Revoked]:
    """Set a new password, whatever the current one is. Return the sessions and personal tokens that end: all."""
    with transaction():
        execute(_set_password, {"of_user": user_id, "new_hash": new_hash})
        cancel_links(user_id)
        return sessions.end_sessions(user_id), personal_tokens.end_tokens(user_id)


def sign_out_everywhere(identity: Identity) -> Revoked:
    """End all sessions and personal tokens. For another issuer's user, reject all tokens issued until now."""
    with transaction():
        ended = personal_tokens.end_tokens(identity.user_id)
        others = sessions.end_sessions(identity.user_id) if identity.is_local else revoke_outside_tokens(identity)
        return [*ended, *others]


def replace_hash(user: Row, new_hash: str) -> bool:
    """Store a new hash of the same password if the user's hash is still the verified one; return whether it was."""
    return execute(_renew_hash, _verified_and_new(user, new_hash)) > 0


def mark_verified(user_id: str) -> None:
    """Take the account's address for verified."""
    execute(_verify, {"of_user": user_id})


def _verified_and_new(user: Row, new_hash: str) -> dict[str, str]:
    return {"of_user": user.id, "verified_hash": user.password_hash, "new_hash": new_hash}


def delete_user(identity: Identity, verified_hash: str | None = None) -> Revoked:
    """Delete a user with all their data, and reject their tokens.

    If a password was verified, raise InvalidCredentials unless it is still the user's.
    """
    user_id = identity.user_id
    with scope(user_id):
        # The foreign keys delete only rows written meanwhile: alone, they would delete all rows in one statement.
        for end in _end_owned():
            while execute(end, {"of_user": user_id, "rows": MAX_AT_ONCE}) == MAX_AT_ONCE:
                pass
    with transaction():
        user = find_user(user_id)
        if user and user.email:
            release_address(user.email, user_id)
        if verified_hash is None:
            execute(_delete_user, {"of_user": user_id})
        elif not execute(_delete_verified, {"of_user": user_id, "verified_hash": verified_hash}):
            raise InvalidCredentials
        with scope(user_id):
            delete_messages(user_id)
        ended = personal_tokens.end_tokens(user_id)
        # An account's id is never used again; a user of another issuer may return with a newer token.
        others = revoked.revoke_own_tokens(user_id) if identity.is_local else revoke_outside_tokens(identity)
        return [*ended, *others]


def revoke_outside_tokens(identity: Identity) -> Revoked:
    """Reject all tokens issued until now for another issuer's user: this token, and all before it.

    The issuer's clock may be ahead, so this token can be dated in the future. Another existing token that such a
    clock dates later than this one and now is not rejected: it looks like a new one.
    """
    until = max(time.time(), identity.issued_at or 0)
    # Rounded up, because otherwise this token itself would not be covered.
    issued_until = rfc3339(datetime.fromtimestamp(until, UTC) + timedelta(microseconds=1))
    longest_life = services().settings.auth_max_token_seconds
    return revoked.revoke_outside_tokens(identity.user_id, issued_until, longest_life)


@cache
def _end_owned() -> list[Delete]:
    """Return, for each owned table, a DELETE of up to `rows` rows of one user: those that refer to others first."""
    ends = []
    for table in (table for table in reversed(metadata.sorted_tables) if table.info == OWNED):
        key = [column for column in table.primary_key if column.name != "user_id"]
        mine = table.c.user_id == bindparam("of_user")
        some = select(*key).where(mine).limit(bindparam("rows", type_=Integer()))
        ends.append(delete(table).where(mine, tuple_(*key).in_(some)))
    return ends


def disable_user(user_id: str) -> Revoked:
    """Reject a user's tokens, sessions and password until enabled again."""
    with transaction():
        execute(_disable, {"of_user": user_id})
        return revoked.revoke_user(user_id, disabled=True)


def enable_user(user_id: str) -> Revoked:
    """Accept a disabled user's tokens, sessions and password again."""
    with transaction():
        execute(_enable, {"of_user": user_id})
        return revoked.revoke_user(user_id, disabled=False)
