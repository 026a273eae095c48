"""What iCalendar (RFC 5545) can say of a task's values, and how.

It has no control characters, one kind of line break, no empty text and no fractions of a second. A field that loses by
that stands a second time, exactly, in X-TASKS-EXACT: a JSON object of such fields. It is believed where it still agrees
with the property that everybody reads, so that a change made by another program counts.
"""

import re
from collections.abc import Callable
from typing import Any, NamedTuple

# Unicode has more line breaks than iCalendar, and some programs split lines at each of them.
_BREAK = re.compile("\r\n|[\r\x85\u2028\u2029]")
_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f]")
_ODD = re.compile("[\x00-\x08\x0b-\x1f\x7f\x85\u2028\u2029]")
_ESCAPE = re.compile(r"\\([\\,;:nN])")

MAX_LINE = 75  # octets, without the line break (section 3.1)


def _text(text: str | None) -> str | None:
    if not text or not _ODD.search(text):
        return text or None
    return _CONTROL.sub("\N{REPLACEMENT CHARACTER}", _BREAK.sub("\n", text))


def _time(time: str | None) -> str | None:
    return f"{time[:19]}.000000Z" if time else None


def _tags(tags: list[str]) -> list[str | None]:
    return [_text(tag) for tag in tags]


class Carried(NamedTuple):
    """A field's type, and what comes back of its value once it was written; None if it has no property."""

    type: type
    carry: Callable[[Any], Any]


CARRIED = {
    "title": Carried(str, _text),
    "details": Carried(str, _text),
    "tags": Carried(list, _tags),
    "list_name": Carried(str, _text),
    "completed_at": Carried(str, _time),
    "due_at": Carried(str, _time),
    "created_at": Carried(str, _time),
}


def is_exact(field: str, value: Any, read: Any) -> bool:
    """Whether a value from X-TASKS-EXACT is of its field's type, and agrees with what was read from the property."""
    if field not in CARRIED or not isinstance(value, CARRIED[field].type):
        return False
    if isinstance(value, list) and not all(isinstance(text, str) for text in value):
        return False
    return bool(CARRIED[field].carry(value) == read)


def escape(text: str) -> str:
    """As a TEXT (section 3.3.11)."""
    return text.replace("\\", "\\\\").replace(";", "\\;").replace(",", "\\,").replace("\n", "\\n")


def unescape(text: str) -> str:
    """What a TEXT says. A backslash before anything else stays, as some programs do not escape it."""
    return _ESCAPE.sub(lambda found: "\n" if found[1] in "nN" else found[1], text) if "\\" in text else text


def fold(line: str) -> bytes:
    """One content line, cut so that no line is too long, and never inside a character (section 3.1)."""
    rest = line.encode()
    if len(rest) <= MAX_LINE:
        return rest + b"\r\n"
    pieces, length = [], MAX_LINE
    while len(rest) > length:
        end = length
        while rest[end] & 0xC0 == 0x80:
            end -= 1
        pieces.append(rest[:end])
        # A continuation begins with a space.
        rest, length = rest[end:], MAX_LINE - 1
    return b"\r\n ".join([*pieces, rest]) + b"\r\n"
