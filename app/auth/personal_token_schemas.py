"""The request and response schemas of personal tokens."""

from typing import Any

from marshmallow import Schema, fields
from marshmallow.validate import Length, OneOf

from app.auth.personal_tokens import DEFAULT_DAYS, MAX_DAYS, MAX_LISTED
from app.auth.schemas import NAME_CHARACTERS
from app.auth.tokens import (
    PERSONAL_CHARACTERS,
    PERSONAL_PATTERN,
    PERSONAL_PREFIX,
    SCOPES,
    SHOWN_CHARACTERS,
    TASKS_READ,
)
from app.http.fields import Id, Integer, Text, Time

EXAMPLE_NAME = "Backup script"
EXAMPLE_PREFIX = f"{PERSONAL_PREFIX}secret"


def _name() -> Text:
    return Text(1, NAME_CHARACTERS, trimmed=True, required=True, metadata={"example": EXAMPLE_NAME})


def _scopes(**options: Any) -> fields.List[str]:
    described = {"maxItems": len(SCOPES), "example": [TASKS_READ]}
    described |= {"description": "`tasks:write` includes `tasks:read`."}
    scope = fields.String(validate=OneOf(SCOPES), metadata={"component": "TokenScope"})
    return fields.List(scope, required=True, metadata=described, **options)


class NewPersonalToken(Schema):
    """A personal token to be made."""

    name = _name()
    scopes = _scopes(validate=Length(1, len(SCOPES)))
    expires_in_days = Integer(
        1,
        MAX_DAYS,
        allow_none=True,
        load_default=DEFAULT_DAYS,
        metadata={"description": "null for a token that never expires.", "example": DEFAULT_DAYS},
    )


class PersonalToken(Schema):
    """A personal token, without the token itself."""

    id = Id()
    name = _name()
    scopes = _scopes()
    prefix = Text(
        SHOWN_CHARACTERS,
        SHOWN_CHARACTERS,
        required=True,
        metadata={"description": "The token's first characters.", "example": EXAMPLE_PREFIX},
    )
    created_at = Time("When it was made.")
    expires_at = Time("null if it never expires.", allow_none=True)
    last_used_at = Time(
        "When it was last used, up to ten minutes late. null if it was not used yet.", allow_none=True, example=None
    )


class MadePersonalToken(PersonalToken):
    """A new personal token, with the token itself, which is shown only here."""

    token = Text(
        PERSONAL_CHARACTERS,
        PERSONAL_CHARACTERS,
        required=True,
        metadata={"pattern": PERSONAL_PATTERN, "example": EXAMPLE_PREFIX.ljust(PERSONAL_CHARACTERS, "0")},
    )


class PersonalTokenList(Schema):
    items = fields.List(fields.Nested(PersonalToken), required=True, metadata={"maxItems": MAX_LISTED})
