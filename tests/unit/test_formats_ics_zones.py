"""The zones of an iCalendar file (RFC 5545, section 3.6.5): known names, and what a VTIMEZONE says."""

import io
from datetime import datetime
from zoneinfo import ZoneInfo

import pytest

from app.tasks.formats import FORMATS, Unreadable
from tests.unit.ics_files import calendar, found_in, the_record
from tests.unit.test_formats import Endless

BERLIN = (
    "BEGIN:STANDARD",
    "DTSTART:16010101T030000",
    "TZOFFSETFROM:+0200",
    "TZOFFSETTO:+0100",
    "RRULE:FREQ=YEARLY;BYDAY=-1SU;BYMONTH=10",
    "END:STANDARD",
    "BEGIN:DAYLIGHT",
    "DTSTART:16010101T020000",
    "TZOFFSETFROM:+0100",
    "TZOFFSETTO:+0200",
    "RRULE:FREQ=YEARLY;BYDAY=-1SU;BYMONTH=3",
    "END:DAYLIGHT",
)
# As Zimbra and Exchange write it.
NEW_YORK = (
    "BEGIN:STANDARD",
    "DTSTART:16010101T020000",
    "TZOFFSETTO:-0500",
    "TZOFFSETFROM:-0400",
    "RRULE:FREQ=YEARLY;WKST=MO;INTERVAL=1;BYMONTH=11;BYDAY=1SU",
    "TZNAME:EST",
    "X-MICROSOFT-ID:1",
    "END:STANDARD",
    "BEGIN:DAYLIGHT",
    "DTSTART:16010101T020000",
    "TZOFFSETTO:-0400",
    "TZOFFSETFROM:-0500",
    "RRULE:FREQ=YEARLY;WKST=MO;INTERVAL=1;BYMONTH=3;BYDAY=2SU",
    "TZNAME:EDT",
    "END:DAYLIGHT",
)
# As some older programs write it.
LOTUS = tuple(
    line.replace("BYDAY=1SU", "BYDAY=SU;BYMONTHDAY=1,2,3,4,5,6,7").replace(
        "BYDAY=2SU", "BYMONTHDAY=8,9,10,11,12,13,14;BYDAY=SU"
    )
    for line in NEW_YORK
)
# With the history of a zone, as Apple and Synology write it.
PRAGUE = (
    "X-LIC-LOCATION:Europe/Prague",
    "BEGIN:STANDARD",
    "TZOFFSETFROM:+005744",
    "TZOFFSETTO:+005744",
    "TZNAME:PMT",
    "DTSTART:18500101T000000",
    "RDATE:18500101T000000",
    "END:STANDARD",
)
# A rule that has ended.
WAR = (
    "BEGIN:DAYLIGHT",
    "DTSTART:19180331T020000",
    "TZOFFSETFROM:+0100",
    "TZOFFSETTO:+0300",
    "RRULE:FREQ=YEARLY;UNTIL=19190330T080000Z;BYMONTH=3;BYDAY=-1SU",
    "END:DAYLIGHT",
)


def fixed(offset: str) -> tuple[str, ...]:
    zone = [f"TZOFFSETFROM:{offset}", f"TZOFFSETTO:{offset}"]
    return ("BEGIN:STANDARD", "DTSTART:19700101T000000", *zone, "END:STANDARD")


def defined(name: str, rules: tuple[str, ...]) -> list[str]:
    return ["BEGIN:VTIMEZONE", f"TZID:{name}", *rules, "END:VTIMEZONE"]


@pytest.mark.parametrize("place", ["before", "after"])
@pytest.mark.parametrize(
    ("name", "rules", "due_at", "zone"),
    [
        ("Customized Time Zone", BERLIN, "07:00", "Europe/Berlin"),
        ("(UTC+01:00) Amsterdam\\, Berlin\\, Rome", BERLIN, "07:00", "Europe/Berlin"),
        ("tzone://Microsoft/Custom", NEW_YORK, "13:00", "America/New_York"),
        ("Mine", LOTUS, "13:00", "America/New_York"),
        ("Mine", (*WAR, *BERLIN), "07:00", "Europe/Berlin"),
        ("Mine", PRAGUE, "07:00", "Europe/Prague"),
        ("Mine", fixed("+0530"), "03:30", "Asia/Kolkata"),
        ("Mine", fixed("+530"), "03:30", "Asia/Kolkata"),
        ("Mine", fixed("+0200"), "07:00", "Etc/GMT-2"),
        ("Mine", fixed("-0300"), "12:00", "Etc/GMT+3"),
        ("Mine", fixed("+0000"), "09:00", "UTC"),
    ],
)
def test_a_zone_is_what_the_file_says(name: str, rules: tuple[str, ...], due_at: str, zone: str, place: str) -> None:
    """The place that it names, else the zone with the same time on every day of that year; wherever it is defined."""
    file = calendar(f'DUE;TZID="{name}":20260704T090000', **{place: defined(name, rules)})
    record = the_record(file)

    assert record.task["due_at"] == f"2026-07-04T{due_at}:00.000000Z"
    noons = [datetime(2026, month, 28, 12) for month in range(1, 13)]  # noqa: DTZ001
    named = ZoneInfo(record.task["time_zone"])
    assert [noon.replace(tzinfo=named).utcoffset() for noon in noons] == [
        noon.replace(tzinfo=ZoneInfo(zone)).utcoffset() for noon in noons
    ]
    assert record.left_out == ()


def test_a_zone_of_no_place_gives_the_time() -> None:
    """The name is left out, and said to be."""
    record = the_record(calendar("DUE;TZID=Mine:20260704T090000", before=defined("Mine", fixed("+0017"))))

    assert (record.task["due_at"], record.task["time_zone"]) == ("2026-07-04T08:43:00.000000Z", None)
    assert record.left_out == ("TZID",)


@pytest.mark.parametrize(
    ("name", "zone"),
    [
        ("Europe/Berlin", "Europe/Berlin"),
        ("/mozilla.org/20070129_1/Europe/Berlin", "Europe/Berlin"),
        ("/freeassociation.sourceforge.net/America/Indiana/Knox", "America/Indiana/Knox"),
        ("Pacific Standard Time", "America/Los_Angeles"),
    ],
)
def test_a_known_name_counts_more_than_its_definition(name: str, zone: str) -> None:
    """IANA's rules are newer than a program's."""
    record = the_record(calendar(f"DUE;TZID={name}:20260704T090000", before=defined(name, fixed("+0000"))))

    assert record.task["time_zone"] == zone


def test_a_definition_counts_until_the_next() -> None:
    """Several calendars in one file have zones of one name."""
    parts = [calendar("DUE;TZID=Mine:20260704T090000", before=defined("Mine", rules)) for rules in (BERLIN, NEW_YORK)]

    assert [record.task["due_at"][11:13] for record in found_in(b"".join(parts))] == ["07", "13"]  # type: ignore[union-attr]


def test_a_stream_cannot_be_looked_through_twice() -> None:
    """The message says what to do."""
    whole = calendar("DUE;TZID=Mine:20260704T090000", after=defined("Mine", BERLIN))

    (fault,) = FORMATS["ics"].read(io.BufferedReader(Endless(iter([whole, b""]))))

    assert isinstance(fault, Unreadable)
    assert "'Mine' is unknown" in fault.message
    assert "import a file" in fault.message


@pytest.mark.parametrize(
    "rules",
    [
        ("BEGIN:STANDARD", "DTSTART:16010101T030000", "END:STANDARD"),
        (),
        fixed("nine"),
        (*fixed("+0100")[:-1], "RRULE:FREQ=SECONDLY", "END:STANDARD"),
        (*fixed("+0100")[:-1], "RRULE:FREQ=YEARLY;BYMONTHDAY=1,2", "END:STANDARD"),
        (*fixed("+0100")[:-1], "RRULE:FREQ=YEARLY;BYMONTH=1;BYSECOND=1", "END:STANDARD"),
        (*fixed("+0100")[:-1], "RRULE:FREQ=YEARLY;BYMONTH=1;BYDAY=MO", "END:STANDARD"),
        (*fixed("+0100")[:-1], "RRULE:FREQ=YEARLY;BYMONTH=1;BYMONTHDAY=1,2,3,4,5,6,7", "END:STANDARD"),
        (*BERLIN[:5], *BERLIN[4:5] * 40, *BERLIN[5:]),
        (*BERLIN[:4], f"{BERLIN[4]};UNTIL=99990101T000000Z", *BERLIN[5:]),
        ("COMMENT:" + "x" * 17_000, *BERLIN),
    ],
)
def test_a_definition_that_is_none_is_not_used(rules: tuple[str, ...]) -> None:
    """Nor is one whose changes would take long to find."""
    (fault,) = found_in(calendar("DUE;TZID=Mine:20260704T090000", before=defined("Mine", rules)))

    assert isinstance(fault, Unreadable)
    assert "'Mine' is unknown" in fault.message
