"""A user's webhooks: make, find, change and delete. Each statement names the user."""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

import uuid_utils
from sqlalchemy import Text, Update, bindparam, case, delete, func, insert, literal, null, select, update

from app.auth.identity import Identity
from app.database import execute, fetch_all, fetch_one, fetch_tuples, transaction
from app.database.columns import from_now, now
from app.database.statements import Row
from app.http.problems import LimitReached, NotFound
from app.outbox.log import delete_messages_to
from app.tasks.queries import for_known_user
from app.tasks.watched import webhooks
from app.webhooks.signing import new_secret

# The kind of the outbox's messages to webhooks. Their key is the webhook's id.
KIND = "webhook"
MAX_WEBHOOKS = 10
# How long the secret before the newest one signs, too.
OLD_SECRET_SECONDS = 24 * 3_600

WEBHOOK = tuple(
    webhooks.c[name] for name in ("id", "url", "events", "description", "enabled", "disabled_reason", "created_at")
)

_user: Any = bindparam("of_user", type_=Text())
_of_user = webhooks.c.user_id == _user
_this = (_of_user, webhooks.c.id == bindparam("of_id", type_=webhooks.c.id.type))
# Two that make a webhook at once take turns here, so that they count right.
_take_turn = select(webhooks.c.id).where(_of_user).order_by(webhooks.c.id).limit(1).with_for_update()
_count = select(func.count().label("webhooks")).where(_of_user)
_add = insert(webhooks).values(enabled=True, created_at=now()).returning(*WEBHOOK)
_list = select(*WEBHOOK).where(_of_user).order_by(webhooks.c.created_at, webhooks.c.id)
_get = select(*WEBHOOK).where(*_this)
_lock = _get.add_columns(now().label("clock")).with_for_update()
_changing = update(webhooks).where(*_this).returning(*WEBHOOK)
_delete = delete(webhooks).where(*_this)
_rotate = (
    update(webhooks)
    .where(*_this)
    .values(
        old_secret=webhooks.c.secret,
        old_secret_until=from_now(literal(OLD_SECRET_SECONDS)),
        secret=bindparam("new_secret"),
    )
    .returning(*WEBHOOK)
)
_old_secret = case((webhooks.c.old_secret_until > now(), webhooks.c.old_secret)).label("old_secret")
_find = select(webhooks.c.url, webhooks.c.enabled, webhooks.c.secret, _old_secret).where(*_this)
# Not if its user has given it another address since.
_switch_off = (
    update(webhooks)
    .where(*_this, webhooks.c.enabled, webhooks.c.url == bindparam("of_url"))
    .values(enabled=False, disabled_reason=bindparam("reason"))
)
_wanting = select(webhooks.c.id, webhooks.c.events).where(_of_user, webhooks.c.enabled)


def create_webhook(identity: Identity, values: Mapping[str, Any]) -> tuple[Row, str]:
    """Add a webhook; return its row and its secret."""
    secret = new_secret()
    row = {"description": None, **values, "user_id": identity.user_id, "id": str(uuid_utils.uuid7()), "secret": secret}

    def add() -> Row:
        with transaction():
            fetch_tuples(_take_turn, {"of_user": identity.user_id})
            if fetch_all(_count, {"of_user": identity.user_id})[0].webhooks >= MAX_WEBHOOKS:
                raise LimitReached(f"You have {MAX_WEBHOOKS} webhooks. Delete one first.")
            return _found(fetch_one(_add, row))

    return for_known_user(identity, add), secret


def list_webhooks(user_id: str) -> list[Row]:
    """Return a user's webhooks, oldest first."""
    return fetch_all(_list, {"of_user": user_id})


def get_webhook(user_id: str, webhook_id: str) -> Row:
    return _found(fetch_one(_get, _key(user_id, webhook_id)))


def lock_webhook(user_id: str, webhook_id: str) -> Row:
    """Return a webhook, which stays as it is until the transaction ends, and the time when that began as `clock`."""
    return _found(fetch_one(_lock, _key(user_id, webhook_id)))


def change_webhook(user_id: str, webhook_id: str, changes: Mapping[str, Any]) -> Row:
    """Write the named fields; without any, write nothing."""
    if not changes:
        return get_webhook(user_id, webhook_id)
    return _found(fetch_one(_change(frozenset(changes)), {**_key(user_id, webhook_id), **changes}))


@lru_cache
def _change(names: frozenset[str]) -> Update:
    values: dict[str, Any] = {name: bindparam(name) for name in names}
    # The user decides now.
    return _changing.values({**values, "disabled_reason": null()} if "enabled" in names else values)


def delete_webhook(user_id: str, webhook_id: str) -> None:
    """Delete a webhook, with what was to be sent to it."""
    with transaction():
        if not execute(_delete, _key(user_id, webhook_id)):
            raise NotFound
        delete_messages_to(user_id, KIND, webhook_id)


def rotate_secret(user_id: str, webhook_id: str) -> tuple[Row, str]:
    """Give a webhook a new secret, and return it; the one before signs too for 24 hours."""
    secret = new_secret()
    return _found(fetch_one(_rotate, {**_key(user_id, webhook_id), "new_secret": secret})), secret


def find_webhook(user_id: str, webhook_id: str) -> Row | None:
    """Return what it takes to send to a webhook; None if there is none."""
    return fetch_one(_find, _key(user_id, webhook_id))


def switch_off(user_id: str, webhook_id: str, url: str, reason: str) -> None:
    """Switch a webhook off for a reason that its user can read."""
    execute(_switch_off, {**_key(user_id, webhook_id), "of_url": url, "reason": reason})


def list_wanting(user_id: str) -> Sequence[Row]:
    """Return the webhooks that are on, with the events that they want."""
    return fetch_all(_wanting, {"of_user": user_id})


def _key(user_id: str, webhook_id: str) -> dict[str, Any]:
    return {"of_user": user_id, "of_id": webhook_id}


def _found(row: Row | None) -> Row:
    """Return the row, or raise NotFound: a missing webhook and another user's look the same."""
    if row is None:
        raise NotFound
    return row
