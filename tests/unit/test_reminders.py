"""When reminders fire: minutes are counted on a clock that is never changed, back from the due."""

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.tasks import schedule
from app.tasks.reminders import fire_times, read_reminders, relative, write_reminders
from app.times import rfc3339

# Clocks that change by an hour, by half an hour, around midnight, and by a whole day.
ZONES = ["Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "America/Santiago", "Pacific/Apia", "UTC"]
# Around a change of the clocks in each of the zones, and any other day.
CHANGES = [
    "2026-03-08",
    "2026-03-29",
    "2026-04-05",
    "2026-09-06",
    "2026-10-04",
    "2026-10-25",
    "2026-11-01",
    "2011-12-30",
]
DAYS = st.builds(
    lambda day, around: date.fromisoformat(day) + timedelta(around), st.sampled_from(CHANGES), st.integers(-3, 3)
) | st.dates(date(1980, 1, 1), date(2060, 1, 1))
MINUTES = st.integers(0, 40_320)


def task(reminders: list[dict[str, object]], **due: str | None) -> dict[str, object]:
    """Return a stored task."""
    fields = {"due_on": None, "due_at": None, "time_zone": None, "recurrence": None, **due}
    return {**schedule.normalize(fields), "reminders": write_reminders(reminders)}


@pytest.mark.parametrize(
    ("due", "minutes", "fires"),
    [
        ({"due_at": "2026-03-29T09:00:00.000000Z"}, 15, "2026-03-29T08:45:00.000000Z"),
        ({"due_at": "2026-03-29T09:00:00.000001Z"}, 0, "2026-03-29T09:00:00.000001Z"),
        ({"due_on": "2026-03-14"}, 0, "2026-03-14T09:00:00.000000Z"),
        ({"due_on": "2026-03-14", "time_zone": "Europe/Berlin"}, 0, "2026-03-14T08:00:00.000000Z"),
        ({"due_on": "2026-03-14", "time_zone": "Europe/Berlin"}, 540, "2026-03-13T23:00:00.000000Z"),
        # Clocks are put forward at two: a day before nine is eight by the clock.
        ({"due_on": "2026-03-29", "time_zone": "Europe/Berlin"}, 1440, "2026-03-28T07:00:00.000000Z"),
        ({"due_on": "2026-10-25", "time_zone": "Europe/Berlin"}, 1440, "2026-10-24T08:00:00.000000Z"),
        # Samoa left this day out: nine o'clock of it is nine o'clock of the next.
        ({"due_on": "2011-12-30", "time_zone": "Pacific/Apia"}, 0, "2011-12-30T19:00:00.000000Z"),
        ({"due_on": "1000-01-01"}, 40_320, "0999-12-04T09:00:00.000000Z"),
    ],
)
def test_minutes_count_back_from_the_due(due: dict[str, str], minutes: int, fires: str) -> None:
    """A day counts from nine o'clock in the task's zone."""
    reminder = {"before_minutes": minutes}

    assert fire_times(task([reminder], **due)) == {fires: [reminder]}


@given(day=DAYS, zone=st.sampled_from(ZONES), minutes=MINUTES)
def test_minutes_are_never_longer_or_shorter(day: date, zone: str, minutes: int) -> None:
    """On every day in every zone: as many as at 09:00, which the clocks show, unless they skip that day."""
    due = {"due_on": day.isoformat(), "time_zone": zone}
    (morning,), (fires,) = (fire_times(task([{"before_minutes": each}], **due)) for each in (0, minutes))

    assert datetime.fromisoformat(morning) - datetime.fromisoformat(fires) == timedelta(minutes=minutes)
    clock = datetime.fromisoformat(morning).astimezone(ZoneInfo(zone))
    assert clock.time() == time(9)
    assert clock.date() == day or (zone, day) == ("Pacific/Apia", date(2011, 12, 30))


@given(due=st.datetimes(datetime(1970, 1, 1), datetime(2060, 1, 1), timezones=st.just(UTC)), minutes=MINUTES)  # noqa: DTZ001
def test_minutes_count_back_from_a_time_whatever_the_zone(due: datetime, minutes: int) -> None:
    """A zone says nothing about a moment."""
    found = [
        fire_times(task([{"before_minutes": minutes}], due_at=rfc3339(due), time_zone=zone)) for zone in (None, *ZONES)
    ]

    assert [*map(list, found)] == [[rfc3339(due - timedelta(minutes=minutes))]] * len(found)


@given(day=DAYS, zone=st.sampled_from(ZONES), minutes=MINUTES)
def test_each_next_occurrence_reminds_as_long_before(day: date, zone: str, minutes: int) -> None:
    """Where the clocks change between two occurrences, too."""
    first = task([{"before_minutes": minutes}], due_on=day.isoformat(), time_zone=zone, recurrence="FREQ=DAILY")
    found = schedule.next_occurrence({**first, "skipped_time": None})
    assert found is not None
    following = task([{"before_minutes": minutes}], due_on=found["due_on"], time_zone=zone)

    (fires,) = fire_times({**found, "reminders": relative(str(first["reminders"]))})
    assert [fires] == [*fire_times(following)]


def test_without_a_due_only_times_fire() -> None:
    """A reminder at a time needs no due."""
    at = {"at": "2026-03-14T09:26:53.589793Z"}

    assert fire_times(task([{"before_minutes": 0}, at])) == {at["at"]: [at]}
    assert fire_times(task([])) == {}


def test_reminders_at_the_same_time_fire_together() -> None:
    """However the time was given."""
    both = [{"before_minutes": 15}, {"at": "2026-03-14T09:00:00.000000Z"}]

    found = fire_times(task(both, due_at="2026-03-14T09:15:00.000000Z"))

    assert found == {"2026-03-14T09:00:00.000000Z": both}


@given(st.lists(st.builds(lambda minutes: {"before_minutes": minutes}, st.integers(0, 3)), max_size=5))
def test_reminders_are_stored_in_one_order_without_duplicates(reminders: list[dict[str, object]]) -> None:
    """And no reminders are no text."""
    stored = write_reminders(reminders)

    assert write_reminders(reversed(reminders)) == stored
    assert (stored is None) is (reminders == [])
    assert {str(each) for each in read_reminders(stored)} == {str(each) for each in reminders}
