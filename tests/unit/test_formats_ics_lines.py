"""How an iCalendar file is split: folded lines, encodings, faults of one task, and values of any size."""

import io
import itertools
import tracemalloc

import pytest

from app.tasks.formats import FORMATS, Record, Unreadable
from tests.unit.example_tasks import file_of, read_all
from tests.unit.ics_files import calendar, found_in, the_record
from tests.unit.test_formats import Endless

MIB = 1024 * 1024


def todo(*lines: bytes) -> bytes:
    return b"\r\n".join([b"BEGIN:VTODO", *lines, b"END:VTODO", b""])


def whole(*parts: bytes) -> bytes:
    return b"BEGIN:VCALENDAR\r\n" + b"".join(parts) + b"END:VCALENDAR\r\n"


@pytest.mark.parametrize("place", range(1, 4))
@pytest.mark.parametrize("end", [b"\r\n ", b"\n\t", b"\n "])
def test_a_line_may_be_folded_inside_a_character(place: int, end: bytes) -> None:
    """Section 3.1: bytes are unfolded, then decoded."""
    tea = "🍵".encode()
    file = whole(todo(b"SUMMARY:a" + tea[:place] + end + tea[place:] + b" b"))

    assert the_record(file).task["title"] == "a🍵 b"


@pytest.mark.parametrize(
    ("line", "title"),
    [
        (b"SUMMARY;CHARSET=UTF-8;ENCODING=QUOTED-PRINTABLE:Caf=C3=A9 au lait=\r\n and tea", "Café au lait and tea"),
        (b"SUMMARY;ENCODING=QUOTED-PRINTABLE;CHARSET=ISO-8859-1:Caf=E9=\r\n=\r\n!", "Café!"),
        (b"SUMMARY;QUOTED-PRINTABLE:a=3Db", "a=b"),
        (b"summary;encoding=quoted-printable:a=3db=3d", "a=b="),
        (b"SUMMARY;ENCODING=QUOTED-PRINTABLE:BEGIN:VTODO=\r\nEND:VTODO", "BEGIN:VTODOEND:VTODO"),
        (b"SUMMARY;CHARSET=windows-1252:\x80 5", "€ 5"),
        (b"SUMMARY;ENCODING=BASE64:VGVl", "Tee"),
        (b"SUMMARY;LANGUAGE=de:a=", "a="),
    ],
)
def test_an_encoded_text_is_decoded(line: bytes, title: str) -> None:
    """vCalendar 1.0: a line that ends with = goes on in the next, whose first space belongs to the text."""
    assert the_record(whole(todo(line))).task["title"] == title


def test_an_encoded_text_has_line_breaks() -> None:
    """They are bytes of the text."""
    file = whole(todo(b"SUMMARY:a", b"DESCRIPTION;ENCODING=QUOTED-PRINTABLE:one=0D=0A=\r\ntwo"))

    assert the_record(file).task["details"] == "one\ntwo"


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b"SUMMARY:K\xe4se", "not UTF-8. Save the file as UTF-8"),
        (b"SUMMARY;CHARSET=x-unknown:K\xe4se", "not UTF-8"),
        (b"SUMMARY;CHARSET=rot13:K\xe4se", "not UTF-8"),
        (b"SUMMARY;ENCODING=BASE64:x", "not base64"),
    ],
)
def test_a_text_that_cannot_be_decoded_is_a_fault_of_its_task(line: bytes, reason: str) -> None:
    """The message names the line, and the next task is read."""
    fault, record = found_in(whole(todo(b"UID:1", line), todo(b"SUMMARY:b")))

    assert isinstance(fault, Unreadable)
    assert (fault.line, reason in fault.message) == (4, True)
    assert isinstance(record, Record)
    assert record.task["title"] == "b"


def test_what_is_not_read_may_be_in_any_encoding() -> None:
    """Only texts of tasks are decoded."""
    file = whole(b"X-WR-CALNAME:K\xe4se\r\n", todo(b"SUMMARY:a", b"X-NOTE:K\xe4se", b"ATTACH;X=K\xe4se:x"))

    assert the_record(file).task["title"] == "a"


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be"])
def test_utf_16_is_refused_with_its_remedy(encoding: str) -> None:
    """Windows' editors call it Unicode."""
    with pytest.raises(Unreadable, match="Line 1: This is not UTF-8"):
        found_in(calendar("SUMMARY:a").decode().encode(encoding))


@pytest.mark.parametrize(
    "lines",
    [
        [b"SUMMARY:x", b"no property"],
        [b"SUMMARY:x", b"DUE:20260704T120000Z", b" PRIORITY:0"],
        [b"SUMMARY:x", b"PRIORITY:11", b"DUE:tomorrow"],
        [b"DESCRIPTION:" + b"x" * MIB],
        [b"COMMENT:" + b"x" * 1_000] * 1_100,
        [b"SUMMARY:x", b"DUE;TZID=Nowhere:20260704T120000"],
        [b"SUMMARY:x", b"no property", b"BEGIN:VALARM", b"no property", b"END:VALARM", b"nor this"],
    ],
)
def test_a_faulty_task_does_not_stop_the_others(lines: list[bytes]) -> None:
    """It is named once, and the rest of it is passed over."""
    before, fault, after = found_in(whole(todo(b"SUMMARY:a"), todo(*lines), todo(b"SUMMARY:b")))

    assert isinstance(fault, Unreadable)
    assert [record.task["title"] for record in (before, after) if isinstance(record, Record)] == ["a", "b"]


def test_a_property_that_is_not_read_may_have_any_size() -> None:
    """An attachment of 8 MiB, folded or not, takes no memory."""
    folded = b"ATTACH;ENCODING=BASE64;VALUE=BINARY:" + b"QUJD\r\n " * (MIB // 2)
    file = whole(todo(b"SUMMARY:a", folded, b"ATTACH:" + b"A" * 4 * MIB, b"PRIORITY:1"), todo(b"SUMMARY:b"))
    tracemalloc.start()
    try:
        records = found_in(file)
        peak = tracemalloc.get_traced_memory()[1] - len(file)
    finally:
        tracemalloc.stop()

    assert [(record.task["title"], record.task["priority"]) for record in records if isinstance(record, Record)] == [
        ("a", "high"),
        ("b", "none"),
    ]
    assert peak < MIB / 2


def test_a_task_that_does_not_end_is_refused_at_once() -> None:
    """Also where each of its lines is short."""
    file = Endless(itertools.chain([b"BEGIN:VCALENDAR\r\nBEGIN:VTODO\r\n"], itertools.repeat(b"COMMENT:a\r\n" * 99)))

    fault = next(FORMATS["ics"].read(io.BufferedReader(file)))

    assert isinstance(fault, Unreadable)
    assert file.given <= MIB + 2 * io.DEFAULT_BUFFER_SIZE


def test_a_file_of_events_is_refused() -> None:
    """The feeds of Todoist and TickTick are such: nothing would be found, without a word."""
    event = b"BEGIN:VEVENT\r\nSUMMARY:a\r\nEND:VEVENT\r\n"

    with pytest.raises(Unreadable, match=r"Line 2: This calendar has events, and no tasks"):
        found_in(whole(event))
    assert len(found_in(whole(event, todo(b"SUMMARY:a")))) == 1
    assert found_in(whole()) == []


@pytest.mark.parametrize(
    ("text", "line", "reason"),
    [
        ("", 1, "END:VCALENDAR"),
        ('{"title": "a"}\n', 1, "not an iCalendar file"),
        ("BEGIN:VCALENDAR\nVERSION:2.0\n", 2, "END:VCALENDAR"),
        ("BEGIN:VCALENDAR\nBEGIN:VTODO\nSUMMARY:a\n", 3, "END:VTODO"),
        ("BEGIN:VCALENDAR\nBEGIN:VTODO\nBEGIN:VALARM\nEND:VTODO\n", 4, "END:VTODO"),
        ("BEGIN:VCALENDAR\nBEGIN:VTODO\nSUMMARY\nEND:VTODO\n", 3, "NAME:value"),
        ("BEGIN:VCALENDAR\nBEGIN:VTODO\nDUE:tomorrow\nEND:VTODO\n", 3, "20260314"),
        ("BEGIN:VCALENDAR\nBEGIN:VTODO\nDUE:20260230\nEND:VTODO\n", 3, "does not exist"),
        ("BEGIN:VCALENDAR\nBEGIN:VTODO\nDUE;TZID=Mars/Base:20260314T090000\nEND:VTODO\n", 3, "Mars/Base"),
        (f"BEGIN:VCALENDAR\nBEGIN:VTODO\nDUE;TZID={'/a' * 9_999}:20260314T090000\nEND:VTODO\n", 3, "unknown"),
        ("BEGIN:VCALENDAR\nBEGIN:VTODO\nDUE;TZID=Europe:20260314T090000\nEND:VTODO\n", 3, "unknown"),
        ("BEGIN:VCALENDAR\nBEGIN:VTODO\nDUE;TZID=../../etc:20260314T090000\nEND:VTODO\n", 3, "unknown"),
        ("BEGIN:VCALENDAR\nBEGIN:VTODO\nDUE;TZID=Asia/Tokyo:00010101T000000\nEND:VTODO\n", 2, "1 to 9999"),
        ("BEGIN:VCALENDAR\nBEGIN:VTODO\nDTSTART:20260314\nDURATION:long\nEND:VTODO\n", 4, "PT1H30M"),
        ("BEGIN:VCALENDAR\nBEGIN:VTODO\nPRIORITY:urgent\nEND:VTODO\n", 3, "1 .high. to 9"),
        ("BEGIN:VCALENDAR\nBEGIN:VTODO\nSUMMARY:a\nBEGIN:VTODO\n", 4, "has no END"),
        ("".join(f"BEGIN:X-{number}\n" for number in range(20)), 9, "has no END"),
    ],
)
def test_what_is_no_calendar_is_refused_with_its_line(text: str, line: int, reason: str) -> None:
    """The message says what to do about it."""
    with pytest.raises(Unreadable, match=f"^Line {line}: .*{reason}"):
        read_all(FORMATS["ics"], file_of(text.encode()))


def test_only_todos_are_read() -> None:
    """Events, journals and alarms have summaries as well."""
    found = read_all(
        FORMATS["ics"],
        file_of(
            b"BEGIN:VCALENDAR\r\n",
            b"BEGIN:VEVENT\r\nSUMMARY:a meeting\r\nBEGIN:VALARM\r\nSUMMARY:a bell\r\nEND:VALARM\r\nEND:VEVENT\r\n",
            b"begin:vtodo\r\nBEGIN:VALARM\r\nSUMMARY:a bell\r\nEND:VALARM\r\nsummary:a ta\r\n sk\r\nend:vtodo\r\n",
            b"END:VCALENDAR\r\nBEGIN:VCALENDAR\r\nBEGIN:VTODO\r\nSUMMARY:one more\r\nEND:VTODO\r\nEND:VCALENDAR",
        ),
    )

    assert [(line, task["title"]) for line, task in found] == [(8, "a task"), (17, "one more")]
