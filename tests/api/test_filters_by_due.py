"""Filters of both lists by the due: times and days, in whatever zone, and what is overdue."""

from datetime import datetime
from zoneinfo import ZoneInfo

import pytest

from tests.api.support.calls import Call
from tests.api.support.lists import A_DAY, EITHER_LIST, ENDS, titles
from tests.conftest import Caller

EVERY_ZONE = pytest.mark.parametrize("zone", ENDS)
# Wherever the clock stands, the day that it is in the second is over in the first.
EARLIEST_ZONE, LATEST_ZONE = "Pacific/Kiritimati", "Pacific/Pago_Pago"


@EITHER_LIST
@pytest.mark.parametrize("at", ["2026-03-14T09:00:00.000001Z", "2026-03-14T21:00:00.000001+12:00"])
def test_due_before_and_due_after_a_time_are_exclusive(ann: Caller, call: Call, at: str) -> None:
    """In whatever zone they are written; to the microsecond; a task without a due is neither."""
    ann.add(title="x", due_at="2026-03-14T11:00:00.000001+02:00")
    ann.add(title="never")

    assert titles(ann, call, due_before=at) == titles(ann, call, due_after=at) == ""
    assert titles(ann, call, due_before=at.replace("000001", "000002")) == "x"
    assert titles(ann, call, due_after=at.replace("000001", "000000")) == "x"
    assert titles(ann, call, due_after=at.replace("000001", "000000"), due_before=at.replace("000001", "000002")) == "x"
    assert titles(ann, call, due_after=at, due_before=at) == ""


@EITHER_LIST
@EVERY_ZONE
def test_a_due_on_counts_as_the_end_of_that_day_in_the_tasks_zone(ann: Caller, call: Call, zone: str | None) -> None:
    """Its last microsecond; without a zone, UTC's."""
    last, next_ = ENDS[zone]
    ann.add(title="x", due_on=A_DAY, time_zone=zone)

    assert titles(ann, call, due_before=last) == titles(ann, call, due_after=last) == ""
    assert titles(ann, call, due_before=next_) == "x"
    assert titles(ann, call, due_after=last.replace("999999Z", "999998Z")) == "x"
    assert titles(ann, call, due_after=next_) == ""


@EITHER_LIST
@EVERY_ZONE
def test_a_day_is_compared_with_days_whatever_their_zone(ann: Caller, call: Call, zone: str | None) -> None:
    """A task that is due on that day is neither before nor after it."""
    ann.add(title="x", due_on=A_DAY, time_zone=zone)
    ann.add(title="never", time_zone=zone)

    assert titles(ann, call, due_before=A_DAY) == titles(ann, call, due_after=A_DAY) == ""
    assert titles(ann, call, due_before="2026-03-15") == "x"
    assert titles(ann, call, due_after="2026-03-13") == "x"
    assert titles(ann, call, due_after="2026-03-13", due_before="2026-03-15") == "x"


@EITHER_LIST
def test_a_day_is_compared_with_times_as_a_day_of_utc(ann: Caller, call: Call) -> None:
    """From its first to its last microsecond, whatever the task's zone; the days beside it are not in it."""
    ann.add(title="before", due_at="2026-03-13T23:59:59.999999Z", time_zone="Pacific/Auckland")
    ann.add(title="begin", due_at="2026-03-14T00:00:00Z", time_zone="Pacific/Honolulu")
    ann.add(title="end", due_at="2026-03-14T23:59:59.999999Z", time_zone="Pacific/Auckland")
    ann.add(title="after", due_at="2026-03-15T00:00:00Z", time_zone="Pacific/Honolulu")

    assert titles(ann, call, due_before=A_DAY) == "before"
    assert titles(ann, call, due_after=A_DAY) == "after"
    assert titles(ann, call, due_after="2026-03-13", due_before="2026-03-15") == "begin end"


@EITHER_LIST
def test_overdue_is_open_and_past_its_due(ann: Caller, call: Call) -> None:
    """A completed task is never overdue, nor one without a due; reopened, it is again."""
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
def test_a_day_is_overdue_when_it_has_ended_in_the_tasks_zone(ann: Caller, call: Call) -> None:
    """The same day, in two zones."""
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
def test_the_first_and_the_last_day_are_days(ann: Caller, call: Call, day: str, zone: str | None) -> None:
    """They are kept, compared and sorted as any other."""
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
def test_every_spelling_of_a_time_is_taken(ann: Caller, call: Call, value: str) -> None:
    """RFC 3339 allows small letters, a space, and as many digits as one likes."""
    ann.add(title="x", due_at="2026-03-14T09:00:01Z")

    assert (titles(ann, call, due_after=value), titles(ann, call, due_before=value)) == ("x", "")
