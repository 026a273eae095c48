"""JSON, and nothing that merely resembles it (RFC 8259, RFC 7493)."""

import json
from typing import Any

import orjson


class NotJson(ValueError):
    """The bytes are not exactly one JSON text; the message says why."""


def loads(text: bytes) -> Any:
    """Parse one JSON text: UTF-8, unique keys, no NaN, no lone surrogate, numbers and nesting within reason."""
    try:
        # orjson refuses all of it but duplicate keys, of which the standard library tells. An object with as many keys
        # as the text has colons has none, nor another object inside.
        value = orjson.loads(text)
        if isinstance(value, dict) and len(value) == text.count(b":"):
            return value
        return _decoder.decode(text.decode())
    except RecursionError as error:
        raise NotJson("it is nested too deeply") from error
    except ValueError as error:
        raise NotJson(str(error)) from error


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise NotJson("a key stands in one object twice")
    return members


_decoder = json.JSONDecoder(object_pairs_hook=_unique)
