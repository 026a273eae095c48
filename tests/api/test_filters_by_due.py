"""The filters of both lists by due: times and days in any zone, and overdue tasks."""

from datetime import datetime
from zoneinfo import ZoneInfo

import pytest

from tests.api.support.calls import Call
from tests.api.support.lists import A_DAY, EITHER_LIST, ENDS, titles
from tests.conftest import Caller

EVERY_ZONE = pytest.mark.parametrize("zone", ENDS)
# At any time of the clock, the second zone's day is over in the first.
EARLIEST_ZONE, LATEST_ZONE = "Pacific/Kiritimati", "Pacific/Pago_Pago"


@EITHER_LIST
@pytest.mark.parametrize("at", ["2026-03-14T09:00:00.000001Z", "2026-03-14T21:00:00.000001+12:00"])
def test_due_before_and_due_after_a_time_are_exclusive(ann: Caller, call: Call, at: str) -> None:
    """In any offset, to the microsecond. A task without a due matches neither."""
    ann.add(title="x", due_at="2026-03-14T11:00:00.000001+02:00")
    ann.add(title="never")

    assert titles(ann, call, due_before=at) == titles(ann, call, due_after=at) == ""
    assert titles(ann, call, due_before=at.replace("000001", "000002")) == "x"
    assert titles(ann, call, due_after=at.replace("000001", "000000")) == "x"
    assert titles(ann, call, due_after=at.replace("000001", "000000"), due_before=at.replace("000001", "000002")) == "x"
    assert titles(ann, call, due_after=at, due_before=at) == ""


@EITHER_LIST
@EVERY_ZONE
def test_due_on_counts_as_the_end_of_that_day_in_the_tasks_zone(ann: Caller, call: Call, zone: str | None) -> None:
    """Its last microsecond; without a zone, UTC's."""
    last, next_ = ENDS[zone]
    ann.add(title="x", due_on=A_DAY, time_zone=zone)

    assert titles(ann, call, due_before=last) == titles(ann, call, due_after=last) == ""
    assert titles(ann, call, due_before=next_) == "x"
    assert titles(ann, call, due_after=last.replace("999999Z", "999998Z")) == "x"
    assert titles(ann, call, due_after=next_) == ""


@EITHER_LIST
@EVERY_ZONE
def test_a_day_is_compared_with_due_on_in_any_zone(ann: Caller, call: Call, zone: str | None) -> None:
    """A task due on that day is neither before nor after it."""
    ann.add(title="x", due_on=A_DAY, time_zone=zone)
    ann.add(title="never", time_zone=zone)

    assert titles(ann, call, due_before=A_DAY) == titles(ann, call, due_after=A_DAY) == ""
    assert titles(ann, call, due_before="2026-03-15") == "x"
    assert titles(ann, call, due_after="2026-03-13") == "x"
    assert titles(ann, call, due_after="2026-03-13", due_before="2026-03-15") == "x"


@EITHER_LIST
def test_a_day_is_compared_with_due_at_as_a_day_of_utc(ann: Caller, call: Call) -> None:
    """From its first to its last microsecond, whatever the task's zone. The neighbouring days do not match."""
    ann.add(title="before", due_at="2026-03-13T23:59:59.999999Z", time_zone="Pacific/Auckland")
    ann.add(title="begin", due_at="2026-03-14T00:00:00Z", time_zone="Pacific/Honolulu")
    ann.add(title="end", due_at="2026-03-14T23:59:59.999999Z", time_zone="Pacific/Auckland")
    ann.add(title="after", due_at="2026-03-15T00:00:00Z", time_zone="Pacific/Honolulu")

    assert titles(ann, call, due_before=A_DAY) == "before"
    assert titles(ann, call, due_after=A_DAY) == "after"
    assert titles(ann, call, due_after="2026-03-13", due_before="2026-03-15") == "begin end"


@EITHER_LIST
def test_overdue_matches_open_tasks_past_their_due(ann: Caller, call: Call) -> None:
    """A completed task or one without a due is never overdue; a reopened one is again."""
    ann.add(title="past", due_at="2001-01-01T00:00:00Z")
    ann.add(title="day", due_on="2001-01-01")
    ann.add(title="future", due_at="9998-01-01T00:00:00Z")
    ann.add(title="someday", due_on="9998-01-01")
    ann.add(title="never")
    done = ann.add(title="done", due_at="2001-01-01T00:00:00Z", completed=True)

    assert titles(ann, call, overdue="true") == "past day"
    assert titles(ann, call, overdue="false") == "future someday never done"
    assert ann.post(f"/v1/tasks/{done['id']}/toggle").status_code == 200
    assert titles(ann, call, overdue="true") == "past day done"
    assert titles(ann, call, overdue="true", completed="true") == ""
    assert titles(ann, call, overdue="false", completed="false") == "future someday never"


@EITHER_LIST
def test_a_day_is_overdue_after_its_end_in_the_tasks_zone(ann: Caller, call: Call) -> None:
    """The same day in two zones."""
    today = datetime.now(ZoneInfo(LATEST_ZONE)).date().isoformat()
    ann.add(title="earliest", due_on=today, time_zone=EARLIEST_ZONE)
    task = ann.add(title="latest", due_on=today, time_zone=LATEST_ZONE)

    assert (titles(ann, call, overdue="true"), titles(ann, call, overdue="false")) == ("earliest", "latest")
    assert ann.patch(f"/v1/tasks/{task['id']}", json={"time_zone": EARLIEST_ZONE}).status_code == 200
    assert titles(ann, call, overdue="true") == "earliest latest"


@EITHER_LIST
@pytest.mark.parametrize(
    ("day", "zone"),
    [
        ("1000-01-01", None),
        ("1000-01-01", "Asia/Manila"),
        ("1000-01-01", "Pacific/Kiritimati"),
        ("9998-12-31", None),
        ("9998-12-31", LATEST_ZONE),
        ("9998-12-31", EARLIEST_ZONE),
    ],
)
def test_the_first_and_last_possible_days_work_like_others(ann: Caller, call: Call, day: str, zone: str | None) -> None:
    """They are stored, compared and sorted."""
    ann.add(title="x", due_on=day, time_zone=zone)
    ann.add(title="y", due_on=A_DAY)
    before, after = ("x", "") if day < A_DAY else ("", "x")

    assert titles(ann, call, due_before=A_DAY) == titles(ann, call, due_before="2026-03-13T09:00:00Z") == before
    assert titles(ann, call, due_after=A_DAY) == titles(ann, call, due_after="2026-03-16T09:00:00Z") == after
    assert titles(ann, call, due_before=day) == ("" if before else "y")
    assert titles(ann, call, due_after=day) == ("" if after else "y")
    assert titles(ann, call, sort="due") == f"{before} y {after}".strip()
    assert ("x" in titles(ann, call, overdue="true").split()) == bool(before)


@EITHER_LIST
@pytest.mark.parametrize(
    "value", ["2026-03-14T09:00:00z", "2026-03-14t09:00:00.123456789Z", "2026-03-14 09:00:00-00:00"]
)
def test_a_time_filter_accepts_every_spelling(ann: Caller, call: Call, value: str) -> None:
    """RFC 3339 allows small letters, a space, and any number of digits."""
    ann.add(title="x", due_at="2026-03-14T09:00:01Z")

    assert (titles(ann, call, due_after=value), titles(ann, call, due_before=value)) == ("x", "")
