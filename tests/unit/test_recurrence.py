"""A recurring task is due again as RFC 5545 says, and an invalid rule is rejected with a reason."""

from datetime import UTC, date, datetime, time, timedelta
from itertools import islice, pairwise
from zoneinfo import ZoneInfo

import pytest
from dateutil.rrule import rrulestr
from hypothesis import assume, given
from hypothesis import strategies as st

from app.tasks.recurrence import (
    MAX_CHARACTERS,
    PARTS,
    InvalidRule,
    Occurrence,
    canonical,
    following,
    with_until_in_utc,
)
from app.tasks.years import WEEKDAYS

ZONES = ["Europe/Berlin", "America/New_York", "Pacific/Auckland"]
# Clocks that skip half an hour, the hour before midnight (from 2024) and the one after it.
ODD_ZONES = ["Australia/Lord_Howe", "America/Nuuk", "America/Santiago"]


def day(text: str) -> date:
    return date.fromisoformat(text)


def moment(text: str) -> datetime:
    return datetime.fromisoformat(text)


def chain(rule: str, due: date, most: int = 12) -> list[date]:
    """Return the dues of a task and of those after it."""
    dues, carried = [due], canonical(rule)
    while len(dues) < most and (found := following(carried, dues[-1], None)):
        dues.append(found[0])
        carried = found[1]
    return dues


def occurrences(rule: str, due: datetime, zone: str, most: int = 12) -> list[Occurrence]:
    """A task that is due at a time, and those that follow it."""
    found = [Occurrence(due, canonical(rule))]
    while len(found) < most and (following_ := following(found[-1].rule, found[-1].due, zone, found[-1].skipped)):
        found.append(following_)
    return found


def refusal(rule: str) -> str:
    with pytest.raises(InvalidRule) as refused:
        canonical(rule)
    return str(refused.value)


@pytest.mark.parametrize(
    ("rule", "dues"),
    [
        ("FREQ=DAILY", "2026-02-27 2026-02-28 2026-03-01"),
        ("FREQ=DAILY;INTERVAL=10", "2026-12-28 2027-01-07 2027-01-17"),
        ("FREQ=DAILY;BYMONTH=1", "2026-01-30 2026-01-31 2027-01-01"),
        ("FREQ=DAILY;BYDAY=FR;BYMONTHDAY=13", "2026-02-13 2026-03-13 2026-11-13"),
        ("FREQ=WEEKLY", "2026-03-04 2026-03-11 2026-03-18"),
        ("FREQ=WEEKLY;BYDAY=MO,TU,WE,TH,FR", "2026-03-05 2026-03-06 2026-03-09"),
        ("FREQ=WEEKLY;INTERVAL=2;BYDAY=TU,TH", "2026-03-03 2026-03-05 2026-03-17 2026-03-19"),
        ("FREQ=WEEKLY;BYDAY=TH,FR;BYSETPOS=-1", "2026-12-25 2027-01-01 2027-01-08"),
        ("FREQ=MONTHLY", "2026-11-15 2026-12-15 2027-01-15"),
        ("FREQ=MONTHLY;INTERVAL=18", "2026-01-15 2027-07-15 2029-01-15"),
        ("FREQ=MONTHLY;BYMONTHDAY=1,15", "2026-12-01 2026-12-15 2027-01-01"),
        ("FREQ=MONTHLY;BYMONTHDAY=-1", "2027-12-31 2028-01-31 2028-02-29 2028-03-31"),
        ("FREQ=MONTHLY;BYDAY=-1FR", "2026-01-30 2026-02-27 2026-03-27"),
        ("FREQ=MONTHLY;BYDAY=2TU", "2026-01-13 2026-02-10 2026-03-10"),
        ("FREQ=MONTHLY;BYDAY=5SU", "2026-03-29 2026-05-31 2026-08-30"),
        ("FREQ=MONTHLY;BYDAY=MO,TU,WE,TH,FR;BYSETPOS=-1", "2026-01-30 2026-02-27 2026-03-31"),
        ("FREQ=MONTHLY;BYDAY=TU,1FR", "2026-03-03 2026-03-06 2026-03-10"),
        ("FREQ=YEARLY", "2026-03-04 2027-03-04 2028-03-04"),
        ("FREQ=YEARLY;INTERVAL=1000", "2026-03-04 3026-03-04 4026-03-04"),
        ("FREQ=YEARLY;BYMONTH=3,9", "2026-03-04 2026-09-04 2027-03-04"),
        ("FREQ=YEARLY;BYYEARDAY=100,-1", "2027-12-31 2028-04-09 2028-12-31"),
        ("FREQ=YEARLY;BYDAY=20MO", "2026-05-18 2027-05-17 2028-05-15"),
        ("FREQ=YEARLY;BYMONTH=11;BYDAY=4TH", "2026-11-26 2027-11-25 2028-11-23"),
        ("FREQ=YEARLY;BYWEEKNO=20", "2026-05-13 2027-05-19 2028-05-17"),
    ],
)
def test_each_next_task_follows_the_rule(rule: str, dues: str) -> None:
    """It is due at the first occurrence after the one before."""
    expected = [day(text) for text in dues.split()]

    assert chain(rule, expected[0], len(expected)) == expected


@pytest.mark.parametrize(
    ("rule", "due", "expected"),
    [
        ("FREQ=WEEKLY;BYDAY=MO", "2026-03-04", "2026-03-09"),
        ("FREQ=WEEKLY;INTERVAL=2;BYDAY=MO", "2026-03-04", "2026-03-16"),
        ("FREQ=MONTHLY;BYMONTHDAY=1", "2026-03-04", "2026-04-01"),
        ("FREQ=MONTHLY;BYDAY=MO;BYSETPOS=-1", "2026-03-31", "2026-04-27"),
        ("FREQ=YEARLY;BYMONTH=1", "2026-03-04", "2027-01-04"),
    ],
)
def test_a_due_that_does_not_match_is_followed_by_the_first_that_does(rule: str, due: str, expected: str) -> None:
    """Intervals still count from the due's own week, month or year."""
    assert following(rule, day(due), None) == Occurrence(day(expected), rule)


@pytest.mark.parametrize(
    ("first_day", "dues"),
    [("MO", "1997-08-05 1997-08-10 1997-08-19 1997-08-24"), ("SU", "1997-08-05 1997-08-17 1997-08-19 1997-08-31")],
)
def test_weeks_begin_on_the_rules_day(first_day: str, dues: str) -> None:
    """The RFC's own example."""
    expected = [day(text) for text in dues.split()]

    assert chain(f"FREQ=WEEKLY;INTERVAL=2;COUNT=4;BYDAY=TU,SU;WKST={first_day}", expected[0]) == expected


@pytest.mark.parametrize(
    ("rule", "dues"),
    [
        ("FREQ=MONTHLY", "2026-01-31 2026-03-31 2026-05-31 2026-07-31 2026-08-31"),
        ("FREQ=YEARLY", "2024-02-29 2028-02-29 2032-02-29"),
        ("FREQ=YEARLY", "2096-02-29 2104-02-29"),
        ("FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=-1", "2027-02-28 2028-02-29 2029-02-28"),
        ("FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=29;BYDAY=SU", "2032-02-29 2060-02-29 2088-02-29 2128-02-29"),
    ],
)
def test_a_day_that_a_month_lacks_is_skipped(rule: str, dues: str) -> None:
    """It is not moved."""
    expected = [day(text) for text in dues.split()]

    assert chain(rule, expected[0], len(expected)) == expected


@pytest.mark.parametrize("number", [1, 2, 51, 52, 53])
def test_week_numbers_follow_the_calendar(number: int) -> None:
    """Around New Year, a day may be in a week of the year before or after."""
    rule = f"FREQ=YEARLY;BYDAY={','.join(WEEKDAYS)};BYWEEKNO={number}"
    every = [day("2000-01-01") + timedelta(days) for days in range(28 * 366)]
    expected = [each for each in every if each.isocalendar().week == number]

    assert chain(rule, expected[0], len(expected)) == expected


def test_count_includes_this_task() -> None:
    """It goes down by one from task to task, and the last has no next one."""
    first, second, third = map(day, ("2026-03-04", "2026-03-05", "2026-03-06"))

    assert following("FREQ=DAILY;COUNT=3", first, None) == Occurrence(second, "FREQ=DAILY;COUNT=2")
    assert following("FREQ=DAILY;COUNT=2", second, None) == Occurrence(third, "FREQ=DAILY;COUNT=1")
    assert following("FREQ=DAILY;COUNT=1", third, None) is None


@pytest.mark.parametrize(
    ("until", "due", "zone", "goes_on"),
    [
        ("20260305", "2026-03-04", None, True),
        ("20260304", "2026-03-04", None, False),
        ("20200101", "2026-03-04", None, False),
        # A day counts if it has begun by then in its zone.
        ("20260305T000000Z", "2026-03-04", None, True),
        ("20260304T235959Z", "2026-03-04", None, False),
        ("20260304T235959Z", "2026-03-04", "Europe/Berlin", True),
        ("20260305T000000Z", "2026-03-04", "America/New_York", False),
        ("99991231T235959Z", "2026-03-04", "Pacific/Auckland", True),
        ("20260305T083000Z", "2026-03-04T08:30:00Z", None, True),
        ("20260305T082959Z", "2026-03-04T08:30:00Z", None, False),
        ("20260305", "2026-03-04T08:30:00Z", None, True),
        # 23:30 on the 4th in Berlin, and on the 5th in Auckland.
        ("20260305", "2026-03-04T22:30:00Z", "Europe/Berlin", True),
        ("20260305", "2026-03-04T22:30:00Z", "Pacific/Auckland", False),
    ],
)
def test_until_is_the_last_day_or_moment(until: str, due: str, zone: str | None, goes_on: bool) -> None:
    """It includes an occurrence at UNTIL itself. A date is in the task's zone."""
    when = moment(due) if "T" in due else day(due)
    rule = f"FREQ=DAILY;UNTIL={until}"

    assert following(rule, when, zone) == (Occurrence(when + timedelta(1), rule) if goes_on else None)


@pytest.mark.parametrize(
    ("zone", "due", "expected"),
    [
        ("Europe/Berlin", "2026-03-28T08:00:00Z", "2026-03-29T07:00:00Z"),
        ("Europe/Berlin", "2026-10-24T07:00:00Z", "2026-10-25T08:00:00Z"),
        ("America/New_York", "2026-03-07T14:00:00Z", "2026-03-08T13:00:00Z"),
        ("America/New_York", "2026-10-31T13:00:00Z", "2026-11-01T14:00:00Z"),
        ("Pacific/Auckland", "2026-04-03T20:00:00Z", "2026-04-04T21:00:00Z"),
        ("Pacific/Auckland", "2026-09-25T21:00:00Z", "2026-09-26T20:00:00Z"),
        (None, "2026-03-28T08:00:00.123456Z", "2026-03-29T08:00:00.123456Z"),
    ],
)
def test_local_times_stay_when_clocks_change(zone: str | None, due: str, expected: str) -> None:
    """The rule follows the zone's clocks."""
    assert following("FREQ=DAILY", moment(due), zone) == Occurrence(moment(expected), "FREQ=DAILY")


@pytest.mark.parametrize(
    ("zone", "rule", "clocks"),
    [
        ("Europe/Berlin", "DAILY", "2026-03-28T02:30 2026-03-29T03:30 2026-03-30T02:30 2026-03-31T02:30"),
        ("Europe/Berlin", "DAILY;COUNT=3", "2026-03-28T02:30 2026-03-29T03:30 2026-03-30T02:30"),
        ("Europe/Berlin", "DAILY;UNTIL=20260329T013000Z", "2026-03-28T02:30 2026-03-29T03:30"),
        ("Europe/Berlin", "WEEKLY", "2026-03-22T02:59 2026-03-29T03:59 2026-04-05T02:59"),
        ("Europe/Berlin", "MONTHLY;BYDAY=-1SU", "2026-02-22T02:00 2026-03-29T03:00 2026-04-26T02:00"),
        ("Europe/Berlin", "YEARLY", "2025-03-29T02:30 2026-03-29T03:30 2027-03-29T02:30"),
        # The clocks skip two occurrences in a row.
        ("Europe/Berlin", "YEARLY;BYMONTH=3;BYDAY=-1SU", "2026-03-28T02:30 2026-03-29T03:30 2027-03-28T03:30"),
        ("Europe/Berlin", "YEARLY;BYMONTH=1,3;BYDAY=-1SU", "2026-01-25T02:30 2026-03-29T03:30 2027-01-31T02:30"),
        ("America/New_York", "DAILY", "2026-03-07T02:30 2026-03-08T03:30 2026-03-09T02:30"),
        ("Pacific/Auckland", "DAILY", "2026-09-26T02:30 2026-09-27T03:30 2026-09-28T02:30"),
        ("Australia/Lord_Howe", "DAILY", "2026-10-03T02:15 2026-10-04T02:45 2026-10-05T02:15"),
        ("America/Santiago", "DAILY", "2026-09-05T00:30 2026-09-06T01:30 2026-09-07T00:30"),
        # The next day has begun by then.
        ("America/Nuuk", "DAILY", "2026-03-27T23:30 2026-03-29T00:30 2026-03-29T23:30 2026-03-30T23:30"),
        ("America/Nuuk", "WEEKLY", "2026-03-21T23:30 2026-03-29T00:30 2026-04-04T23:30"),
        ("America/Nuuk", "WEEKLY;BYDAY=SA,SU", "2026-03-22T23:30 2026-03-29T00:30 2026-03-29T23:30"),
        ("America/Nuuk", "DAILY;UNTIL=20260328", "2026-03-27T23:30 2026-03-29T00:30"),
        ("America/Nuuk", "MONTHLY", "2026-02-28T23:30 2026-03-29T00:30 2026-04-28T23:30"),
        # The clocks skip a whole day: its times are the next day's.
        ("Pacific/Apia", "DAILY", "2011-12-29T10:00 2011-12-31T10:00 2012-01-01T10:00"),
        ("Pacific/Apia", "WEEKLY", "2011-12-23T10:00 2011-12-31T10:00 2012-01-06T10:00"),
    ],
)
def test_a_skipped_local_time_moves_forward_on_that_day_alone(zone: str, rule: str, clocks: str) -> None:
    """Half past two becomes half past three, and the next due is half past two again."""
    expected = [moment(text).replace(tzinfo=ZoneInfo(zone)) for text in clocks.split()]
    ends = "COUNT" in rule or "UNTIL" in rule
    found = occurrences(f"FREQ={rule}", expected[0].astimezone(UTC), zone, len(expected) + ends)

    assert [each.due.astimezone(ZoneInfo(zone)) for each in found] == expected


@pytest.mark.parametrize(
    ("zone", "skipped"),
    [
        # It leads to another moment than the due.
        ("Europe/Berlin", "2026-03-29T02:31:00"),
        ("Europe/Berlin", "2026-03-28T02:30:00"),
        ("America/New_York", "2026-03-29T02:30:00"),
    ],
)
def test_a_skipped_time_counts_only_with_its_due(zone: str, skipped: str) -> None:
    """The due may have been written by an older version of the service, which does not clear the skipped time."""
    due = moment("2026-03-29T01:30:00Z")

    assert following("FREQ=DAILY", due, zone, moment(skipped)) == Occurrence(due + timedelta(1), "FREQ=DAILY")


@pytest.mark.parametrize(
    ("zone", "rule", "due", "expected"),
    [
        ("Europe/Berlin", "FREQ=DAILY", "2026-10-24T00:30:00Z", "2026-10-25T00:30:00Z"),
        ("Europe/Berlin", "FREQ=DAILY", "2026-10-25T00:30:00Z", "2026-10-26T01:30:00Z"),
        ("Europe/Berlin", "FREQ=DAILY", "2026-10-25T01:30:00Z", "2026-10-26T01:30:00Z"),
        ("Europe/Berlin", "FREQ=YEARLY;BYDAY=-1SU;BYMONTH=10", "2026-10-25T01:30:00Z", "2027-10-31T00:30:00Z"),
        ("America/New_York", "FREQ=DAILY", "2026-10-31T05:30:00Z", "2026-11-01T05:30:00Z"),
        ("Pacific/Auckland", "FREQ=DAILY", "2026-04-03T13:30:00Z", "2026-04-04T13:30:00Z"),
    ],
)
def test_an_ambiguous_local_time_is_the_first(zone: str, rule: str, due: str, expected: str) -> None:
    """Even after a task that was due at the second."""
    assert following(rule, moment(due), zone) == Occurrence(moment(expected), rule)


def test_weekdays_are_those_of_the_zone() -> None:
    """Friday evening in New York is Saturday in UTC."""
    rule, friday, monday = "FREQ=WEEKLY;BYDAY=MO,FR", moment("2026-03-07T01:00:00Z"), moment("2026-03-10T00:00:00Z")

    assert following(rule, friday, "America/New_York") == Occurrence(monday, rule)


@pytest.mark.parametrize(
    ("rule", "due"),
    [
        ("FREQ=DAILY", "9999-12-31"),
        ("FREQ=DAILY", "9999-12-31T23:59:59Z"),
        ("FREQ=DAILY;INTERVAL=1000", "9999-12-01"),
        ("FREQ=WEEKLY;BYDAY=SA,SU", "9999-12-31"),
        ("FREQ=MONTHLY", "9999-12-01"),
        ("FREQ=YEARLY", "9999-01-01T00:00:00Z"),
        ("FREQ=DAILY", "0001-01-01T00:00:00Z"),
        # These never fall on a matching day.
        ("FREQ=DAILY;INTERVAL=7;BYDAY=TU", "2026-03-04"),
        ("FREQ=MONTHLY;INTERVAL=2;BYMONTH=2", "2026-03-04"),
        ("FREQ=YEARLY;INTERVAL=2;BYMONTH=2;BYMONTHDAY=29", "2027-03-04"),
    ],
)
def test_a_rule_without_further_occurrences_has_no_next_due(rule: str, due: str) -> None:
    """Neither the end of the calendar nor an interval that misses every day is an error."""
    zones = [None, *ZONES] if not due.startswith("0001") else ["America/New_York"]

    for zone in zones:
        assert following(rule, moment(due) if "T" in due else day(due), zone) is None


def test_the_first_possible_day_has_a_next_due() -> None:
    """There is no year before it."""
    assert chain("FREQ=WEEKLY;BYDAY=MO,WE", date.min, 3) == [date.min, day("0001-01-03"), day("0001-01-08")]


@pytest.mark.parametrize(
    ("rule", "kept"),
    [
        ("freq=daily", "FREQ=DAILY"),
        ("RRULE:FREQ=DAILY", "FREQ=DAILY"),
        ("rrule:BYDAY=mo,fr;INTERVAL=2;FREQ=WEEKLY", "FREQ=WEEKLY;INTERVAL=2;BYDAY=MO,FR"),
        ("WKST=SU;COUNT=10000;FREQ=DAILY", "FREQ=DAILY;COUNT=10000;WKST=SU"),
        # As many programs write a rule.
        ("FREQ=DAILY;", "FREQ=DAILY"),
        ("RRULE:FREQ=WEEKLY;BYDAY=MO;;", "FREQ=WEEKLY;BYDAY=MO"),
        (" RRULE:FREQ=DAILY;COUNT=3\r\n", "FREQ=DAILY;COUNT=3"),
        ("FREQ=WEEKLY; INTERVAL= 2; BYDAY=MO, FR ", "FREQ=WEEKLY;INTERVAL=2;BYDAY=MO,FR"),
        ("RRULE:FREQ=WEEKLY;BYDAY=MO,\r\n FR", "FREQ=WEEKLY;BYDAY=MO,FR"),
        ("FREQ=DAILY;INTERVAL=01;COUNT=0010", "FREQ=DAILY;COUNT=0010;INTERVAL=01"),
        ("FREQ=DAILY;UNTIL=20261231T235959", "FREQ=DAILY;UNTIL=20261231T235959"),
        ("UNTIL=20261231t235959z;FREQ=DAILY", "FREQ=DAILY;UNTIL=20261231T235959Z"),
        ("FREQ=MONTHLY;BYMONTHDAY=+1,-31", "FREQ=MONTHLY;BYMONTHDAY=+1,-31"),
        (
            "FREQ=YEARLY;BYSETPOS=-1;BYMONTH=1,12;BYWEEKNO=1,53;BYYEARDAY=1,-366;BYMONTHDAY=1,31;BYDAY=MO,SU",
            "FREQ=YEARLY;BYDAY=MO,SU;BYMONTHDAY=1,31;BYYEARDAY=1,-366;BYWEEKNO=1,53;BYMONTH=1,12;BYSETPOS=-1",
        ),
    ],
)
def test_a_rule_is_normalized_to_capitals_and_one_order(rule: str, kept: str) -> None:
    """For any order of its parts."""
    assert canonical(rule) == kept


@pytest.mark.parametrize(
    ("until", "zone", "on_days", "kept"),
    [
        ("20261231T235959", "Europe/Berlin", False, "20261231T225959Z"),
        ("20261231T235959", None, False, "20261231T235959Z"),
        # The hour that is shown twice, and the one that is skipped.
        ("20261025T023000", "Europe/Berlin", False, "20261025T003000Z"),
        ("20260329T023000", "Europe/Berlin", False, "20260329T013000Z"),
        ("20261231T235959", "Europe/Berlin", True, "20261231"),
        ("20261231T000000", "America/New_York", True, "20261231"),
        ("20261231T235959Z", "Europe/Berlin", False, "20261231T235959Z"),
        ("20261231T235959Z", "Europe/Berlin", True, "20261231T235959Z"),
        ("20261231", "Europe/Berlin", False, "20261231"),
        ("99991231T235959", "America/New_York", False, "99991231T235959Z"),
        ("00010101T000000", "Europe/Berlin", False, "00010101T000000Z"),
        ("00310101T000000", None, False, "00310101T000000Z"),
    ],
)
def test_until_without_a_zone_is_in_the_tasks(until: str, zone: str | None, on_days: bool, kept: str) -> None:
    """It is stored in UTC, as the RFC wants it; of a task that is due on a day, it is a day."""
    stored = with_until_in_utc(f"FREQ=DAILY;UNTIL={until};WKST=SU", zone, on_days=on_days)

    assert stored == f"FREQ=DAILY;UNTIL={kept};WKST=SU"


@pytest.mark.parametrize(
    ("rule", "part"),
    [
        ("INTERVAL=2", "FREQ"),
        ("FREQ=", "FREQ"),
        ("FREQ", "FREQ"),
        ("FREQ=FORTNIGHTLY", "FREQ"),
        ("FREQ=SECONDLY", "FREQ"),
        ("FREQ=MINUTELY", "FREQ"),
        ("FREQ=HOURLY", "FREQ"),
        ("FREQ=DAILY,WEEKLY", "FREQ"),
        ("FREQ=DAILY;FREQ=DAILY", "FREQ"),
        ("FREQ=DAILY;INTERVAL=0", "INTERVAL"),
        ("FREQ=DAILY;INTERVAL=-1", "INTERVAL"),
        ("FREQ=DAILY;INTERVAL=1001", "INTERVAL"),
        ("FREQ=DAILY;INTERVAL=1,2", "INTERVAL"),
        ("FREQ=DAILY;INTERVAL=1_0", "INTERVAL"),
        ("FREQ=DAILY;INTERVAL=1.5", "INTERVAL"),
        ("FREQ=DAILY;COUNT=0", "COUNT"),
        ("FREQ=DAILY;COUNT=10001", "COUNT"),
        ("FREQ=DAILY;COUNT=", "COUNT"),
        ("FREQ=DAILY;COUNT=3;UNTIL=20261231", "COUNT"),
        ("FREQ=DAILY;UNTIL=20260230", "UNTIL"),
        ("FREQ=DAILY;UNTIL=20261231T240000Z", "UNTIL"),
        ("FREQ=DAILY;UNTIL=2026-12-31", "UNTIL"),
        ("FREQ=DAILY;UNTIL=20261231T235959+0100", "UNTIL"),
        ("FREQ=DAILY;UNTIL=2026W011", "UNTIL"),
        ("FREQ=WEEKLY;BYDAY=XX", "BYDAY"),
        ("FREQ=WEEKLY;BYDAY=MO,", "BYDAY"),
        ("FREQ=WEEKLY;BYDAY=1MO", "BYDAY"),
        ("FREQ=DAILY;BYDAY=-1MO", "BYDAY"),
        ("FREQ=MONTHLY;BYDAY=0MO", "BYDAY"),
        ("FREQ=MONTHLY;BYDAY=6MO", "BYDAY"),
        ("FREQ=YEARLY;BYMONTH=1;BYDAY=-6MO", "BYDAY"),
        ("FREQ=YEARLY;BYDAY=54MO", "BYDAY"),
        ("FREQ=YEARLY;BYWEEKNO=1;BYDAY=1MO", "BYDAY"),
        ("FREQ=MONTHLY;BYMONTHDAY=0", "BYMONTHDAY"),
        ("FREQ=MONTHLY;BYMONTHDAY=32", "BYMONTHDAY"),
        ("FREQ=MONTHLY;BYMONTHDAY=1,-32", "BYMONTHDAY"),
        ("FREQ=WEEKLY;BYMONTHDAY=1", "BYMONTHDAY"),
        ("FREQ=YEARLY;BYYEARDAY=367", "BYYEARDAY"),
        ("FREQ=DAILY;BYYEARDAY=1", "BYYEARDAY"),
        ("FREQ=WEEKLY;BYYEARDAY=1", "BYYEARDAY"),
        ("FREQ=MONTHLY;BYYEARDAY=1", "BYYEARDAY"),
        ("FREQ=YEARLY;BYWEEKNO=54", "BYWEEKNO"),
        ("FREQ=MONTHLY;BYWEEKNO=1", "BYWEEKNO"),
        ("FREQ=YEARLY;BYMONTH=13", "BYMONTH"),
        ("FREQ=YEARLY;BYMONTH=-1", "BYMONTH"),
        ("FREQ=MONTHLY;BYDAY=MO;BYSETPOS=0", "BYSETPOS"),
        ("FREQ=MONTHLY;BYSETPOS=1", "BYSETPOS"),
        ("FREQ=DAILY;BYDAY=MO;BYSETPOS=1", "BYSETPOS"),
        ("FREQ=WEEKLY;WKST=1MO", "WKST"),
        ("FREQ=WEEKLY;WKST=MO,TU", "WKST"),
        ("FREQ=DAILY;BYHOUR=9", "BYHOUR"),
        ("FREQ=DAILY;BYEASTER=1", "BYEASTER"),
        ("DTSTART=20260101;FREQ=DAILY", "DTSTART"),
        ("DTSTART:20260101T090000", "DTSTART"),
        ("EXDATE:20260101", "EXDATE"),
        ("FREQ=DAILY;X-NAME=1", "X-NAME"),
        ("", "FREQ"),
        (";", "FREQ"),
        ("FREQ=DAILY;=3", "A part without a name"),
        ("FREQ=DAILY;COUNT=1 0", "COUNT"),
        ("FREQ=DAILY COUNT=3", "FREQ"),
        ("FREQ=DAILY;COUNT=0000", "COUNT"),
        ("FREQ=DAILY;INTERVAL=01001", "INTERVAL"),
        ("FREQ=DAILY;UNTIL=20260230T000000", "UNTIL"),
        ("FREQ=DAILY;UNTIL=20261231T235960", "UNTIL"),
        ("FREQ=DAILY;UNTIL=T235959", "UNTIL"),
        ("DTSTART;TZID=Europe/Berlin:20120201T093000\nRRULE:FREQ=DAILY", "DTSTART"),
        ("RRULE:FREQ=DAILY;COUNT=3\r\nEXDATE:20260101", "EXDATE"),
        ("RRULE:FREQ=DAILY\nRRULE:FREQ=WEEKLY", "RRULE"),
        ("BEGIN:VTODO\nRRULE:FREQ=DAILY\nEND:VTODO", "BEGIN"),
        ("FREQ=DAILY;COUNT=3\x00", "RRULE"),
        ("FREQ=DAILY;X\x1b=3", "RRULE"),
        ("FREQ=DAILY;COUNT=３", "RRULE"),
        ("FREQ=DAıLY", "RRULE"),
        ("FREQ=MONTHLY;BYMONTHDAY=" + ",".join(["1"] * 250), "RRULE"),
    ],
    ids=lambda text: repr(text[:50]),
)
def test_an_error_names_the_part(rule: str, part: str) -> None:
    """The mistake is before the colon, and the fix after it."""
    assert refusal(rule).startswith(f"{part}: ")


@pytest.mark.parametrize(
    ("rule", "advice"),
    [
        ("FREQ=HOURLY", "use DAILY, WEEKLY, MONTHLY or YEARLY"),
        ("FREQ=DAILY;UNTIL=2026-12-31", "a time in UTC like 20261231T235959Z"),
        ("FREQ=WEEKLY;BYDAY=XX", "'XX' is not valid; use MO to SU"),
        ("FREQ=DAILY;BYEASTER=1", f"use {', '.join(PARTS)}"),
        ("FREQ=DAILY;BYHOUR=9", "always at the time of due_at; leave it out"),
        ("FREQ=DAILY;BYMINUTE=0", "always at the time of due_at; leave it out"),
        ("FREQ=DAILY;BYSECOND=0", "always at the time of due_at; leave it out"),
        ("DTSTART:20260101\nRRULE:FREQ=DAILY", "is the task's due_on or due_at; leave it out"),
        ("RRULE:FREQ=DAILY\nRDATE:20260101", "a task has one rule, without other dates"),
    ],
)
def test_an_error_says_what_to_do(rule: str, advice: str) -> None:
    """In words for the rule's author."""
    assert advice in refusal(rule)


@pytest.mark.parametrize(
    "rule",
    [
        "FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30",
        "FREQ=DAILY;BYMONTH=4,6,9,11;BYMONTHDAY=31,-31",
        "FREQ=MONTHLY;BYDAY=1MO;BYMONTHDAY=8",
        "FREQ=YEARLY;BYMONTH=2;BYYEARDAY=1",
        "FREQ=YEARLY;BYMONTH=6;BYWEEKNO=1",
        "FREQ=WEEKLY;BYDAY=MO,TU;BYSETPOS=3",
        "FREQ=MONTHLY;BYMONTH=2;BYSETPOS=2",
        "FREQ=YEARLY;INTERVAL=1000;BYDAY=TU;BYSETPOS=54",
    ],
)
def test_a_rule_without_a_matching_day_is_rejected(rule: str) -> None:
    """The search would never end."""
    assert "no day of any year matches" in refusal(rule)


@pytest.mark.parametrize(
    "rule",
    [
        "FREQ=YEARLY;BYYEARDAY=366;BYDAY=SU",
        "FREQ=YEARLY;BYMONTH=1;BYWEEKNO=53;BYMONTHDAY=3",
        "FREQ=YEARLY;BYMONTH=12;BYWEEKNO=1",
        "FREQ=MONTHLY;BYMONTH=2;BYDAY=5SU",
        "FREQ=YEARLY;BYDAY=53FR",
        "FREQ=WEEKLY;BYDAY=MO,TU;BYSETPOS=-2",
    ],
)
def test_a_rule_with_rare_days_is_accepted(rule: str) -> None:
    """Some match once in a generation."""
    assert sorted(canonical(rule).split(";")) == sorted(rule.split(";"))


def test_a_rule_may_have_the_maximum_length() -> None:
    """The limit is exact."""
    rule = "FREQ=MONTHLY;BYMONTHDAY=" + ",".join(["1"] * 238)
    assert len(rule + "2") == MAX_CHARACTERS

    assert canonical(rule + "2") == rule + "2"
    assert "501 characters" in refusal(rule + "22")


def listed(name: str, values: st.SearchStrategy[object]) -> st.SearchStrategy[str]:
    """Draw a part with one value or several."""
    return st.lists(values, min_size=1, max_size=4, unique=True).map(lambda some: f";{name}={','.join(map(str, some))}")


def together(*parts: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    """Draw some of these parts."""
    return st.tuples(*parts).map("".join)


NOTHING = st.just("")
NUMBERS = st.sampled_from([1, 2, 3, 4, -1, -2])
DAYS = listed("BYDAY", st.sampled_from(WEEKDAYS))
NUMBERED_DAYS = listed("BYDAY", st.builds("{}{}".format, NUMBERS, st.sampled_from(WEEKDAYS)))
MONTHS = listed("BYMONTH", st.integers(1, 12))
MONTH_DAYS = listed("BYMONTHDAY", st.integers(1, 31) | st.integers(-28, -1))
YEAR_DAYS = listed("BYYEARDAY", st.integers(1, 365) | st.integers(-365, -1))
WEEKS = listed("BYWEEKNO", st.integers(1, 51))
CHOSEN = listed("BYSETPOS", st.sampled_from([1, 2, -1]))
# Rules for which dateutil is right, and which match within years: it would search to the year 9999.
LIMITS = {
    "DAILY": NOTHING | DAYS | MONTHS,
    "WEEKLY": NOTHING | DAYS | MONTHS | together(DAYS, MONTHS),
    "MONTHLY": NOTHING | DAYS | NUMBERED_DAYS | MONTH_DAYS | together(DAYS, CHOSEN),
    "YEARLY": NOTHING
    | NUMBERED_DAYS
    | MONTHS
    | MONTH_DAYS
    | YEAR_DAYS
    | together(WEEKS, DAYS)
    # Of a month, or of several.
    | together(MONTHS, NUMBERED_DAYS)
    | together(MONTHS, DAYS, CHOSEN),
}
RULES = st.sampled_from(sorted(LIMITS)).flatmap(
    lambda freq: st.builds(
        "FREQ={}{}{}{}".format,
        st.just(freq),
        NOTHING | st.integers(1, 6).map(";INTERVAL={}".format),
        LIMITS[freq],
        NOTHING | st.sampled_from(WEEKDAYS).map(";WKST={}".format),
    )
)
# Without the days that February lacks, on which a rule above might never fall.
DATES = st.dates(date(1980, 1, 1), date(2100, 12, 31)).map(lambda any_day: any_day.replace(day=min(any_day.day, 28)))


@given(RULES, DATES, st.integers(1, 8))
def test_a_chain_of_tasks_equals_the_rules_list(rule: str, start: date, count: int) -> None:
    """The dues of task after task are the days that dateutil lists from the first."""
    first = next(iter(rrulestr(rule, dtstart=datetime.combine(start, time()))))
    expected = [found.date() for found in rrulestr(f"{rule};COUNT={count}", dtstart=first)]

    assert chain(f"{rule};COUNT={count}", first.date()) == expected


@given(RULES, DATES)
def test_the_next_due_is_the_first_that_dateutil_lists_after_it(rule: str, due: date) -> None:
    """Whether or not the due itself matches. A weekday, day or month that the rule omits is the due's."""
    listed = (found.date() for found in rrulestr(rule, dtstart=datetime.combine(due, time())))
    later = next(day for day in listed if day > due)

    assert following(canonical(rule), due, None) == Occurrence(later, canonical(rule))


def is_shown(clock: datetime, zone: str) -> bool:
    """Return whether the clocks of a zone show this time."""
    moment_ = clock.replace(tzinfo=ZoneInfo(zone)).astimezone(UTC)
    return moment_.astimezone(ZoneInfo(zone)).replace(tzinfo=None) == clock


def listed_in(rule: str, start: datetime, zone: str, count: int) -> list[datetime]:
    """The moments of a rule whose times are written without a zone; section 3.3.5 says what they are in one."""
    naive = islice(rrulestr(rule, dtstart=start), 2 * count)
    return list(dict.fromkeys(each.replace(tzinfo=ZoneInfo(zone)).astimezone(UTC) for each in naive))[:count]


@given(RULES, DATES, st.times().map(lambda at: at.replace(microsecond=0)), st.sampled_from(ZONES + ODD_ZONES))
def test_times_fall_where_dateutil_lists_them(rule: str, start: date, at: time, zone: str) -> None:
    """At the same time of each day on which the clocks show it."""
    first = next(iter(rrulestr(rule, dtstart=datetime.combine(start, at))))
    expected = listed_in(rule, first, zone, 6)
    assume(is_shown(first, zone))

    assert [each.due for each in occurrences(rule, expected[0], zone, 6)] == expected


def skipping_day(zone: str, year: int) -> date | None:
    """The first day of a year on which the clocks are put forward."""
    noons = (datetime(year, 1, 1, 12, tzinfo=ZoneInfo(zone)) + timedelta(number) for number in range(365))
    return next((after.date() for noon, after in pairwise(noons) if noon.utcoffset() < after.utcoffset()), None)


@given(
    st.sampled_from(ZONES + ODD_ZONES),
    st.integers(1975, 2037),
    st.integers(0, 24 * 60 - 1) | st.integers(0, 4 * 60),
    st.integers(1, 31),
    st.integers(-3, 8),
)
def test_every_day_but_that_of_the_gap_has_the_rules_time(
    zone: str, year: int, minute: int, interval: int, before: int
) -> None:
    """However many tasks follow, wherever the gap is among them."""
    gap = skipping_day(zone, year)
    assume(gap)
    start = datetime.combine(gap - timedelta(before * interval), time(minute // 60, minute % 60))
    expected = listed_in(f"FREQ=DAILY;INTERVAL={interval}", start, zone, 10)
    assume(is_shown(start, zone))
    found = occurrences(f"FREQ=DAILY;INTERVAL={interval}", expected[0], zone, 10)

    assert [each.due for each in found] == expected
    meant = [start + timedelta(number * interval) for number in range(10)]
    clocks = [each.due.astimezone(ZoneInfo(zone)).replace(tzinfo=None) for each in found]
    assert [each.skipped for each in found] == [None if is_shown(clock, zone) else clock for clock in meant]
    assert [each.skipped or clock for each, clock in zip(found, clocks, strict=True)] == meant


@given(RULES)
def test_a_normalized_rule_stays_the_same(rule: str) -> None:
    """So do its parts in any other order."""
    kept = canonical(rule)

    assert canonical(kept) == kept
    assert canonical(";".join(reversed(rule.lower().split(";")))) == kept


@given(st.text() | st.lists(st.sampled_from([*PARTS, "=", ";", ",", ":", "1", "-1", "MO", "DAILY", "٣"])).map("".join))
def test_any_text_is_accepted_or_rejected(text: str) -> None:
    """It raises only InvalidRule."""
    try:
        kept = canonical(text)
    except InvalidRule:
        return
    assert canonical(kept) == kept
