"""A rule counts from DTSTART in iCalendar, and from the due here: what an import makes of it."""

from datetime import date, timedelta
from itertools import islice

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.tasks.formats.icalendar.rules import series
from app.tasks.formats.icalendar.times import Span
from app.tasks.recurrence import canonical, following
from tests.unit.ics_files import calendar, the_record

ON_MONDAY = ("DTSTART;VALUE=DATE:20260706", "DUE;VALUE=DATE:20260706")
AT_NINE = ("DTSTART:20260704T090000Z", "DUE:20260704T090000Z")
BERLIN = "TZID=Europe/Berlin:2026"


def rule_of(*lines: str) -> tuple[str | None, tuple[str, ...]]:
    record = the_record(calendar(*lines))
    return record.task["recurrence"], record.left_out


def days_of(rule: str, day: date, number: int) -> list[date]:
    """Return the first days of a series."""
    found = [day]
    while len(found) < number and (after := following(rule, day, None)):
        day, rule = after[0], after[1]
        found.append(day)
    return found


@pytest.mark.parametrize(
    ("lines", "rule"),
    [
        ((*ON_MONDAY, "RRULE:FREQ=WEEKLY;BYDAY=MO;"), "FREQ=WEEKLY;BYDAY=MO"),
        ((*ON_MONDAY, "RRULE:FREQ=WEEKLY; BYDAY=MO"), "FREQ=WEEKLY;BYDAY=MO"),
        ((*ON_MONDAY, "RRULE:freq=weekly;byday=mo"), "FREQ=WEEKLY;BYDAY=MO"),
        # UNTIL has the form of DTSTART, and then its zone (section 3.3.10).
        ((*AT_NINE, "RRULE:FREQ=DAILY;UNTIL=20260708T090000Z"), "FREQ=DAILY;UNTIL=20260708T090000Z"),
        ((*AT_NINE, "RRULE:FREQ=DAILY;UNTIL=20260708T090000"), "FREQ=DAILY;UNTIL=20260708T090000Z"),
        ((*AT_NINE, "RRULE:FREQ=DAILY;UNTIL=20260708"), "FREQ=DAILY;UNTIL=20260708"),
        ((*ON_MONDAY, "RRULE:FREQ=DAILY;UNTIL=20260708T090000"), "FREQ=DAILY;UNTIL=20260708"),
        ((*ON_MONDAY, "RRULE:FREQ=DAILY;UNTIL=20260708T090000Z"), "FREQ=DAILY;UNTIL=20260708T090000Z"),
        ((f"DUE;{BERLIN}0704T090000", "RRULE:FREQ=DAILY;UNTIL=20261208T090000"), "FREQ=DAILY;UNTIL=20261208T080000Z"),
        (
            (f"DTSTART;{BERLIN}0704T090000", "RRULE:FREQ=DAILY;UNTIL=20260708T090000"),
            "FREQ=DAILY;UNTIL=20260708T070000Z",
        ),
        # A task is always due at the time of its due.
        ((*AT_NINE, "RRULE:FREQ=DAILY;BYHOUR=9;BYMINUTE=0;BYSECOND=0"), "FREQ=DAILY"),
        ((*AT_NINE, "RRULE:FREQ=DAILY;BYHOUR=09;BYMINUTE=00"), "FREQ=DAILY"),
        ((*ON_MONDAY, "RRULE:FREQ=DAILY;BYHOUR=7,9"), "FREQ=DAILY"),
        ((f"DTSTART;{BERLIN}0704T090000", "RRULE:FREQ=DAILY;BYHOUR=9"), "FREQ=DAILY"),
    ],
)
def test_a_rule_is_read_however_it_is_written(lines: tuple[str, ...], rule: str) -> None:
    """As this service takes it."""
    assert rule_of(*lines) == (rule, ())


@pytest.mark.parametrize(
    "rule",
    [
        "FREQ=HOURLY;INTERVAL=8",
        "FREQ=DAILY;BYHOUR=9,17",
        "FREQ=DAILY;BYHOUR=17",
        "FREQ=DAILY;BYHOUR=x",
        "FREQ=DAILY;FREQ=WEEKLY",
        "FREQ=DAILY;UNTIL=20261301",
        "FREQ=DAILY;UNTIL=tomorrow",
        "BYDAY=MO",
        "every day",
        "M5 #0",
    ],
)
def test_a_rule_that_no_task_can_keep_is_left_out(rule: str) -> None:
    """With a word, and not with the task."""
    record = the_record(calendar(*AT_NINE, f"RRULE:{rule}"))

    assert (record.task["due_at"], record.task["recurrence"]) == ("2026-07-04T09:00:00.000000Z", None)
    assert record.left_out == ("recurrence",)


def test_a_rule_without_a_due_is_left_out() -> None:
    """It has nothing to count from."""
    assert rule_of("RRULE:FREQ=DAILY") == (None, ("recurrence",))


@pytest.mark.parametrize(
    ("start", "due", "rule", "expected"),
    [
        ("20260706", "20260710", "FREQ=WEEKLY;BYDAY=MO", "FREQ=WEEKLY;BYDAY=FR"),
        ("20260706", "20260710", "FREQ=WEEKLY", "FREQ=WEEKLY"),
        ("20260706", "20260710", "FREQ=DAILY;INTERVAL=3", "FREQ=DAILY;INTERVAL=3"),
        ("20260706", "20260707", "FREQ=WEEKLY;BYDAY=SU,MO", "FREQ=WEEKLY;BYDAY=MO,TU"),
        (
            "20260706",
            "20260707",
            "FREQ=WEEKLY;INTERVAL=2;BYDAY=SU,MO",
            "FREQ=WEEKLY;INTERVAL=2;BYDAY=MO,TU;WKST=TU",
        ),
        ("20260701", "20260703", "FREQ=MONTHLY;BYMONTHDAY=1,15", "FREQ=MONTHLY;BYMONTHDAY=3,17"),
        ("20260727", "20260730", "FREQ=MONTHLY;BYMONTHDAY=-5", "FREQ=MONTHLY;BYMONTHDAY=-2"),
        ("20260701", "20260703", "FREQ=MONTHLY", "FREQ=MONTHLY"),
        ("20261230", "20270102", "FREQ=YEARLY", "FREQ=YEARLY"),
        ("20260706", "20260710", "FREQ=WEEKLY;UNTIL=20260801;BYDAY=MO", "FREQ=WEEKLY;UNTIL=20260805;BYDAY=FR"),
        # These are different days after it in different months.
        ("20260130", "20260202", "FREQ=MONTHLY", None),
        ("20260226", "20260302", "FREQ=YEARLY", None),
        ("20260228", "20260301", "FREQ=MONTHLY;BYMONTHDAY=-1", None),
        ("20260706", "20260710", "FREQ=MONTHLY;BYDAY=1MO", None),
        # Tasks.org counts from the due.
        ("20260706", "20260710", "FREQ=WEEKLY;BYDAY=FR", "FREQ=WEEKLY;BYDAY=FR"),
        ("20260706", "20260701", "FREQ=WEEKLY;BYDAY=WE", "FREQ=WEEKLY;BYDAY=WE"),
    ],
)
def test_a_due_after_the_start_keeps_its_distance(start: str, due: str, rule: str, expected: str | None) -> None:
    """The due is what repeats here, so the rule is one for the due; or it is left out."""
    found = rule_of(f"DTSTART;VALUE=DATE:{start}", f"DUE;VALUE=DATE:{due}", f"RRULE:{rule}")

    assert found == (expected, ("DTSTART",) if expected else ("DTSTART", "recurrence"))


def test_a_due_hours_after_the_start_keeps_its_distance() -> None:
    """Also beyond midnight; and the last start is on another day than the last due."""
    lines = (f"DTSTART;{BERLIN}0706T220000", f"DUE;{BERLIN}0707T060000")
    record = the_record(calendar(*lines, "RRULE:FREQ=WEEKLY;BYDAY=MO;UNTIL=20261207T210000Z"))

    assert record.task["due_at"] == "2026-07-07T04:00:00.000000Z"
    assert record.task["recurrence"] == "FREQ=WEEKLY;UNTIL=20261208T050000Z;BYDAY=TU"


@given(
    start=st.dates(date(2000, 1, 1), date(2100, 1, 1)),
    days=st.integers(1, 40),
    rule=st.sampled_from(["", ";BYDAY=MO,TH", ";BYDAY=SU,TU", ";BYMONTHDAY=3,20", ";BYMONTHDAY=-9", ";BYMONTH=2,7"]),
    frequency=st.sampled_from(["DAILY", "WEEKLY", "MONTHLY", "YEARLY"]),
    interval=st.integers(1, 3),
    week=st.sampled_from(["MO", "SU"]),
)
def test_every_rule_that_is_kept_has_the_right_days(
    start: date, days: int, rule: str, frequency: str, interval: int, week: str
) -> None:
    """Each due is so many days after each start, over years."""
    text = f"FREQ={frequency};INTERVAL={interval}{rule};WKST={week}"
    due = start + timedelta(days)
    try:
        starts = days_of(canonical(text), start, 60)
    except ValueError:
        return
    # A start on which the rule does not fall may be that of a program that counts from the due.
    every = canonical(text.replace(f"INTERVAL={interval}", "INTERVAL=1"))
    if rule and start not in days_of(every, start - timedelta(1), 2):
        return
    found = series(text, Span(start, due), None, set())
    if found.rule:
        assert days_of(canonical(found.rule), due, 60) == [day + timedelta(days) for day in starts]


@pytest.mark.parametrize(
    ("exdates", "due", "rule", "left_out"),
    [
        (["VALUE=DATE:20260713"], "2026-07-06", "FREQ=WEEKLY;COUNT=4", 1),
        (["VALUE=DATE:20260706"], "2026-07-13", "FREQ=WEEKLY;COUNT=3", 0),
        (["VALUE=DATE:20260706,20260713", "VALUE=DATE:20260727"], "2026-07-20", "FREQ=WEEKLY;COUNT=2", 1),
        (["VALUE=DATE:20260629"], "2026-07-06", "FREQ=WEEKLY;COUNT=4", 0),
        (["X=1:"], "2026-07-06", "FREQ=WEEKLY;COUNT=4", 0),
    ],
)
def test_an_excluded_due_moves_to_the_next(exdates: list[str], due: str, rule: str, left_out: int) -> None:
    """COUNT counts excluded days too (section 3.8.5.1). Those that come later cannot be kept, and are named."""
    record = the_record(calendar(*ON_MONDAY, "RRULE:FREQ=WEEKLY;COUNT=4", *(f"EXDATE;{value}" for value in exdates)))

    assert (record.task["due_on"], record.task["recurrence"]) == (due, rule)
    assert record.left_out == ("EXDATE",) * left_out


def test_excluded_times_are_days_in_the_zone_of_the_start() -> None:
    """Some programs write them in UTC, where they may be on the day before."""
    lines = (f"DTSTART;{BERLIN}0706T010000", f"DUE;{BERLIN}0706T080000", "EXDATE:20260705T230000Z")
    record = the_record(calendar(*lines, "RRULE:FREQ=DAILY"))

    assert record.task["due_at"] == "2026-07-07T06:00:00.000000Z"
    assert record.left_out == ("DTSTART",)


def test_an_excluded_start_moves_the_due() -> None:
    """EXDATE names starts."""
    lines = ("DTSTART;VALUE=DATE:20260706", "DUE;VALUE=DATE:20260708", "EXDATE;VALUE=DATE:20260706,20260720")
    record = the_record(calendar(*lines, "RRULE:FREQ=WEEKLY;BYDAY=MO"))

    assert (record.task["due_on"], record.task["recurrence"]) == ("2026-07-15", "FREQ=WEEKLY;BYDAY=WE")
    assert record.left_out == ("DTSTART", "EXDATE")


def test_a_series_that_is_all_excluded_is_one_task() -> None:
    """It is not lost, and both are named."""
    lines = (*ON_MONDAY, "RRULE:FREQ=DAILY;COUNT=2", "EXDATE;VALUE=DATE:20260706,20260707")

    assert rule_of(*lines) == (None, ("recurrence", "EXDATE", "EXDATE"))


def test_many_excluded_days_do_not_take_long() -> None:
    """The rule is left out where a year of days is excluded."""
    days = ",".join(f"{date(2026, 7, 6) + timedelta(days):%Y%m%d}" for days in range(10_000))
    rule, left_out = rule_of(*ON_MONDAY, "RRULE:FREQ=DAILY", f"EXDATE;VALUE=DATE:{days}")

    assert (rule, list(islice(left_out, 2))) == (None, ["recurrence", "EXDATE"])


@pytest.mark.parametrize(
    ("current", "rule", "due", "expected"),
    [
        ("VALUE=DATE:20260720", "FREQ=WEEKLY;BYDAY=MO", "2026-07-20", "FREQ=WEEKLY;BYDAY=MO"),
        ("VALUE=DATE:20260706", "FREQ=WEEKLY;COUNT=3", "2026-07-06", "FREQ=WEEKLY;COUNT=3"),
        ("VALUE=DATE:20260720", "FREQ=WEEKLY;COUNT=3", "2026-07-20", None),
        ("X=1:20260720T090000Z", "FREQ=WEEKLY", "2026-07-06", "FREQ=WEEKLY"),
    ],
)
def test_the_open_occurrence_is_the_due(current: str, rule: str, due: str, expected: str | None) -> None:
    """KOrganizer keeps the first one as DUE, and how many of a COUNT are done is not known."""
    record = the_record(calendar(*ON_MONDAY, f"RRULE:{rule}", f"X-KDE-LIBKCAL-DTRECURRENCE;{current}"))

    assert (record.task["due_on"], record.task["recurrence"]) == (due, expected)
    assert record.left_out == (() if expected else ("recurrence",))


def test_other_dates_of_a_rule_are_named() -> None:
    """A task has one rule."""
    found = rule_of(*ON_MONDAY, "RRULE:FREQ=WEEKLY", "RDATE;VALUE=DATE:20260708", "EXRULE:FREQ=YEARLY")

    assert found == ("FREQ=WEEKLY", ("RDATE", "EXRULE"))
