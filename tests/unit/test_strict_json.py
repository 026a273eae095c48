"""Only JSON is accepted, and nothing that resembles it."""

import json
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.http import strict_json
from app.http.strict_json import NotJson

# Everything that JSON can express and any program can store.
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"]))
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner) | st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), inner),
    max_leaves=20,
)
OBJECTS = st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), VALUES, min_size=1)


def refuses(text: bytes) -> bool:
    try:
        strict_json.loads(text)
    except NotJson:
        return True
    return False


@given(VALUES, st.booleans())
def test_encoded_values_are_read_back(value: Any, ascii_only: bool) -> None:
    """Unchanged, escaped or not."""
    assert strict_json.loads(json.dumps(value, ensure_ascii=ascii_only).encode()) == value


@given(OBJECTS, st.data())
def test_a_truncated_text_is_rejected(value: dict[str, Any], data: st.DataObject) -> None:
    """The beginning of an object is not an object."""
    text = json.dumps(value).encode()
    assert refuses(text[: data.draw(st.integers(0, len(text) - 1))])


@given(VALUES, st.text(min_size=1).filter(str.strip).map(lambda text: text.encode("utf-8", "replace")))
def test_only_white_space_may_follow(value: Any, rest: bytes) -> None:
    """There is exactly one JSON text."""
    assert refuses(b"[" + json.dumps(value).encode() + b"] " + rest) is bool(rest.strip(b" \t\r\n"))


@given(OBJECTS, st.data())
def test_a_duplicate_key_is_rejected(value: dict[str, Any], data: st.DataObject) -> None:
    """In any object, in any spelling."""
    key = data.draw(st.sampled_from(sorted(value)))
    once = json.dumps(value)
    again = "".join(f"\\u{ord(letter):04x}" for letter in key) if key.isascii() else json.dumps(key)[1:-1]
    twice = f'{once[:-1]}, "{again}": 0}}'
    assert refuses(twice.encode())
    assert refuses(f'{{"deep": [{twice}]}}'.encode())


@given(st.binary())
def test_any_bytes_are_read_or_rejected(text: bytes) -> None:
    """They raise only NotJson."""
    assert refuses(text) or strict_json.loads(text) == json.loads(text)


@given(st.binary().filter(lambda text: not is_utf8(text)))
def test_bytes_that_are_not_utf_8_are_rejected(text: bytes) -> None:
    """In every string."""
    assert refuses(b'"' + text.replace(b'"', b"").replace(b"\\", b"") + b'"')


def is_utf8(text: bytes) -> bool:
    try:
        text.replace(b'"', b"").replace(b"\\", b"").decode()
    except UnicodeDecodeError:
        return False
    return True


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b" ",
        b"{",
        b"{} {}",
        b"{},",
        b"{'a': 1}",
        b"{a: 1}",
        b'{"a": 1,}',
        b"[1,]",
        b"// nothing\n{}",
        b"NaN",
        b"[Infinity]",
        b"[-Infinity]",
        b"[01]",
        b"[+1]",
        b"[.5]",
        b"[1.]",
        b"[0x10]",
        b"True",
        b"undefined",
        b'"\t"',
        b'"\\x41"',
        b'["\\ud800"]',
        b'["\\udc00\\ud800"]',
        b'{"\\ud800": 1}',
        b'["\xed\xa0\x80"]',
        b"\xef\xbb\xbf{}",
        '{"a": 1}'.encode("utf-16"),
        b'{"a": 1, "a": 1}',
        b'{"a": 1, "\\u0061": 2}',
        b"\x00{}",
        b"{}\x00",
    ],
    ids=repr,
)
def test_similar_syntax_is_rejected(text: bytes) -> None:
    """Other programs accept these, but they are mistakes of a client."""
    assert refuses(text)


@pytest.mark.parametrize("text", ["9" * 5_000, "-" + "9" * 5_000, "1e400", "-1e400", "[" * 10_000 + "]" * 10_000])
@pytest.mark.parametrize("frame", ["{}", '{{"title": {}}}', "[{}]"])
def test_extreme_values_are_rejected(frame: str, text: str) -> None:
    """Numbers that no column can store, and nesting that is too deep."""
    assert refuses(frame.format(text).encode())


@given(
    st.integers().map(str) | st.from_regex(r"-?[1-9][0-9]{0,30}(\.[0-9]{1,30})?([eE][+-]?[0-9]{1,3})?", fullmatch=True)
)
def test_a_number_must_be_finite(text: str) -> None:
    """Also if it overflows."""
    if not refuses(text.encode()):
        assert math.isfinite(strict_json.loads(text.encode()))


def test_the_error_has_the_reason() -> None:
    """So that a client can find its mistake."""
    with pytest.raises(NotJson, match="twice"):
        strict_json.loads(b'{"a": 1, "a": 2}')
