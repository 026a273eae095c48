"""Ask for mails to accounts. The mail room writes and sends them, after the response."""

import hashlib

import orjson

from app.auth.addresses import fold
from app.auth.links import VERIFY
from app.auth.problems import RateLimited
from app.auth.rate_limits import count_attempt
from app.database import scope, transaction
from app.database.statements import Row
from app.outbox.queue import Message, enqueue, enqueue_for_service
from app.services import services

# Kinds of messages: a mail to an account, and a typed address that may be one's.
MAIL_KIND, FORGOT_KIND = "mail", "forgot"
# Mails that say what happened; those with a link are named by its purpose.
PASSWORD_CHANGED, ADDRESS_CHANGING = "password_changed", "address_changing"

MAX_MAILS = 3
MAILS_SECONDS = 3_600


def request_reset(email: str) -> None:
    """Ask for a link to reset the password of this address's account, with the same statements if there is none."""
    with transaction():
        if _is_allowed("forgot", email):
            enqueue_for_service(Message(FORGOT_KIND, "", orjson.dumps({"address": email}).decode()))


def request_verification(user: Row) -> None:
    """Ask for a link to verify the address that the user still has to verify, if there is one."""
    address = user.pending_email or (None if user.email_verified_at else user.email)
    if address:
        request_mail(user.id, VERIFY, address)


def request_mail(user_id: str, what: str, address: str, is_limited: bool = True) -> None:
    """Ask for a mail, where mails can be sent, unless too many of this kind went to this address."""
    if not services().settings.sends_mail:
        return
    with transaction(), scope(user_id):
        if not is_limited or _is_allowed(what, address):
            enqueue(user_id, [Message(MAIL_KIND, "", orjson.dumps({"what": what, "address": address}).decode())])


def _is_allowed(what: str, address: str) -> bool:
    """Count a mail, in the transaction that asks for it; return whether it may be sent.

    Nobody is told, because that could tell whose address it is.
    """
    digest = hashlib.sha256(fold(address).encode()).hexdigest()
    try:
        count_attempt(f"mail {what} {digest}", MAX_MAILS, MAILS_SECONDS)
    except RateLimited:
        return False
    return True
