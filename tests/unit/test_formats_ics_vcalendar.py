"""What phones write as vCalendar 1.0: zones and rules. Its encoded texts are tested with the lines."""

import pytest

from app.tasks.formats.icalendar.vcalendar import rule as without_vcalendar
from tests.unit.ics_files import calendar, the_record


@pytest.mark.parametrize(
    ("due", "due_at", "zone"),
    [
        ("20260704T090000", "2026-07-04T07:00:00.000000Z", "Europe/Berlin"),
        ("20261204T090000", "2026-12-04T08:00:00.000000Z", "Europe/Berlin"),
        ("20260704T090000Z", "2026-07-04T09:00:00.000000Z", None),
        ("20270704T090000", "2027-07-04T08:00:00.000000Z", "Etc/GMT-1"),
    ],
)
def test_a_phones_times_are_in_its_zone(due: str, due_at: str, zone: str | None) -> None:
    """vCalendar 1.0 says an offset for the whole calendar, and when summer begins and ends."""
    zones = ["TZ:+01:00", "DAYLIGHT:TRUE;+02:00;20260329T010000Z;20261025T010000Z;CET;CEST"]
    record = the_record(calendar("SUMMARY:a", f"DUE:{due}", before=zones, version="1.0"))

    assert (record.task["due_at"], record.task["time_zone"]) == (due_at, zone)


@pytest.mark.parametrize(
    "zones", [["TZ:here"], ["TZ:+99"], ["TZ:+01", "DAYLIGHT:FALSE"], ["TZ:+01", "DAYLIGHT:TRUE;+02;x;y"]]
)
def test_a_phones_zone_that_is_none_is_not_used(zones: list[str]) -> None:
    """The calendar is read as far as it says something."""
    record = the_record(calendar("SUMMARY:a", "DUE:20260704T090000", before=zones, version="1.0"))

    assert record.task["due_at"][11:13] == ("08" if "TZ:+01" in zones else "09")


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("D1 #0", "FREQ=DAILY;INTERVAL=1"),
        ("D2 #10", "FREQ=DAILY;INTERVAL=2;COUNT=10"),
        ("D1", "FREQ=DAILY;INTERVAL=1;COUNT=2"),
        ("W1 MO WE 20261231T000000Z", "FREQ=WEEKLY;INTERVAL=1;BYDAY=MO,WE;UNTIL=20261231T000000Z"),
        ("MP1 1+ MO TU 1- FR #5", "FREQ=MONTHLY;INTERVAL=1;BYDAY=1MO,1TU,-1FR;COUNT=5"),
        ("MD1 1 2- LD #0", "FREQ=MONTHLY;INTERVAL=1;BYMONTHDAY=1,-2,-1"),
        ("YM1 6 12 #3", "FREQ=YEARLY;INTERVAL=1;BYMONTH=6,12;COUNT=3"),
        ("YD1 100 #0", "FREQ=YEARLY;INTERVAL=1;BYYEARDAY=100"),
        ("FREQ=DAILY", "FREQ=DAILY"),
        ("M15 #4", "M15 #4"),
        ("YM1 6 MP1 2+ TU", "YM1 6 MP1 2+ TU"),
    ],
)
def test_a_rule_of_a_phone_is_read(text: str, rule: str) -> None:
    """vCalendar 1.0 writes rules in a way of its own; without a number, they end with the second time."""
    assert without_vcalendar(text) == rule
