"""A task's reminders: their stored form, and the times at which they fire."""

from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import orjson

from app.times import rfc3339

MAX_REMINDERS = 5
# Four weeks.
MAX_BEFORE_MINUTES = 28 * 24 * 60
# The time of a day from which minutes count back.
MORNING = time(9)

# Either `before_minutes` or `at`.
Reminder = Mapping[str, Any]


def write_reminders(reminders: Iterable[Reminder]) -> str | None:
    """Return reminders as stored, sorted and without duplicates; None if there are none."""
    given = [*reminders]
    minutes = sorted({each["before_minutes"] for each in given if "before_minutes" in each})
    times = sorted({each["at"] for each in given if "at" in each})
    kept = [*({"before_minutes": each} for each in minutes), *({"at": each} for each in times)]
    return orjson.dumps(kept).decode() if kept else None


def read_reminders(stored: str | None) -> list[dict[str, Any]]:
    return orjson.loads(stored) if stored else []


def relative(stored: str | None) -> str | None:
    """Return the stored reminders that count back from the due: those that a next occurrence has, too."""
    return write_reminders(each for each in read_reminders(stored) if "before_minutes" in each)


def fire_times(task: Mapping[str, Any]) -> dict[str, list[dict[str, Any]]]:
    """Return when a stored task's reminders fire, and those that do so. Without a due, relative ones never do."""
    times: dict[str, list[dict[str, Any]]] = {}
    for each in read_reminders(task["reminders"]):
        moment = each["at"] if "at" in each else time_before(task, each["before_minutes"])
        if moment:
            times.setdefault(moment, []).append(each)
    return times


def time_before(task: Mapping[str, Any], minutes: int) -> str | None:
    """Return the time so many minutes before the due, on a clock that is never changed; None without a due."""
    if not task["due"]:
        return None
    due = datetime.fromisoformat(task["due"])
    if task["due_on"]:
        # If the zone's clocks skip it, it is later by the gap; if they show it twice, it is the first.
        due = datetime.combine(date.fromisoformat(task["due_on"]), MORNING, ZoneInfo(task["time_zone"] or "UTC"))
    return rfc3339(due.astimezone(UTC) - timedelta(minutes=minutes))
