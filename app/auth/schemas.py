"""What the account operations take and answer."""

import unicodedata
from typing import Any

from marshmallow import Schema, ValidationError, fields, validate, validates_schema

from app.auth.passwords import LONGEST, SHORTEST
from app.fields import Text

EMAIL_CHARACTERS = 254
NAME_CHARACTERS = 100
REFRESH_TOKEN_CHARACTERS = 500


class Email(Text):
    """An address, kept as written and compared case-insensitively."""

    def __init__(self) -> None:
        super().__init__(
            3, EMAIL_CHARACTERS, trimmed=True, required=True, metadata={"format": "email", "example": "ann@example.com"}
        )
        self.validators.append(validate.Email())


class Password(Text):
    """A password as typed; what looks the same from two keyboards is the same (RFC 8265, section 4.2: NFC)."""

    def __init__(self, least: int = 1, description: str = "As typed, nothing trimmed.", **options: Any) -> None:
        metadata = {"format": "password", "example": "correct horse battery", "description": description}
        super().__init__(least, LONGEST, load_only=True, metadata=metadata, **options)

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> str:
        return unicodedata.normalize("NFC", super()._deserialize(value, attr, data, **kwargs))


class Registration(Schema):
    email = Email()
    password = Password(SHORTEST, required=True)
    name = Text(1, NAME_CHARACTERS, trimmed=True, load_default=None, allow_none=True, metadata={"example": "Ann"})


class Credentials(Schema):
    email = Text(
        1, EMAIL_CHARACTERS, trimmed=True, required=True, metadata={"format": "email", "example": "ann@example.com"}
    )
    password = Password(required=True)


class Refresh(Schema):
    refresh_token = Text(1, REFRESH_TOKEN_CHARACTERS, required=True, load_only=True)


class AccountPatch(Schema):
    """A new name, a new password beside the present one, or both."""

    name = Text(1, NAME_CHARACTERS, trimmed=True, allow_none=True, metadata={"example": "Ann"})
    password = Password(description="The present one.")
    new_password = Password(SHORTEST)

    @validates_schema
    def both_passwords(self, changes: dict[str, Any], **_: Any) -> None:
        for given, needed in (("password", "new_password"), ("new_password", "password")):
            if given in changes and needed not in changes:
                raise ValidationError(f"Needed beside {given}.", needed)


class Farewell(Schema):
    """What deleting an account of this service needs."""

    password = Password()


class User(Schema):
    id = fields.String(required=True, metadata={"example": "usr_0192f0c1a2b37c4d8e5f60718293a4b5"})
    email = fields.String(
        required=True, allow_none=True, metadata={"description": "null for a user of another issuer."}
    )
    name = fields.String(required=True, allow_none=True)
    created_at = fields.String(
        required=True,
        allow_none=True,
        metadata={"format": "date-time", "description": "null before the user's first write."},
    )


class Tokens(Schema):
    access_token = fields.String(required=True)
    token_type = fields.String(required=True, validate=validate.OneOf(["Bearer"]))
    expires_in = fields.Integer(required=True, metadata={"description": "Seconds.", "example": 900})
    refresh_token = fields.String(required=True)
    refresh_expires_in = fields.Integer(required=True, metadata={"description": "Seconds.", "example": 2592000})


class Registered(Tokens):
    user = fields.Nested(User, required=True)


class Session(Schema):
    id = fields.String(required=True, metadata={"format": "uuid"})
    created_at = fields.String(required=True, metadata={"format": "date-time"})
    used_at = fields.String(required=True, metadata={"format": "date-time", "description": "When it was last renewed."})
    expires_at = fields.String(required=True, metadata={"format": "date-time"})
    current = fields.Boolean(required=True, metadata={"description": "Whether the request's token belongs to it."})


class Sessions(Schema):
    items = fields.List(fields.Nested(Session), required=True)
