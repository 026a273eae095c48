"""Change, verify and replace what a mail proves: an account's address, and a forgotten password."""

from sqlalchemy import bindparam, update

from app.auth import links, personal_tokens, queries, sessions
from app.auth.addresses import fold
from app.auth.links import LinkToken
from app.auth.mails import ADDRESS_CHANGING, PASSWORD_CHANGED, request_mail
from app.auth.models import users
from app.auth.problems import EmailTaken, InvalidCredentials, LinkInvalid
from app.auth.revoked import Revoked
from app.database import execute, transaction
from app.database.columns import now
from app.database.statements import Row
from app.services import services

_this_user = users.c.id == bindparam("of_user")
_is_enabled = users.c.disabled_at.is_(None)
# Another request may have changed either since it was read.
_unchanged = (_this_user, users.c.email == bindparam("old_email"), users.c.password_hash == bindparam("verified_hash"))
_with_address = (_this_user, _is_enabled, users.c.email == bindparam("of_email"))

_wait_for = update(users).where(*_unchanged).values(pending_email=bindparam("new_email"))
_replace = update(users).where(*_unchanged)
_replace = _replace.values(email=bindparam("new_email"), email_verified_at=None, pending_email=None)
_respell = update(users).where(*_unchanged).values(email=bindparam("new_email"), pending_email=None)
_confirm = update(users).where(*_with_address).values(email_verified_at=now())
_take_pending = (
    update(users)
    .where(_this_user, _is_enabled, users.c.pending_email == bindparam("of_email"))
    .values(email=users.c.pending_email, email_verified_at=now(), pending_email=None)
)
_reset = (
    update(users)
    .where(*_with_address)
    .values(password_hash=bindparam("new_hash"), email_verified_at=now(), pending_email=None)
)


def change_account(
    user: Row, new_hash: str | None, email: str | None, kept_session: str | None, end_tokens: bool
) -> Revoked:
    """Change a user's password, address or both, once the present password is verified; return what ends by it."""
    ended: Revoked = []
    with transaction():
        if new_hash is not None:
            ended = queries.change_password(user, new_hash, kept_session, end_tokens)
            user = user._replace(password_hash=new_hash)
        if email is not None:
            _change_address(user, email)
    return ended


def verify_address(token: LinkToken) -> None:
    """Spend a link; its address is verified then, and replaces the account's if it waited for that.

    Raise LinkInvalid if the link does not work, or the address belongs to another account by now.
    """
    with transaction():
        email = links.spend_link(token)
        if email is None:
            raise LinkInvalid
        of_link = {"of_user": token.user_id, "of_email": email}
        if execute(_confirm, of_link):
            return
        user = queries.find_user(token.user_id)
        if user is None or not execute(_take_pending, of_link):
            raise LinkInvalid
        _move_claim(user, email)


def reset_password(token: LinkToken, new_hash: str) -> Revoked:
    """Spend a link, set a new password, and end all sessions and personal tokens. Raise LinkInvalid as above."""
    user_id = token.user_id
    with transaction():
        email = links.spend_link(token)
        if not (email and execute(_reset, {"of_user": user_id, "of_email": email, "new_hash": new_hash})):
            raise LinkInvalid
        # One that was asked for by whoever knew the old password.
        links.cancel_links(user_id)
        request_mail(user_id, PASSWORD_CHANGED, email, is_limited=False)
        return [*personal_tokens.end_tokens(user_id), *sessions.end_sessions(user_id)]


def _change_address(user: Row, email: str) -> None:
    """Replace an address: at once where no mail can verify it, else when it is verified."""
    values = {"of_user": user.id, "old_email": user.email, "verified_hash": user.password_hash, "new_email": email}
    if fold(email) == fold(user.email):
        _require(execute(_respell, values))
    elif services().settings.sends_mail:
        _require(execute(_wait_for, values))
        request_mail(user.id, links.VERIFY, email)
        request_mail(user.id, ADDRESS_CHANGING, user.email)
    else:
        _require(execute(_replace, values))
        queries.claim_address(email, user.id)
        queries.release_address(user.email, user.id)


def _move_claim(user: Row, email: str) -> None:
    try:
        queries.claim_address(email, user.id)
    except EmailTaken as error:
        raise LinkInvalid from error
    queries.release_address(user.email, user.id)


def _require(changed: int) -> None:
    if not changed:
        raise InvalidCredentials
