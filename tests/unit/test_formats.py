"""What holds for every format in which tasks leave and enter."""

import io
import itertools
import tracemalloc
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.tasks.formats import FORMATS, Format, Unreadable
from tests.unit.example_tasks import PLAIN, Task, as_read, file_of, read_all, tasks

every_format = pytest.mark.parametrize("form", FORMATS.values(), ids=FORMATS)

# How each begins, up to where it waits for the end of something.
OPENINGS = {
    "jsonl": b'{"title": "',
    "csv": b'title,details\r\n"a","',
    "ics": b"BEGIN:VCALENDAR\r\nBEGIN:VTODO\r\nSUMMARY:",
}


class Endless(io.RawIOBase):
    """A file that never ends."""

    def __init__(self, pieces: Iterator[bytes]) -> None:
        self._pieces = pieces
        self._rest = b""
        self.given = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: bytearray) -> int:
        self._rest = self._rest or next(self._pieces)
        size = min(len(buffer), len(self._rest))
        buffer[:size], self._rest = self._rest[:size], self._rest[size:]
        self.given += size
        return size


def round_trip(form: Format, written: list[Task]) -> list[Task]:
    return [task for _, task in read_all(form, file_of(*form.write(written)))]


@every_format
@given(written=st.lists(tasks(), max_size=3))
def test_what_was_written_is_read(form: Format, written: list[Task]) -> None:
    """Every field of every task comes back as it was, whatever its text."""
    assert round_trip(form, written) == [as_read(task) for task in written]


@every_format
def test_the_largest_task_is_read(form: Format) -> None:
    """Details of characters that every format has to escape stay under its bound."""
    largest = PLAIN | {
        "title": "\x01" * 200,
        "details": "\U0001f375\x7f" * 5_000,
        "tags": [f"{number:02}" + '"' * 48 for number in range(20)],
    }

    assert round_trip(form, [largest]) == [as_read(largest)]


@every_format
@given(task=tasks())
def test_a_byte_order_mark_is_passed_over(form: Format, task: Task) -> None:
    """Windows' programs write one, as our CSV does."""
    mark, whole = b"\xef\xbb\xbf", b"".join(form.write([task]))
    for file in (mark + whole.removeprefix(mark), whole.removeprefix(mark)):
        assert [found for _, found in read_all(form, file_of(file))] == [as_read(task)]


@every_format
def test_writing_asks_for_one_task_at_a_time(form: Format) -> None:
    """A piece goes out before the next task is fetched."""
    fetched = itertools.count()
    pieces = form.write(PLAIN for _ in fetched)

    assert all(itertools.islice(pieces, 1_000))
    assert next(fetched) <= 1_001


@every_format
def test_reading_asks_for_no_more_than_it_needs(form: Format) -> None:
    """The first task is there before the file's end is, if it ever is."""
    file = Endless(form.write(itertools.repeat(PLAIN)))
    found = form.read(io.BufferedReader(file))

    assert next(found)[1] == as_read(PLAIN)
    assert file.given <= 2 * io.DEFAULT_BUFFER_SIZE


@every_format
def test_memory_does_not_grow_with_the_number_of_tasks(form: Format) -> None:
    """Not on the way out, and not on the way in."""
    tracemalloc.start()
    try:
        file = io.BufferedReader(Endless(form.write(itertools.repeat(PLAIN | {"details": "x" * 1_000}))))
        count = sum(1 for _ in itertools.islice(form.read(file), 2_000))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()

    assert count == 2_000
    assert peak < 500_000


@pytest.mark.parametrize("filling", [b"a" * 999, b"a\r\n " * 999, b'a",\r\n"' * 999], ids=["line", "folded", "row"])
@pytest.mark.parametrize("name", FORMATS)
def test_an_endless_task_is_refused(name: str, filling: bytes) -> None:
    """A file cannot fill the memory: a megabyte without an end is told to be none, with the line where it began."""
    file = Endless(itertools.chain([OPENINGS[name]], itertools.repeat(filling)))

    with pytest.raises(Unreadable):
        read_all(FORMATS[name], io.BufferedReader(file))
    assert file.given <= 1024 * 1024 + 2 * io.DEFAULT_BUFFER_SIZE


@every_format
@given(noise=st.binary(max_size=200), task=tasks(), data=st.data())
def test_any_octets_are_read_or_refused(form: Format, noise: bytes, task: Task, data: st.DataObject) -> None:
    """There is no third outcome, wherever the noise stands."""
    whole = b"".join(form.write([task]))
    place = data.draw(st.integers(0, len(whole)))
    file = file_of(whole[:place], noise, whole[place + data.draw(st.integers(0, 50)) :])
    lines = file.getvalue().count(b"\n") + 1

    try:
        numbers = [record.line for record in form.read(file)]
    except Unreadable as refusal:
        numbers = [refusal.line]
    assert all(1 <= number <= lines for number in numbers)


@every_format
def test_octets_that_are_no_utf8_are_refused_with_their_line(form: Format) -> None:
    """Excel's plain CSV is none, where there are umlauts."""
    whole = b"".join(form.write([PLAIN, PLAIN | {"title": "Käse"}]))
    line = whole[: whole.index("Käse".encode())].count(b"\n") + 1

    with pytest.raises(Unreadable, match=f"^Line {line}: .*UTF-8"):
        read_all(form, file_of(whole.replace("Käse".encode(), "Käse".encode("latin-1"))))
