"""Opaque texts that a client gives back: where a page ended, in which list."""

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
    """A cursor with these values, for the list that the others make out."""
    text = orjson.dumps(values)
    return base64.urlsafe_b64encode(_checksum(text, list_) + text).rstrip(b"=").decode()


def decode(cursor: str, *list_: Any) -> list[Any]:
    """The values in a cursor of this list. They can still be any: the checksum is no signature."""
    try:
        values = strict_json.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))[CHECKSUM_BYTES:])
        # An integer beyond 64 bits and deep nesting can be read, but not written.
        if isinstance(values, list) and cursor == encode(values, *list_):
            return values
    except (binascii.Error, ValueError, orjson.JSONEncodeError) as error:
        raise InvalidCursor from error
    raise InvalidCursor


def is_id(value: Any) -> bool:
    return isinstance(value, str) and bool(_ID.fullmatch(value))


def _checksum(text: bytes, list_: Any) -> bytes:
    """Binds a position to its list, so that a cursor of another is noticed."""
    return hashlib.blake2b(orjson.dumps(list_, option=orjson.OPT_SORT_KEYS) + text, digest_size=CHECKSUM_BYTES).digest()
