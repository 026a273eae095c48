"""A task's schedule: when it is due, and when it recurs."""

from collections.abc import Mapping
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from marshmallow import ValidationError

from app.tasks.recurrence import following, with_until_in_utc
from app.times import LAST_YEAR, rfc3339

# A change of one of these is validated together with the others.
FIELDS = frozenset({"due_on", "due_at", "time_zone", "recurrence"})


def normalize(task: Mapping[str, Any]) -> dict[str, Any]:
    """Return a whole task in its stored form, with `due` instead of `due_at`; raise ValidationError if invalid."""
    refuse_two_dues(task)
    kept = dict(task)
    due_at = kept.pop("due_at")
    kept["due"] = _end_of_day(kept["due_on"], kept["time_zone"]) if kept["due_on"] else due_at
    if kept["recurrence"] is not None and kept["due"] is None:
        raise ValidationError({"recurrence": ["A recurring task needs due_on or due_at; otherwise set this to null."]})
    if kept["recurrence"] is not None:
        on_days = kept["due_on"] is not None
        kept["recurrence"] = with_until_in_utc(kept["recurrence"], kept["time_zone"], on_days=on_days)
    return kept


def refuse_two_dues(task: Mapping[str, Any]) -> None:
    """Raise ValidationError if both due_on and due_at have a value; null next to a value is allowed."""
    if task.get("due_on") and task.get("due_at"):
        raise ValidationError({"due_at": ["Give due_on or due_at, not both."]})


def changed(task: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """Return a task's schedule in its stored form, after changes to any part of it."""
    due_on, due_at = task["due_on"], None if task["due_on"] else task["due"]
    # A value for one clears the other, unless both have a value, which normalize() rejects.
    if "due_on" in changes:
        due_on = changes["due_on"]
        due_at = None if due_on else due_at
    if "due_at" in changes:
        due_at = changes["due_at"]
        due_on = None if due_at and not changes.get("due_on") else due_on
    rest = {name: changes.get(name, task[name]) for name in ("time_zone", "recurrence")}
    return normalize({"due_on": due_on, "due_at": due_at, **rest})


def next_occurrence(task: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return the schedule of the next task after a recurring one; None after the last."""
    due = date.fromisoformat(task["due_on"]) if task["due_on"] else datetime.fromisoformat(task["due"])
    skipped = datetime.fromisoformat(task["skipped_time"]) if task["skipped_time"] else None
    found = following(task["recurrence"], due, task["time_zone"], skipped)
    if found is None or found.due.year > LAST_YEAR:
        return None
    moment = found.due if isinstance(found.due, datetime) else None
    return normalize(
        {
            "due_on": None if moment else found.due.isoformat(),
            "due_at": moment and rfc3339(moment),
            "time_zone": task["time_zone"],
            "recurrence": found.rule,
            "skipped_time": found.skipped and found.skipped.isoformat(),
        }
    )


def days_between(task: Mapping[str, Any], following: Mapping[str, Any]) -> int:
    """Return by how many days the next occurrence of a task is due later, in the task's zone."""
    before, then = (_day(each, task["time_zone"]) for each in (task, following))
    return (then - before).days


def moved(task: Mapping[str, Any], days: int) -> dict[str, Any]:
    """Return the schedule of a task that does not recur, so many days later; without a due if there is no such day."""
    due_on, due_at = task["due_on"], None
    try:
        if due_on:
            due_on = (date.fromisoformat(due_on) + timedelta(days)).isoformat()
        elif task["due"]:
            local = datetime.fromisoformat(task["due"]).astimezone(ZoneInfo(task["time_zone"] or "UTC"))
            due_at = rfc3339(local + timedelta(days))
    except OverflowError:
        due_on = None
    if (due_on or due_at or "")[:4] > str(LAST_YEAR):
        due_on, due_at = None, None
    return normalize({"due_on": due_on, "due_at": due_at, "time_zone": task["time_zone"], "recurrence": None})


def _day(task: Mapping[str, Any], zone: str | None) -> date:
    if task["due_on"]:
        return date.fromisoformat(task["due_on"])
    return datetime.fromisoformat(task["due"]).astimezone(ZoneInfo(zone or "UTC")).date()


def _end_of_day(day: str, zone: str | None) -> str:
    # If clocks are put back over midnight, the day ends with the second of the two hours.
    end = datetime.combine(date.fromisoformat(day), time.max, ZoneInfo(zone or "UTC")).replace(fold=1)
    return rfc3339(end.astimezone(UTC))
