"""A line of JSON Lines is one line for every reader, and keeps its meaning."""

import orjson
import pytest

from app.http.strict_json import dump_line, on_one_line

TEXTS = ["plain", "ü水", "a\u2028b", "a\u2029b", "a\x85b", "\\\u2028", "\\\\\x85", "\u2027\u202a\x84", "a\nb\x0bc\x1cd"]


@pytest.mark.parametrize("text", TEXTS)
def test_a_record_is_one_line(text: str) -> None:
    """Also for Python's splitlines(), which ends lines at more than an LF."""
    line = dump_line({"title": text})

    assert line.decode().splitlines() == [line.decode().rstrip("\n")]
    assert orjson.loads(line) == {"title": text}


@pytest.mark.parametrize("text", [*TEXTS, "a\x7fb", "a\x9bb"])
def test_output_has_no_control_characters(text: str) -> None:
    """Without losing a letter."""
    line = on_one_line(orjson.dumps({"title": text}).decode())

    assert not [letter for letter in line if "\x7f" <= letter < "\xa0" or letter in "\u2028\u2029"]
    assert line.splitlines() == [line]
    assert orjson.loads(line) == {"title": text}
