"""Text made ready for comparing and sorting: by SQL on PostgreSQL, by Python on SQLite, with the same result."""

import re
import unicodedata
from datetime import UTC, datetime, timedelta

from sqlalchemy import Text

from app.database.functions import FunctionPerEngine

# Accents of Latin, Greek and Cyrillic letters, Hebrew and Arabic vowel points, the sound marks of kana.
_MARKS = "[\u0300-\u036f\u0591-\u05bd\u05bf\u05c1\u05c2\u05c4\u05c5\u05c7\u064b-\u065f\u0670\u3099\u309a]+"
# What Unicode does not take apart, though dictionaries do.
_ONE_LETTER = {"ø": "o", "ł": "l", "đ": "d", "ħ": "h", "ı": "i", "ς": "σ"}
_TWO_LETTERS = {"ß": "ss", "æ": "ae", "œ": "oe"}

_marks = re.compile(_MARKS)
_letters = str.maketrans(_ONE_LETTER | _TWO_LETTERS)


def compose(text: str) -> str:
    """Return the text in NFC, in which a letter and its accents are one character wherever possible."""
    return unicodedata.normalize("NFC", text)


def fold(text: str) -> str:
    """Fold text for comparing without case, like the SQL function `folded`."""
    return compose(text).lower().replace("ς", "σ")


def key_for_sorting(text: str) -> str:
    """Return text for sorting without case and accents, like the SQL function `sort_key`."""
    if text.isascii():
        return text.lower()
    return _marks.sub("", unicodedata.normalize("NFKD", text)).lower().translate(_letters)


def position_at(time: str) -> str:
    """Return the position of what is added last at a time, like the SQL function `new_position`."""
    microseconds = (datetime.fromisoformat(time) - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)
    return f"{microseconds:014x}"


def _composed(text: str) -> str:
    """Return PostgreSQL's expression for `compose`."""
    # Most text is composed, and to see that takes a tenth of composing it; of ASCII, a twentieth.
    is_composed = f"octet_length({text}) = length({text}) OR {text} IS NFC NORMALIZED"
    return f"(CASE WHEN {is_composed} THEN {text} ELSE normalize({text}, NFC) END)"


def _key_for_sorting(text: str) -> str:
    """Return PostgreSQL's expression for `key_for_sorting`."""
    plain = f"regexp_replace(normalize({text}, NFKD), '{_MARKS}', '', 'g')"
    letters, instead = "".join(_ONE_LETTER), "".join(_ONE_LETTER.values())
    key = f"""translate(lower({plain} COLLATE "default"), '{letters}', '{instead}')"""
    for letter, two in _TWO_LETTERS.items():
        key = f"replace({key}, '{letter}', '{two}')"
    # All of it takes some 10 times as long as ASCII needs.
    is_ascii = f"octet_length({text}) = length({text})"
    return f"""(CASE WHEN {is_ascii} THEN lower({text} COLLATE "C") ELSE {key} COLLATE "C" END)"""


class folded(FunctionPerEngine[str]):
    """Text for comparing without case in every alphabet, composed or not; the two Greek small sigmas are one letter."""

    type = Text()
    # A column with the collation "C" would fold only ASCII.
    on_postgresql = f"""replace(lower({_composed("{0}")} COLLATE "default"), 'ς', 'σ')"""
    on_sqlite = "fold({0})"


class folded_ascii(FunctionPerEngine[str]):
    """Text for comparing with ASCII without case; all other letters stay unchanged, but for being composed."""

    type = Text()
    on_postgresql = f'lower({_composed("{0}")} COLLATE "C")'
    on_sqlite = "lower(compose({0}))"


class sort_key(FunctionPerEngine[str]):
    """Text for sorting without case and accents."""

    type = Text()
    on_postgresql = _key_for_sorting("{0}")
    on_sqlite = "sort_key({0})"
