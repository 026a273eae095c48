"""/v1/webhooks: where the caller's events are sent."""

from collections.abc import Callable
from functools import wraps
from typing import Any

from flask import Response, g

from app.auth.identity import authenticated
from app.auth.problems import RateLimited
from app.auth.rate_limits import limit_client
from app.database.statements import Row
from app.http.blueprint import Blueprint, raises
from app.http.problems import LimitReached, NotFound
from app.http.responses import empty_response, json_response
from app.webhooks import changing, store
from app.webhooks.problems import NotDeliverable
from app.webhooks.schemas import Deliveries, NewWebhook, Webhook, WebhookPatch, Webhooks, WebhookWithSecret

blueprint = Blueprint(
    "webhooks",
    __name__,
    url_prefix="/v1/webhooks",
    description="Where the caller's events are sent, by the Standard Webhooks specification.",
)


def reaches_out(view: Callable[..., Response]) -> Callable[..., Response]:
    """Limit how often a client calls a view that looks for strangers' servers."""

    @wraps(view)
    def wrapper(*args: Any, **kwargs: Any) -> Response:
        limit_client()
        return view(*args, **kwargs)

    return raises(RateLimited)(wrapper)


@blueprint.post("")
@authenticated
@raises(LimitReached)
@reaches_out
@blueprint.arguments(NewWebhook)
@blueprint.response(201, WebhookWithSecret, headers=("Location",))
def create_webhook(wanted: dict[str, Any]) -> Response:
    """Create a webhook.

    Its secret is shown only this once.
    """
    row, secret = changing.create_webhook(g.identity, wanted)
    response = _with_secret(row, secret, 201)
    response.headers["Location"] = f"/v1/webhooks/{row.id}"
    return response


@blueprint.get("")
@authenticated
@blueprint.response(200, Webhooks)
def list_webhooks() -> Response:
    """Show all webhooks, oldest first."""
    return json_response({"items": [_fields(row) for row in store.list_webhooks(g.identity.user_id)]})


@blueprint.get("/<id:webhook_id>")
@authenticated
@raises(NotFound)
@blueprint.response(200, Webhook)
def get_webhook(webhook_id: str) -> Response:
    """Show one webhook."""
    return json_response(_fields(store.get_webhook(g.identity.user_id, webhook_id)))


@blueprint.patch("/<id:webhook_id>")
@authenticated
@raises(NotFound)
@reaches_out
@blueprint.arguments(WebhookPatch)
@blueprint.response(200, Webhook)
def change_webhook(patch: dict[str, Any], webhook_id: str) -> Response:
    """Change the given fields of one webhook."""
    return json_response(_fields(changing.change_webhook(g.identity.user_id, webhook_id, patch)))


@blueprint.delete("/<id:webhook_id>")
@authenticated
@raises(NotFound)
@blueprint.response(204)
def delete_webhook(webhook_id: str) -> Response:
    """Delete one webhook, with what was to be sent to it."""
    store.delete_webhook(g.identity.user_id, webhook_id)
    return empty_response()


@blueprint.post("/<id:webhook_id>/ping")
@authenticated
@raises(NotFound, NotDeliverable)
@reaches_out
@blueprint.response(202)
def ping_webhook(webhook_id: str) -> Response:
    """Send the event `ping` to one webhook."""
    changing.ping_webhook(g.identity.user_id, webhook_id)
    return empty_response(202)


@blueprint.post("/<id:webhook_id>/rotate")
@authenticated
@raises(NotFound)
@blueprint.response(200, WebhookWithSecret)
def rotate_secret(webhook_id: str) -> Response:
    """Give one webhook a new secret.

    The one before signs too for 24 hours.
    """
    return _with_secret(*store.rotate_secret(g.identity.user_id, webhook_id), 200)


@blueprint.get("/<id:webhook_id>/deliveries")
@authenticated
@raises(NotFound)
@blueprint.response(200, Deliveries)
def list_deliveries(webhook_id: str) -> Response:
    """Show what was sent to one webhook in the last 7 days: the newest 200."""
    rows = changing.list_deliveries(g.identity.user_id, webhook_id)
    return json_response({"items": [row._asdict() for row in rows]})


@blueprint.post("/<id:webhook_id>/deliveries/<id:delivery_id>/retry")
@authenticated
@raises(NotFound, NotDeliverable)
@reaches_out
@blueprint.response(202)
def retry_delivery(webhook_id: str, delivery_id: str) -> Response:
    """Send at once what has not arrived yet, and if that fails, with all attempts again."""
    changing.retry_delivery(g.identity.user_id, webhook_id, delivery_id)
    return empty_response(202)


def _fields(row: Row) -> dict[str, Any]:
    return {**row._asdict(), "events": row.events.split(), "enabled": bool(row.enabled)}


def _with_secret(row: Row, secret: str, status: int) -> Response:
    response = json_response({**_fields(row), "secret": secret}, status)
    response.headers["Cache-Control"] = "no-store"
    return response
