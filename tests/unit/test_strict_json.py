"""JSON is taken, and nothing that merely resembles it."""

import json
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.http import strict_json
from app.http.strict_json import NotJson

# Everything that JSON can say and that any program can keep.
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
def test_what_was_written_is_read(value: Any, ascii_only: bool) -> None:
    """Every value comes back as it went, escaped or not."""
    assert strict_json.loads(json.dumps(value, ensure_ascii=ascii_only).encode()) == value


@given(OBJECTS, st.data())
def test_a_text_cut_short_is_refused(value: dict[str, Any], data: st.DataObject) -> None:
    """No proper beginning of an object is an object."""
    text = json.dumps(value).encode()
    assert refuses(text[: data.draw(st.integers(0, len(text) - 1))])


@given(VALUES, st.text(min_size=1).filter(str.strip).map(lambda text: text.encode("utf-8", "replace")))
def test_nothing_may_follow(value: Any, rest: bytes) -> None:
    """One text, and only white space around it."""
    assert refuses(b"[" + json.dumps(value).encode() + b"] " + rest) is bool(rest.strip(b" \t\r\n"))


@given(OBJECTS, st.data())
def test_a_key_that_stands_twice_is_refused(value: dict[str, Any], data: st.DataObject) -> None:
    """Wherever the object is, and however the key is spelled."""
    key = data.draw(st.sampled_from(sorted(value)))
    once = json.dumps(value)
    again = "".join(f"\\u{ord(letter):04x}" for letter in key) if key.isascii() else json.dumps(key)[1:-1]
    twice = f'{once[:-1]}, "{again}": 0}}'
    assert refuses(twice.encode())
    assert refuses(f'{{"deep": [{twice}]}}'.encode())


@given(st.binary())
def test_any_bytes_are_read_or_refused(text: bytes) -> None:
    """There is no third outcome: nothing but NotJson is ever raised."""
    assert refuses(text) or strict_json.loads(text) == json.loads(text)


@given(st.binary().filter(lambda text: not is_utf8(text)))
def test_only_utf8_is_text(text: bytes) -> None:
    """Octets that are no UTF-8 stand in no string."""
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
def test_what_resembles_json_is_refused(text: bytes) -> None:
    """Other programs take these; a client that sends them has a fault, and hears of it."""
    assert refuses(text)


@pytest.mark.parametrize("text", ["9" * 5_000, "-" + "9" * 5_000, "1e400", "-1e400", "[" * 10_000 + "]" * 10_000])
@pytest.mark.parametrize("frame", ["{}", '{{"title": {}}}', "[{}]"])
def test_what_is_beyond_any_use_is_refused(frame: str, text: str) -> None:
    """Numbers that no column holds, and nesting that no reader follows."""
    assert refuses(frame.format(text).encode())


@given(
    st.integers().map(str) | st.from_regex(r"-?[1-9][0-9]{0,30}(\.[0-9]{1,30})?([eE][+-]?[0-9]{1,3})?", fullmatch=True)
)
def test_a_number_is_finite_or_refused(text: str) -> None:
    """Infinity never enters by overflow."""
    if not refuses(text.encode()):
        assert math.isfinite(strict_json.loads(text.encode()))


def test_the_reason_is_told() -> None:
    """A client can find its mistake."""
    with pytest.raises(NotJson, match="twice"):
        strict_json.loads(b'{"a": 1, "a": 2}')
