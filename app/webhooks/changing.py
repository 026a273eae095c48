"""What a user can do with webhooks beyond a statement: their URLs are checked, and something is sent."""

from collections.abc import Mapping, Sequence
from typing import Any

from app.auth.identity import Identity
from app.database import transaction
from app.database.statements import Row
from app.http.problems import NotFound, ValidationFailed
from app.outbox.log import list_messages, lock_message, retry_message
from app.services import services
from app.tasks.events import EVENTS
from app.webhooks import store
from app.webhooks.addresses import NotReachable, addresses_of, read_target
from app.webhooks.bodies import enqueue_ping
from app.webhooks.lookup import REQUESTS
from app.webhooks.problems import NotDeliverable
from app.webhooks.sending import LOOK_UP_SECONDS


def create_webhook(identity: Identity, values: Mapping[str, Any]) -> tuple[Row, str]:
    """Add a webhook; return its row and its secret."""
    return store.create_webhook(identity, _stored(values))


def change_webhook(user_id: str, webhook_id: str, changes: Mapping[str, Any]) -> Row:
    """Write the named fields; without any, write nothing."""
    return store.change_webhook(user_id, webhook_id, _stored(changes))


def ping_webhook(user_id: str, webhook_id: str) -> None:
    """Send a ping to a webhook that is on."""
    with transaction():
        row = _lock_enabled(user_id, webhook_id)
        enqueue_ping(user_id, webhook_id, row.clock)


def list_deliveries(user_id: str, webhook_id: str) -> Sequence[Row]:
    """Return what was sent to a webhook, newest first."""
    store.get_webhook(user_id, webhook_id)
    return list_messages(user_id, store.KIND, webhook_id)


def retry_delivery(user_id: str, webhook_id: str, delivery_id: str) -> None:
    """Begin again to send what has not arrived, to a webhook that is on."""
    with transaction():
        _lock_enabled(user_id, webhook_id)
        found = lock_message(user_id, store.KIND, webhook_id, delivery_id)
        if found is None:
            raise NotFound
        if found.is_delivered:
            raise NotDeliverable("It has been delivered, and what it said is not kept.")
        retry_message(user_id, store.KIND, webhook_id, delivery_id)


def _lock_enabled(user_id: str, webhook_id: str) -> Row:
    row = store.lock_webhook(user_id, webhook_id)
    if not row.enabled:
        raise NotDeliverable
    return row


def _stored(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return fields as they are stored. Raise ValidationFailed if the URL leads where none may."""
    stored = dict(values)
    if "url" in values:
        allow_private = services().settings.webhooks_allow_private
        try:
            addresses_of(read_target(values["url"], allow_private), allow_private, REQUESTS, LOOK_UP_SECONDS)
        except NotReachable as error:
            raise ValidationFailed(errors={"url": [str(error)]}) from error
    if "events" in values:
        stored["events"] = " ".join(name for name in EVENTS if name in values["events"])
    return stored
