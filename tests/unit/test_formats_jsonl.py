"""Tasks as JSON Lines."""

import json
import re

import pytest

from app.tasks.formats import FORMATS, Record
from tests.unit.example_tasks import PLAIN, as_read, file_of, read_all

JSONL = FORMATS["jsonl"]


def test_a_line_is_a_task_as_the_api_answers_with_it() -> None:
    """Every field, and any JSON parser reads it."""
    odd = PLAIN | {"details": "two\r\nlines\u2028and a third", "tags": ["a"]}
    lines = b"".join(JSONL.write([PLAIN, odd])).split(b"\n")

    assert [json.loads(line) for line in lines[:-1]] == [PLAIN, odd]
    assert lines[-1] == b""


def test_empty_lines_are_passed_over() -> None:
    """And a record has the number of its own line."""
    file = file_of(b'\n{"title": "a"}\r\n  \r\n', b'{"title": "b", "user_id": "eve"}')

    assert read_all(JSONL, file) == [(2, {"title": "a"}), (4, {"title": "b"})]


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b'{"title": "a", "title": "b"}', "twice"),
        (b'{"title": NaN}', "JSON"),
        (b'{"title": "a"', "JSON"),
        (b'{"title": "a"}{"title": "b"}', "JSON"),
        (b'{"title": "\\ud800"}', "JSON"),
        (b"[" * 100_000, "JSON"),
        (b'["a"]', "object"),
        (b"null", "object"),
        (b'{"titel": "a"}', "titel"),
    ],
)
def test_what_is_no_task_is_refused_with_its_line(line: bytes, reason: str) -> None:
    """The lines before it were read; the message says what is wrong and what to do."""
    found = JSONL.read(file_of(*JSONL.write([PLAIN]), line))

    assert next(found) == Record(1, as_read(PLAIN))
    fault = next(found)
    assert re.match(f"Line 2: .*{reason}", str(fault))
    assert not list(found)
