"""Opaque texts that tell where a page of a list ended. Clients send them back."""

import base64
import binascii
import hashlib
import re
from typing import Any

import orjson

from app.http import strict_json
from app.tasks.problems import InvalidCursor

CHECKSUM_BYTES = 9

_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


def encode(values: list[Any], *list_: Any) -> str:
    """Return a cursor with these values, for the list that `list_` identifies."""
    text = orjson.dumps(values)
    return base64.urlsafe_b64encode(_checksum(text, list_) + text).rstrip(b"=").decode()


def decode(cursor: str, *list_: Any) -> list[Any]:
    """Return the values in a cursor of this list. They are not trusted: the checksum is not a signature."""
    try:
        values = strict_json.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))[CHECKSUM_BYTES:])
        # An integer beyond 64 bits or deep nesting can be decoded, but not encoded.
        if isinstance(values, list) and cursor == encode(values, *list_):
            return values
    except (binascii.Error, ValueError, orjson.JSONEncodeError) as error:
        raise InvalidCursor from error
    raise InvalidCursor


def is_id(value: Any) -> bool:
    return isinstance(value, str) and bool(_ID.fullmatch(value))


def _checksum(text: bytes, list_: Any) -> bytes:
    """Return a checksum that ties a position to its list, so that another list's cursor is detected."""
    return hashlib.blake2b(orjson.dumps(list_, option=orjson.OPT_SORT_KEYS) + text, digest_size=CHECKSUM_BYTES).digest()
