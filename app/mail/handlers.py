"""Handle the messages that are mails, in the scope of each one's user."""

from datetime import UTC, datetime
from typing import Any

import orjson

from app.auth import queries
from app.auth.links import LIFETIMES, RESET, VERIFY, VERIFY_SECONDS, LinkToken, store_link
from app.auth.mails import MAIL_KIND
from app.database import scope
from app.database.statements import Row
from app.mail.smtp import send
from app.mail.texts import TEXTS
from app.outbox.delivery import Done, Failed, Outcome
from app.outbox.queue import Message, enqueue
from app.services import services
from app.settings import Settings

# The pages of the service's own.
PAGES = {RESET: "/reset-password", VERIFY: "/verify-email"}


def look_up_forgotten(message: Any) -> Outcome:
    """Turn a typed address into a mail, if it has an enabled account with a password."""
    user = queries.find_user_by_email(orjson.loads(message.body)["address"])
    if user is None or user.disabled_at or user.password_hash is None:
        return Done()
    body = orjson.dumps({"what": RESET, "address": user.email, "since": message.created_at}).decode()
    with scope(None), scope(user.id):
        # With the same id, so that it is one mail if this is done twice.
        enqueue(user.id, [Message(MAIL_KIND, "", body, id=message.id)])
    return Done()


def send_to_account(message: Any) -> Outcome:
    """Send a mail, unless it has become pointless or is too late."""
    wanted = orjson.loads(message.body)
    what, address, since = wanted["what"], wanted["address"], wanted.get("since", message.created_at)
    user = queries.find_user(message.user_id)
    if user is None or user.disabled_at or not _is_of_use(what, address, user):
        return Done()
    if age(since) > LIFETIMES.get(what, VERIFY_SECONDS):
        return Failed("The mail server was away for too long.")
    settings, link = services().settings, ""
    if what in LIFETIMES:
        token = LinkToken.of_mail(what, user.id, message.id, settings.auth_secrets[0])
        if not store_link(token, message.id, address, since):
            # It was spent, or a newer mail has been sent.
            return Done()
        link = link_of(token, settings)
    text = TEXTS[what].body.format(service=settings.public_url, link=link)
    return send(settings, message.id, message.attempts, address, TEXTS[what].subject, text)


def link_of(token: LinkToken, settings: Settings) -> str:
    """Return a link to a front end's page, or to the service's own."""
    template = {RESET: settings.password_reset_url, VERIFY: settings.email_verify_url}[token.purpose]
    # In the fragment, which browsers send to nobody.
    own = f"{settings.public_url}{PAGES[token.purpose]}#token={token}"
    return template.replace("{token}", str(token)) if template else own


def _is_of_use(what: str, address: str, user: Row) -> bool:
    if what == RESET:
        return bool(address == user.email)
    if what == VERIFY:
        return bool(address == user.pending_email or (address == user.email and not user.email_verified_at))
    return True


def age(since: str) -> float:
    """Return how many seconds ago a time was."""
    return (datetime.now(UTC) - datetime.fromisoformat(since)).total_seconds()
