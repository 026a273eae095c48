"""Tasks as iCalendar (RFC 5545), read by a library that nobody here wrote."""

import re
from datetime import UTC, date, datetime
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from icalendar import Calendar
from icalendar.cal import Todo

from app.tasks.formats import FORMATS
from tests.unit.example_tasks import PLAIN, Task, as_read, file_of, read_all, tasks

ICS = FORMATS["ics"]

BERLIN = {"due_at": "2026-03-02T08:00:00.000000Z", "time_zone": "Europe/Berlin", "recurrence": "FREQ=WEEKLY;BYDAY=MO"}
# What iCalendar cannot say.
NOT_TEXT = re.compile("[\x00-\x08\x0b-\x1f\x7f\x85\u2028\u2029]")


def todos(*written: Task) -> list[Todo]:
    """What any other program reads."""
    return list(Calendar.from_ical(b"".join(ICS.write(written))).todos)


def read(*lines: str) -> Task:
    """The task of a VTODO with these lines, as another program could write it."""
    whole = "\n".join(["BEGIN:VCALENDAR", "VERSION:2.0", "BEGIN:VTODO", *lines, "END:VTODO", "END:VCALENDAR"])
    ((_, task),) = read_all(ICS, file_of(whole.encode()))
    return task


def test_a_task_is_a_todo() -> None:
    """Every field where other programs look for it."""
    (todo,) = todos(
        PLAIN
        | {
            "title": "Buy tea; green, \\N \\n",
            "details": "two\nlines",
            "completed": True,
            "completed_at": "2026-03-14T09:26:53.589793Z",
            "priority": "high",
            "tags": ["home", "tea, green"],
            "due_at": "2026-03-20T12:00:00.000000Z",
            "list_name": "Home",
            "parent_id": "0199b1f2-7c3e-7a41-9d5b-2f6c8e0a4b18",
        }
    )

    assert {name: todo.decoded(name) for name in todo if name not in {"SUMMARY", "DESCRIPTION", "CATEGORIES"}} == {
        "UID": "0199b1f2-7c3e-7a41-9d5b-2f6c8e0a4b17",
        "DTSTAMP": datetime(2026, 3, 2, 9, 30, tzinfo=UTC),
        "CREATED": datetime(2026, 3, 1, 8, 0, tzinfo=UTC),
        "LAST-MODIFIED": datetime(2026, 3, 2, 9, 30, tzinfo=UTC),
        "STATUS": "COMPLETED",
        "COMPLETED": datetime(2026, 3, 14, 9, 26, 53, tzinfo=UTC),
        "PERCENT-COMPLETE": 100,
        "PRIORITY": 1,
        "DUE": datetime(2026, 3, 20, 12, 0, tzinfo=UTC),
        "RELATED-TO": "0199b1f2-7c3e-7a41-9d5b-2f6c8e0a4b18",
        "X-LIST-NAME": "Home",
        "X-TASKS-POSITION": "0647a3f1c9d25e",
        "X-TASKS-EXACT": '{"completed_at": "2026-03-14T09:26:53.589793Z"}',
    }
    assert (str(todo["SUMMARY"]), str(todo["DESCRIPTION"])) == ("Buy tea; green, \\N \\n", "two\nlines")
    assert list(todo["CATEGORIES"]) == ["home", "tea, green"]


def test_what_a_task_has_not_is_left_out() -> None:
    """No due, no tags, no priority."""
    (todo,) = todos(PLAIN)

    assert set(todo) == {"UID", "DTSTAMP", "CREATED", "LAST-MODIFIED", "SUMMARY", "STATUS", "X-TASKS-POSITION"}
    assert str(todo["STATUS"]) == "NEEDS-ACTION"


@given(st.lists(tasks(), max_size=3))
def test_another_program_reads_every_task(written: list[Task]) -> None:
    """As many as there are, with texts that lose only what iCalendar cannot say."""
    found = todos(*written)

    assert [str(todo["UID"]) for todo in found] == [task["id"] for task in written]
    for todo, task in zip(found, written, strict=True):
        if not NOT_TEXT.search(task["title"]):
            assert str(todo["SUMMARY"]) == task["title"]
        if task["due_on"]:
            assert todo["DUE"].dt == date.fromisoformat(task["due_on"])
        if task["recurrence"]:
            assert todo["RRULE"].to_ical().decode().split(";")[0] == task["recurrence"].split(";")[0]
            assert todo["DTSTART"].dt == todo["DUE"].dt


@given(tasks())
def test_lines_are_as_the_standard_wants_them(task: Task) -> None:
    """At most 75 octets, each line UTF-8 by itself, ended by CRLF, without control characters."""
    whole = b"".join(ICS.write([task]))

    assert whole.endswith(b"\r\n")
    for line in whole.split(b"\r\n"):
        assert len(line) <= 75
        assert not re.search("[\x00-\x08\x0a-\x1f\x7f]", line.decode())


def test_a_rule_counts_in_its_zone() -> None:
    """Nine on Mondays stays nine when summer begins, so the due is local time, and the zone's rules come once."""
    whole = b"".join(ICS.write([PLAIN | BERLIN, PLAIN | BERLIN, PLAIN]))
    calendar = Calendar.from_ical(whole)

    assert [zone.tz_name for zone in calendar.timezones] == ["Europe/Berlin"]
    assert whole.count(b"DTSTART;TZID=Europe/Berlin:20260302T090000\r\nRRULE:FREQ=WEEKLY;BYDAY=MO\r\n") == 2
    assert calendar.todos[0]["DUE"].dt == datetime(2026, 3, 2, 9, 0, tzinfo=ZoneInfo("Europe/Berlin"))


@pytest.mark.parametrize(
    "change",
    [
        {"due_at": "2026-10-25T01:30:00.000000Z"},
        {"due_at": "9999-12-31T23:30:00.000000Z"},
        {"due_at": "2026-03-02T08:00:00.000001Z"},
        {"time_zone": "Atlantis/Capital"},
        {"time_zone": "UTC"},
        {"time_zone": None},
        {"recurrence": None},
    ],
)
def test_a_due_time_that_is_not_local_is_kept(change: Task) -> None:
    """The hour that comes twice in autumn, the end of the calendar, a zone that this machine lacks: UTC says them."""
    task = PLAIN | BERLIN | change

    assert [found for _, found in read_all(ICS, file_of(*ICS.write([task])))] == [as_read(task)]


def test_what_another_program_changed_counts() -> None:
    """The exact values are believed only where they agree with what everybody reads."""
    task = PLAIN | {"title": "a\x01", "details": "", "due_at": "2026-03-02T08:00:00.500000Z", "tags": ["\x02"]}
    whole = b"".join(ICS.write([task]))
    changed = whole.replace(b"SUMMARY:a", b"SUMMARY:b").replace(b"DUE:20260302T08", b"DUE:20260302T09")
    ((_, found),) = read_all(ICS, file_of(changed))

    assert found == as_read(task) | {"title": "b\ufffd", "due_at": "2026-03-02T09:00:00.000000Z"}


@pytest.mark.parametrize(
    "exact",
    ["{", "[]", '{"title": 5}', '{"user_id": "eve"}', '{"tags": [1]}', '{"details": null}', '{"details": 0}'],
)
def test_exact_values_that_are_none_are_passed_over(exact: str) -> None:
    """They may make a value more exact, and nothing else."""
    escaped = exact.replace(",", "\\,")

    assert read("SUMMARY:a", f"X-TASKS-EXACT:{escaped}") == read("SUMMARY:a")


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        (["DUE;VALUE=DATE:20260314"], {"due_on": "2026-03-14"}),
        (["DUE:20260314"], {"due_on": "2026-03-14"}),
        (["DUE:20260314T092653Z"], {"due_at": "2026-03-14T09:26:53.000000Z"}),
        (["DUE:20260314T092653"], {"due_at": "2026-03-14T09:26:53.000000Z"}),
        (["DUE:20261231T235960Z"], {"due_at": "2026-12-31T23:59:59.000000Z"}),
        (
            ["DUE;TZID=Europe/Berlin:20260314T100000"],
            {"due_at": "2026-03-14T09:00:00.000000Z", "time_zone": "Europe/Berlin"},
        ),
        (
            ['DUE;X-A="a;b:c";TZID="America/New_York":20260314T100000'],
            {"due_at": "2026-03-14T14:00:00.000000Z", "time_zone": "America/New_York"},
        ),
        (
            ["DUE;TZID=/freeassociation.sourceforge.net/Asia/Tokyo:20260314T100000"],
            {"due_at": "2026-03-14T01:00:00.000000Z", "time_zone": "Asia/Tokyo"},
        ),
        (
            ["DUE;TZID=W. Europe Standard Time:20260314T100000"],
            {"due_at": "2026-03-14T09:00:00.000000Z", "time_zone": "Europe/Berlin"},
        ),
        (
            ["DUE:20260314T100000", "X-TASKS-TIME-ZONE:Europe/Berlin"],
            {"due_at": "2026-03-14T09:00:00.000000Z", "time_zone": "Europe/Berlin"},
        ),
        (["DTSTART:20260314T092653Z"], {}),
        (["DTSTART:20260314T090000Z", "DURATION:PT1H30M"], {"due_at": "2026-03-14T10:30:00.000000Z"}),
        (["DTSTART;VALUE=DATE:20260314", "DURATION:P1W"], {"due_on": "2026-03-21"}),
        (
            ["DTSTART;VALUE=DATE:20260314", "RRULE:FREQ=DAILY"],
            {"due_on": "2026-03-14", "recurrence": "FREQ=DAILY"},
        ),
    ],
)
def test_a_due_is_read_however_it_is_written(lines: list[str], expected: Task) -> None:
    """A day stays a day; a time is taken in its zone, in the task's, or else in UTC."""
    found = read(*lines)

    none = dict.fromkeys(["due_on", "due_at", "time_zone", "recurrence"])
    assert {name: found[name] for name in none} == none | expected


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        ([], (False, None)),
        (["STATUS:NEEDS-ACTION", "COMPLETED:20260314T092653Z"], (False, None)),
        (["STATUS:IN-PROCESS", "PERCENT-COMPLETE:50"], (False, None)),
        (["STATUS:COMPLETED", "COMPLETED:20260314T092653Z"], (True, "2026-03-14T09:26:53.000000Z")),
        (["COMPLETED;VALUE=DATE:20260314"], (True, "2026-03-14T00:00:00.000000Z")),
        (["STATUS:COMPLETED"], (True, None)),
        (["PERCENT-COMPLETE:100"], (True, None)),
        (["STATUS:CANCELLED"], (True, None)),
    ],
)
def test_completed_is_read_however_it_is_written(lines: list[str], expected: tuple[bool, str | None]) -> None:
    """The status decides where there is one; when it was completed may be unknown."""
    found = read(*lines)

    assert (found["completed"], found["completed_at"]) == expected


@pytest.mark.parametrize(("priority", "digits"), [("none", "0"), ("high", "1234"), ("medium", "5"), ("low", "6789")])
def test_a_priority_has_a_rank(priority: str, digits: str) -> None:
    """One to nine are three ranks here."""
    assert {read(f"PRIORITY:{digit}")["priority"] for digit in digits} == {priority}


@pytest.mark.parametrize("uid", ["deck-card-1", "0FA620BB-3AD9-4BDC-BF54-9DFDCDC32060", "a\\, b"])
@pytest.mark.parametrize("relation", ["RELATED-TO", "RELATED-TO;RELTYPE=PARENT", 'RELATED-TO;X-A="b;c";reltype=parent'])
def test_a_parent_is_named_by_its_uid(uid: str, relation: str) -> None:
    """It has the id that its own UID gives it; no kind of relation means the parent."""
    assert read(f"{relation}:{uid}")["parent_id"] == read(f"UID:{uid}")["id"]
    assert read(f"RELATED-TO;RELTYPE=CHILD:{uid}")["parent_id"] is None


@pytest.mark.parametrize(
    ("lines", "position"),
    [
        (["X-TASKS-POSITION:0a", "X-APPLE-SORT-ORDER:7"], "0a"),
        (["X-TASKS-POSITION:0-a", "X-APPLE-SORT-ORDER:7"], "00000000000000000007"),
        (["X-APPLE-SORT-ORDER:-7"], None),
        (["X-APPLE-SORT-ORDER:1.5"], None),
    ],
)
def test_an_order_is_read_as_digits_that_sort(lines: list[str], position: str | None) -> None:
    """Our own exactly; Apple's is a number. What is no order is left out."""
    assert read(*lines)["position"] == position


@pytest.mark.parametrize(
    ("calendar", "lines", "name"),
    [
        ("X-WR-CALNAME:Garden\\, back", [], "Garden, back"),
        ("X-WR-CALNAME:Garden", ["X-LIST-NAME:House"], "House"),
        ("X-WR-CALNAME:Inbox", [], None),
        ("X-WR-CALNAME:My tasks", [], None),
        ("X-WR-CALNAME:", [], None),
    ],
)
def test_a_calendars_name_is_the_list_of_its_tasks(calendar: str, lines: list[str], name: str | None) -> None:
    """Unless a task names its own. The name that programs give to their inbox is none."""
    whole = ["BEGIN:VCALENDAR", calendar, "BEGIN:VTODO", *lines, "END:VTODO", "END:VCALENDAR"]
    ((_, task),) = read_all(ICS, file_of("\n".join(whole).encode()))

    assert task["list_name"] == name


def test_a_calendar_of_one_list_has_its_name() -> None:
    """And no other calendar has one."""
    name = "Home " + "ä" * 80

    assert str(Calendar.from_ical(b"".join(ICS.write([PLAIN], name)))["X-WR-CALNAME"]) == name
    assert "X-WR-CALNAME" not in Calendar.from_ical(b"".join(ICS.write([PLAIN])))


def test_an_id_is_the_same_at_every_import() -> None:
    """A UUID stays what it is; anything else, and each occurrence of a rule, gets one of its own."""
    upper = "0FA620BB-3AD9-4BDC-BF54-9DFDCDC32060"
    found = [
        read(f"UID:{upper}")["id"],
        read("UID:deck-card-1")["id"],
        read(f"UID:{{{upper}}}")["id"],
        read(f"UID:{upper}", "RECURRENCE-ID:20260314T092653Z")["id"],
        read(f"UID:{upper}", "RECURRENCE-ID:20260321T092653Z")["id"],
    ]

    # If these ever changed, a second import would double every task.
    assert found[:2] == [upper.lower(), "5d3b8534-d04a-58b9-984d-dd39a327ee12"]
    assert len({UUID(id_) for id_ in found}) == len(found)
    assert "id" not in read("SUMMARY:a")
