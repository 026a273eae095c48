"""Alarms of other programs become reminders, and reminders alarms that they understand."""

import pytest
from icalendar import Calendar

from app.tasks.formats import FORMATS
from tests.unit.example_tasks import PLAIN
from tests.unit.ics_files import calendar, the_record

AT, DUE = "2026-07-04T09:00:00.000000Z", "DUE:20260704T090000Z"
DAY = "DUE;VALUE=DATE:20260704"
BERLIN = "TZID=Europe/Berlin"
SOME = {"before_minutes": 15}


def alarm(*lines: str) -> list[str]:
    return ["BEGIN:VALARM", "ACTION:DISPLAY", "DESCRIPTION:x", *lines, "END:VALARM"]


def before(minutes: int) -> dict[str, int]:
    return {"before_minutes": minutes}


@pytest.mark.parametrize(
    ("lines", "trigger", "reminder"),
    [
        # Before the due.
        ([DUE], "TRIGGER;RELATED=END:-PT15M", before(15)),
        ([DUE], "TRIGGER;RELATED=END:PT0S", before(0)),
        ([DUE], "TRIGGER;VALUE=DURATION;RELATED=END:-P1D", before(1440)),
        ([DUE], "TRIGGER;RELATED=END:-P1W", before(10_080)),
        ([DUE], 'TRIGGER;related="end":-P1DT1H1M', before(1501)),
        ([DUE], "TRIGGER;RELATED=END:-PT90S", before(2)),
        ([DUE], "TRIGGER;RELATED=END:-PT1S", before(1)),
        ([DUE], "TRIGGER;RELATED=END:-P28D", before(40_320)),
        # Too early, or after the due.
        ([DUE], "TRIGGER;RELATED=END:-P5W", {"at": "2026-05-30T09:00:00.000000Z"}),
        ([DUE], "TRIGGER;RELATED=END:+PT1H", {"at": "2026-07-04T10:00:00.000000Z"}),
        # From the start, which is what a trigger means unless it says otherwise.
        (["DTSTART:20260704T080000Z", DUE], "TRIGGER:-PT15M", before(75)),
        (["DTSTART:20260704T080000Z", DUE], "TRIGGER;RELATED=START:PT30M", before(30)),
        ([f"DTSTART;{BERLIN}:20260704T080000", f"DUE;{BERLIN}:20260704T110000"], "TRIGGER:-PT15M", before(195)),
        ([f"DTSTART;{BERLIN}:20260328T090000", f"DUE;{BERLIN}:20260329T090000"], "TRIGGER:PT0S", before(1380)),
        (["DTSTART;VALUE=DATE:20260703", DAY], "TRIGGER:PT9H", before(1440)),
        ([DUE], "TRIGGER:-PT15M", before(15)),
        (["DTSTART:20260704T090000Z"], "TRIGGER:-PT15M", {"at": "2026-07-04T08:45:00.000000Z"}),
        (["DTSTART:20260704T080000Z", "DURATION:PT1H"], "TRIGGER;RELATED=END:-PT15M", before(15)),
        (["DTSTART:20260704T080000Z", "DURATION:PT1H"], "TRIGGER:-PT15M", before(75)),
        ([f"DTSTART;{BERLIN}:20260704T090000", "RRULE:FREQ=DAILY"], "TRIGGER:-PT15M", before(15)),
        # A day begins at midnight, and its reminders count from nine o'clock.
        ([DAY], "TRIGGER;RELATED=END:PT9H", before(0)),
        ([DAY], "TRIGGER;RELATED=END:PT0S", before(540)),
        ([DAY], "TRIGGER;RELATED=END:-PT15H", before(1440)),
        ([DAY], "TRIGGER;RELATED=END:PT18H", {"at": "2026-07-04T18:00:00.000000Z"}),
        # At a time.
        ([], "TRIGGER;VALUE=DATE-TIME:20260704T090000Z", {"at": AT}),
        ([DUE], "TRIGGER;VALUE=DATE-TIME:20260704T090000Z", {"at": AT}),
        ([], "TRIGGER:20260704T090000Z", {"at": AT}),
        ([], f"TRIGGER;VALUE=DATE-TIME;{BERLIN}:20260704T110000", {"at": AT}),
        ([], "TRIGGER;VALUE=DATE-TIME:20260704T090000", {"at": AT}),
    ],
    ids=str,
)
def test_an_alarm_becomes_a_reminder(lines: list[str], trigger: str, reminder: dict[str, object]) -> None:
    """Wherever its trigger counts from."""
    record = the_record(calendar("SUMMARY:a", *lines, *alarm(trigger)))

    assert record.task["reminders"] == [reminder]
    assert "VALARM" not in record.left_out


@pytest.mark.parametrize(
    "lines",
    [
        ["ACTION:AUDIO", "TRIGGER;RELATED=END:-PT15M", "ATTACH;FMTTYPE=audio/basic:ftp://example.com/bell.aud"],
        ["ACTION:EMAIL", "TRIGGER;RELATED=END:-PT15M", "ATTENDEE:mailto:a@example.com", "SUMMARY:b", "DUE:20270101"],
        ["TRIGGER;RELATED=END:-PT15M", "ACKNOWLEDGED:20260704T090000Z", "X-MOZ-LASTACK:20260704T090000Z", "UID:b"],
        ["trigger;related=END:-PT1", " 5M", "X-WR-ALARMUID:b", "X-EVOLUTION-ALARM-UID:c", "no property"],
    ],
)
def test_what_else_an_alarm_has_does_not_matter(lines: list[str]) -> None:
    """How it rings, whether it has rung, and what programs note in it."""
    record = the_record(calendar("SUMMARY:a", DUE, "BEGIN:VALARM", *lines, "END:VALARM"))

    assert (record.task["reminders"], record.left_out, record.task["title"]) == ([SOME], (), "a")


@pytest.mark.parametrize(
    ("lines", "left_out"),
    [
        (alarm("TRIGGER:-PT15M"), ["VALARM"]),
        (alarm("TRIGGER;RELATED=END:-PT15M") * 2, ["VALARM", "VALARM"]),
        (alarm(), ["VALARM"]),
        (alarm("TRIGGER:soon"), ["VALARM"]),
        (alarm("TRIGGER;VALUE=DATE-TIME:20260704"), ["VALARM"]),
        (alarm("TRIGGER;VALUE=DATE-TIME:00010101T000000Z"), ["VALARM"]),
        (alarm("TRIGGER;VALUE=DATE-TIME;TZID=Mars/Base:20260704T090000"), ["VALARM"]),
        (alarm("TRIGGER;VALUE=DATE-TIME:19760401T005545Z", "X-APPLE-PROXIMITY:ARRIVE"), ["VALARM"]),
        ([DUE, *alarm("TRIGGER;RELATED=END:-P999999W")], ["VALARM"]),
        (["BEGIN:VALARM", "ACTION:NONE", "TRIGGER;VALUE=DATE-TIME:19760401T005545Z", "END:VALARM"], []),
        (["DALARM:soon;;1;x"], ["DALARM"]),
    ],
)
def test_an_alarm_that_no_reminder_can_be_is_named(lines: list[str], left_out: list[str]) -> None:
    """The task is read all the same. What never rings is no loss."""
    record = the_record(calendar("SUMMARY:a", *lines))

    assert (record.task["reminders"], [*record.left_out]) == ([], left_out)


def test_repetitions_are_named() -> None:
    """A reminder fires once."""
    record = the_record(calendar("SUMMARY:a", DUE, *alarm("TRIGGER;RELATED=END:-PT15M", "REPEAT:2", "DURATION:PT5M")))

    assert (record.task["reminders"], record.left_out) == ([SOME], ("REPEAT",))


def test_the_first_five_alarms_are_kept() -> None:
    """The same one twice counts once, and the others are named."""
    minutes = [50, 40, 40, 30, 20, 10, 9, 8]
    alarms = [line for each in minutes for line in alarm(f"TRIGGER;RELATED=END:-PT{each}M")]

    record = the_record(calendar("SUMMARY:a", DUE, *alarms))

    assert record.task["reminders"] == [before(each) for each in (10, 20, 30, 40, 50)]
    assert record.left_out == ("reminders", "reminders")


def test_the_alarms_of_phones_ring_at_a_time() -> None:
    """It is the first of several values."""
    lines = ["AALARM;TYPE=WAVE:20260704T090000Z;PT5M;2;x", "DALARM:20260704T090000Z;;;x"]

    record = the_record(calendar("SUMMARY:a", *lines, version="1.0"))

    assert (record.task["reminders"], record.left_out) == ([{"at": AT}], ())


@pytest.mark.parametrize(
    ("due", "reminders", "triggers"),
    [
        ({"due_at": AT}, [before(15)], ["TRIGGER;RELATED=END:-PT15M"]),
        # Synology's server does not take RELATED=END:PT0S.
        ({"due_at": AT}, [before(0)], ["TRIGGER;VALUE=DATE-TIME:20260704T090000Z"]),
        ({"due_on": "2026-07-04"}, [before(0)], ["TRIGGER;RELATED=END:PT540M"]),
        ({"due_on": "2026-07-04"}, [before(1440)], ["TRIGGER;RELATED=END:-PT900M"]),
        (
            {"due_on": "2026-07-04", "time_zone": "Europe/Berlin"},
            [before(540)],
            ["TRIGGER;VALUE=DATE-TIME:20260703T220000Z"],
        ),
        ({}, [before(15), {"at": AT}], ["TRIGGER;VALUE=DATE-TIME:20260704T090000Z"]),
        ({"due_at": AT}, [before(1), before(2)], ["TRIGGER;RELATED=END:-PT1M", "TRIGGER;RELATED=END:-PT2M"]),
    ],
)
def test_a_reminder_becomes_an_alarm(
    due: dict[str, str], reminders: list[dict[str, object]], triggers: list[str]
) -> None:
    """In a form that clients and servers take; another library reads it."""
    file = b"".join(FORMATS["ics"].write([PLAIN | due | {"title": "Tea; green", "reminders": reminders}]))

    assert [line for line in file.decode().split("\r\n") if line.startswith("TRIGGER")] == triggers
    (todo,) = Calendar.from_ical(file).walk("VTODO")
    assert [str(each["DESCRIPTION"]) for each in todo.walk("VALARM")] == ["Tea; green"] * len(triggers)
    assert {str(each["ACTION"]) for each in todo.walk("VALARM")} == {"DISPLAY"}


@pytest.mark.parametrize(
    "exact", ['{"reminders": [{"before_minutes": "15"}]}', '{"reminders": {"at": 1}}', '{"reminders": [7]}']
)
def test_faulty_exact_values_are_not_believed(exact: str) -> None:
    """The alarms say all there is."""
    escaped = exact.replace(",", "\\,")

    record = the_record(calendar("SUMMARY:a", DUE, f"X-TASKS-EXACT:{escaped}", *alarm("TRIGGER;RELATED=END:-PT15M")))

    assert record.task["reminders"] == [SOME]


def test_an_alarm_that_another_program_has_changed_counts() -> None:
    """Rather than the exact values of before."""
    task = PLAIN | {"due_at": AT, "reminders": [before(0)]}
    file = b"".join(FORMATS["ics"].write([task])).replace(
        b"VALUE=DATE-TIME:20260704T09", b"VALUE=DATE-TIME:20260704T08"
    )

    assert the_record(file).task["reminders"] == [{"at": "2026-07-04T08:00:00.000000Z"}]
