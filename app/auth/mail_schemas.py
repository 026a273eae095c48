"""The request schemas of what needs mails."""

from marshmallow import Schema

from app.auth.links import LINK_CHARACTERS
from app.auth.schemas import EMAIL_CHARACTERS, EXAMPLE_NEW_PASSWORD, NewPassword
from app.http.fields import EXAMPLE_USER_ID, Text


def _token(purpose: str) -> Text:
    """Declare a link's token. It has no pattern: any text that is none is an invalid link."""
    example = f"tasks_{purpose}_{EXAMPLE_USER_ID.removeprefix('usr_')}_{'secret'.ljust(43, '_')}"
    return Text(1, LINK_CHARACTERS, required=True, metadata={"example": example})


class Forgotten(Schema):
    # Also what is no address: the answer is the same for all.
    email = Text(1, EMAIL_CHARACTERS, trimmed=True, required=True, metadata={"example": "ann@example.com"})


class PasswordReset(Schema):
    token = _token("reset")
    new_password = NewPassword(required=True, example=EXAMPLE_NEW_PASSWORD)


class Verification(Schema):
    token = _token("verify")
