"""The schemas of webhooks."""

from typing import Any

from marshmallow import Schema, fields
from marshmallow.validate import Length, OneOf

from app.http.fields import NO_NUL, Boolean, Count, Id, Text, Time
from app.outbox.log import MAX_SHOWN, STATUSES
from app.tasks.events import CREATED, EVENTS
from app.webhooks.addresses import URL_CHARACTERS
from app.webhooks.signing import PREFIX, SECRET_CHARACTERS
from app.webhooks.store import MAX_WEBHOOKS

DESCRIPTION_CHARACTERS = 200
REASON_CHARACTERS = 500
# An event, or what POST /ping sends.
DELIVERED_TYPE = r"^(ping|task\.[a-z]+)$"
EXAMPLE_URL = "https://hooks.example.com/tasks"


def _url(**options: Any) -> Text:
    described = {"example": EXAMPLE_URL, "description": "Where requests go: https, and public addresses only."}
    return Text(1, URL_CHARACTERS, metadata=described, **options)


def _events(**options: Any) -> fields.List[str]:
    described = {"maxItems": len(EVENTS), "example": [CREATED]}
    return fields.List(
        fields.String(validate=OneOf(EVENTS), metadata={"component": "EventName"}), metadata=described, **options
    )


def _description(**options: Any) -> Text:
    return Text(0, DESCRIPTION_CHARACTERS, allow_none=True, metadata={"example": "My calendar"}, **options)


class NewWebhook(Schema):
    """A webhook to be made."""

    url = _url(required=True)
    events = _events(load_default=list(EVENTS), validate=Length(1, len(EVENTS)))
    description = _description(load_default=None)


class WebhookPatch(Schema):
    """Some fields of a webhook."""

    url = _url()
    events = _events(validate=Length(1, len(EVENTS)))
    description = _description()
    enabled = Boolean(metadata={"description": "Whether events are sent.", "example": True})


class Webhook(Schema):
    """A webhook, without its secret."""

    id = Id()
    url = _url(required=True)
    events = _events(required=True)
    description = _description(required=True)
    enabled = Boolean(required=True, metadata={"description": "Whether events are sent.", "example": True})
    disabled_reason = fields.String(
        required=True,
        allow_none=True,
        metadata={
            "pattern": NO_NUL,
            "maxLength": REASON_CHARACTERS,
            "description": "Why the service has switched it off.",
            "example": None,
        },
    )
    created_at = Time("When it was made.")


class WebhookWithSecret(Webhook):
    """A webhook with its newest secret, which is shown only here."""

    secret = Text(
        SECRET_CHARACTERS,
        SECRET_CHARACTERS,
        required=True,
        metadata={"pattern": f"^{PREFIX}[A-Za-z0-9+/]+=*$", "example": PREFIX + "A" * 43 + "="},
    )


class Webhooks(Schema):
    """All webhooks, oldest first."""

    items = fields.List(fields.Nested(Webhook), required=True, metadata={"maxItems": MAX_WEBHOOKS})


class Delivery(Schema):
    """What became of an event."""

    id = Id(description="The request's webhook-id.")
    type = fields.String(required=True, metadata={"pattern": DELIVERED_TYPE, "maxLength": 50, "example": CREATED})
    task_id = Id(allow_none=True)
    created_at = Time("When it happened.")
    attempts = Count(required=True)
    status = fields.String(required=True, validate=OneOf(STATUSES), metadata={"example": STATUSES[1]})
    last_status = fields.Integer(
        required=True,
        allow_none=True,
        metadata={
            "minimum": 100,
            "maximum": 999,
            "format": "int32",
            "description": "The receiver's last status.",
            "example": 204,
        },
    )
    last_error = fields.String(
        required=True,
        allow_none=True,
        metadata={
            "pattern": NO_NUL,
            "maxLength": REASON_CHARACTERS,
            "description": "Why it did not arrive.",
            "example": None,
        },
    )
    next_attempt_at = Time("null if it is over.", allow_none=True, example=None)


class Deliveries(Schema):
    """The newest deliveries of the last 7 days, newest first."""

    items = fields.List(fields.Nested(Delivery), required=True, metadata={"maxItems": MAX_SHOWN})
