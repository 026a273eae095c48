"""The request and response schemas of the account operations."""

import unicodedata
from collections.abc import Mapping
from typing import Any

from marshmallow import EXCLUDE, Schema, ValidationError, fields, validate, validates_schema

from app.auth.claims import TOKEN_CHARACTERS, USER_ID_CHARACTERS, USER_ID_PATTERN
from app.auth.passwords import LONGEST, SHORTEST, is_common
from app.auth.sessions import MAX_SESSIONS
from app.auth.tokens import JWT_PATTERN, REFRESH_PATTERN, REFRESH_TOKEN_CHARACTERS
from app.http.fields import EXAMPLE_ID, EXAMPLE_USER_ID, Boolean, Id, Text, Time
from app.settings import MAX_ACCESS_TOKEN_SECONDS, MAX_REFRESH_TOKEN_SECONDS

EMAIL_CHARACTERS = 254
NAME_CHARACTERS = 100

EXAMPLE_PASSWORD, EXAMPLE_NEW_PASSWORD = "correct horse battery", "battery staple horse"
EXAMPLE_ACCESS_TOKEN = "header.claims.signature"
EXAMPLE_REFRESH_TOKEN = f"{EXAMPLE_USER_ID}~{EXAMPLE_ID}~0~{'family'.ljust(22, '_')}~{'secret'.ljust(43, '_')}"


class Email(Text):
    """An address, stored as written and compared case-insensitively."""

    def __init__(self, required: bool = True) -> None:
        metadata = {"format": "email", "example": "ann@example.com"}
        super().__init__(3, EMAIL_CHARACTERS, trimmed=True, required=required, metadata=metadata)
        self.validators.append(validate.Email())


class Password(Text):
    """A password as typed, in NFC: the same text from two keyboards compares equal (RFC 8265, section 4.2)."""

    def __init__(
        self,
        least: int = 1,
        description: str = "As typed; nothing is trimmed.",
        example: str = EXAMPLE_PASSWORD,
        **options: Any,
    ) -> None:
        metadata = {"format": "password", "example": example, "description": description}
        super().__init__(least, LONGEST, metadata=metadata, **options)

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> str:
        return unicodedata.normalize("NFC", super()._deserialize(value, attr, data, **kwargs))


class NewPassword(Password):
    """A password that is not among those that are tried first (ASVS 6.2.4)."""

    def __init__(self, **options: Any) -> None:
        super().__init__(SHORTEST, **options)

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> str:
        password = super()._deserialize(value, attr, data, **kwargs)
        if is_common(password):
            raise ValidationError("This is one of the most common passwords. Choose another, such as several words.")
        return password


class Registration(Schema):
    email = Email()
    password = NewPassword(required=True)
    name = Text(1, NAME_CHARACTERS, trimmed=True, allow_none=True, metadata={"example": "Ann"})


class Credentials(Schema):
    email = Text(
        1, EMAIL_CHARACTERS, trimmed=True, required=True, metadata={"format": "email", "example": "ann@example.com"}
    )
    password = Password(required=True)


def _refresh_token() -> Text:
    described = {"pattern": REFRESH_PATTERN, "example": EXAMPLE_REFRESH_TOKEN}
    return Text(1, REFRESH_TOKEN_CHARACTERS, required=True, metadata=described)


class RefreshRequest(Schema):
    refresh_token = _refresh_token()


# Each needs one of the others.
NEEDED = {
    "password": ("new_password", "email"),
    "new_password": ("password",),
    "email": ("password",),
    "end_tokens": ("new_password",),
}


REMINDER_MAIL = "Whether reminders are sent to `email`, once it is verified. Only for accounts of this service."


class AccountPatch(Schema):
    """A new name, whether to send reminders, or with the current password a new password or address.

    A new password can end the personal tokens too.
    """

    email = Email(required=False)
    name = Text(1, NAME_CHARACTERS, trimmed=True, allow_none=True, metadata={"example": "Ann"})
    reminder_mail = Boolean(metadata={"description": REMINDER_MAIL, "example": True})
    password = Password(description="The present one.")
    new_password = NewPassword(example=EXAMPLE_NEW_PASSWORD)
    end_tokens = Boolean(
        metadata={"description": "Whether the new password ends all personal tokens.", "default": False}
    )

    @validates_schema
    def both_passwords(self, changes: dict[str, Any], **_: Any) -> None:
        for given, needed in NEEDED.items():
            if given in changes and changes.keys().isdisjoint(needed):
                raise ValidationError(f"Required together with {given}.", needed[0])


class AccountDeletion(Schema):
    """The password, which is needed to delete an account of this service."""

    # The example of AccountPatch comes before.
    password = Password(example=EXAMPLE_NEW_PASSWORD)


class User(Schema):
    id = Text(
        1,
        USER_ID_CHARACTERS,
        required=True,
        metadata={"pattern": USER_ID_PATTERN, "example": EXAMPLE_USER_ID},
    )
    email = Text(
        3,
        EMAIL_CHARACTERS,
        required=True,
        allow_none=True,
        metadata={
            "description": "For a user of another issuer: the `email` of the token, unless its `email_verified` is "
            "false. null if there is none.",
            "example": "ann@example.com",
        },
    )
    name = Text(
        1,
        NAME_CHARACTERS,
        required=True,
        allow_none=True,
        metadata={
            "description": "The name given here. Without one, for a user of another issuer: the `name` of the token.",
            "example": "Ann",
        },
    )
    created_at = Time("null before the user's first write.", allow_none=True)
    email_verified = Boolean(
        required=True,
        metadata={
            "description": "Whether a mail has shown that the address is the user's. For a user of another issuer: "
            "what the token says.",
            "example": True,
        },
    )
    pending_email = Text(
        3,
        EMAIL_CHARACTERS,
        required=True,
        allow_none=True,
        metadata={"description": "The address that replaces `email` once it is verified.", "example": None},
    )
    reminder_mail = Boolean(required=True, metadata={"description": REMINDER_MAIL, "example": False})


class _Profile(Schema):
    """What a token says of its user."""

    class Meta:
        unknown = EXCLUDE

    email = Email()
    name = Text(1, NAME_CHARACTERS, trimmed=True)


_profile = _Profile()


def read_profile(claims: Mapping[str, Any]) -> dict[str, str]:
    """Return the `name` and `email` among a token's claims, each if it is valid; no address that is not verified."""
    # Some issuers write booleans as text. Better Auth's `emailVerified` does not count: without verification by e-mail,
    # which is off by default, it is always false.
    unverified = claims.get("email_verified") in (False, "false")
    try:
        found = _profile.load(claims)
    except ValidationError as error:
        found = error.valid_data
    return {name: value for name, value in found.items() if name != "email" or not unverified}


def _seconds(most: int, example: int) -> fields.Integer:
    limits = {"minimum": 1, "maximum": most, "format": "int32"}
    return fields.Integer(required=True, metadata={**limits, "description": "Seconds.", "example": example})


class Tokens(Schema):
    access_token = Text(
        1, TOKEN_CHARACTERS, required=True, metadata={"pattern": JWT_PATTERN, "example": EXAMPLE_ACCESS_TOKEN}
    )
    token_type = fields.String(required=True, validate=validate.OneOf(["Bearer"]))
    expires_in = _seconds(MAX_ACCESS_TOKEN_SECONDS, example=900)
    refresh_token = _refresh_token()
    refresh_expires_in = _seconds(MAX_REFRESH_TOKEN_SECONDS, example=2_592_000)


class RegistrationResult(Tokens):
    user = fields.Nested(User, required=True)


class Session(Schema):
    id = Id()
    created_at = Time("When it began.")
    used_at = Time("When it was last renewed.")
    expires_at = Time("When it ends if it is not renewed.")
    current = fields.Boolean(required=True, metadata={"description": "Whether this request's token belongs to it."})


class SessionList(Schema):
    items = fields.List(fields.Nested(Session), required=True, metadata={"maxItems": MAX_SESSIONS})
