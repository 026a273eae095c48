"""What the mails say."""

from typing import NamedTuple

from app.auth.links import RESET, VERIFY
from app.auth.mails import ADDRESS_CHANGING, PASSWORD_CHANGED


class Text(NamedTuple):
    subject: str
    body: str


TEXTS = {
    RESET: Text(
        "Reset your password",
        """Someone asked to reset the password of your account at {service}.

If it was you, open this link within 30 minutes, and choose a new password:

{link}

If it was not you, ignore this mail: your password stays as it is.
""",
    ),
    VERIFY: Text(
        "Verify your address",
        """This address was given for an account at {service}.

If it was you, open this link within 24 hours to verify the address:

{link}

If it was not you, ignore this mail.
""",
    ),
    PASSWORD_CHANGED: Text(
        "Your password was changed",
        """The password of your account at {service} was reset with the link that was
sent to this address. Everybody who was signed in to the account was signed out.

If it was not you, reset the password again, and change that of your mailbox.
""",
    ),
    ADDRESS_CHANGING: Text(
        "Your address is about to change",
        """Someone who knows the password of your account at {service} asked to
replace this address by another. It is replaced as soon as the other address is
verified.

If it was not you, reset your password now: then this address stays.
""",
    ),
}
