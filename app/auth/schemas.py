"""What the account operations take and answer."""

from marshmallow import Schema, fields, validate

from app.auth.passwords import LONGEST, SHORTEST
from app.fields import Text

EMAIL_CHARACTERS = 254
NAME_CHARACTERS = 100


class Email(Text):
    """An address, kept as written and compared case-insensitively."""

    def __init__(self) -> None:
        super().__init__(
            3, EMAIL_CHARACTERS, trimmed=True, required=True, metadata={"format": "email", "example": "ann@example.com"}
        )
        self.validators.append(validate.Email())


class Registration(Schema):
    email = Email()
    password = Text(
        SHORTEST,
        LONGEST,
        required=True,
        load_only=True,
        metadata={"format": "password", "example": "correct horse battery"},
    )
    name = Text(1, NAME_CHARACTERS, trimmed=True, load_default=None, allow_none=True, metadata={"example": "Ann"})


class Credentials(Schema):
    email = Text(
        1, EMAIL_CHARACTERS, trimmed=True, required=True, metadata={"format": "email", "example": "ann@example.com"}
    )
    password = Text(
        1, LONGEST, required=True, load_only=True, metadata={"format": "password", "example": "correct horse battery"}
    )


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
