"""Secrets and signatures by the Standard Webhooks specification."""

import base64
import hashlib
import hmac
import secrets
from collections.abc import Iterable

PREFIX = "whsec_"
SECRET_BYTES = 32
# Of a secret as text.
SECRET_CHARACTERS = len(PREFIX) + 4 * ((SECRET_BYTES + 2) // 3)


def new_secret() -> str:
    return PREFIX + base64.b64encode(secrets.token_bytes(SECRET_BYTES)).decode()


def headers(message_id: str, seconds: int, body: bytes, signed_with: Iterable[str]) -> dict[str, str]:
    """Return the headers of an attempt at this time. A repeated message has the same id, by which receivers know it."""
    signed = f"{message_id}.{seconds}.".encode() + body
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(seconds),
        "webhook-signature": " ".join(_signature(secret, signed) for secret in signed_with),
    }


def _signature(secret: str, signed: bytes) -> str:
    key = base64.b64decode(secret.removeprefix(PREFIX))
    return f"v1,{base64.b64encode(hmac.digest(key, signed, hashlib.sha256)).decode()}"
