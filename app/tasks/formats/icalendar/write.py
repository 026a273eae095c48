"""Tasks as an iCalendar file (RFC 5545) for Apple's Reminders, Thunderbird, Tasks.org, Nextcloud and the like."""

import json
from collections.abc import Iterable, Iterator
from datetime import datetime
from functools import lru_cache
from zoneinfo import ZoneInfo

from app.tasks.formats.icalendar.alarms import as_alarms, write_alarms
from app.tasks.formats.icalendar.values import CARRIED, escape, fold
from app.tasks.formats.records import Task

_BEGIN = b"BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//Tasks API//Export//EN\r\n"
_END = b"END:VCALENDAR\r\n"

# 1 to 4 are high, 6 to 9 low, and 0 is none (section 3.8.1.9).
_PRIORITY = {"high": "1", "medium": "5", "low": "9"}


def write(tasks: Iterable[Task], calendar: str | None = None) -> Iterator[bytes]:
    """One VTODO for each task; before the first that names a zone, the zone's rules."""
    described: set[str] = set()
    yield _BEGIN
    if calendar:
        yield fold(f"X-WR-CALNAME:{escape(CARRIED['list_name'].carry(calendar))}")
    for task in tasks:
        zone, local = _local_due(task)
        rules = _rules(zone) if zone and zone not in described else b""
        described.add(zone)
        yield rules + b"".join(map(fold, _lines(task, zone, local)))
    yield _END


def _lines(task: Task, zone: str, local: str) -> Iterator[str]:
    carried = {field: kind.carry(task[field]) for field, kind in CARRIED.items()}
    yield "BEGIN:VTODO"
    yield f"UID:{task['id']}"
    yield f"DTSTAMP:{_utc(task['updated_at'])}"
    yield f"CREATED:{_utc(task['created_at'])}"
    yield f"LAST-MODIFIED:{_utc(task['updated_at'])}"
    yield f"SUMMARY:{escape(carried['title'])}"
    if carried["details"]:
        yield f"DESCRIPTION:{escape(carried['details'])}"
    yield "STATUS:COMPLETED" if task["completed"] else "STATUS:NEEDS-ACTION"
    if task["completed_at"]:
        yield f"COMPLETED:{_utc(task['completed_at'])}"
        yield "PERCENT-COMPLETE:100"
    if task["priority"] in _PRIORITY:
        yield f"PRIORITY:{_PRIORITY[task['priority']]}"
    if task["tags"]:
        yield f"CATEGORIES:{','.join(map(escape, carried['tags']))}"
    if task["parent_id"]:
        yield f"RELATED-TO:{task['parent_id']}"
    if task["list_name"]:
        yield f"X-LIST-NAME:{escape(carried['list_name'])}"
    yield f"X-TASKS-POSITION:{task['position']}"
    yield from _due_lines(task, zone, local)
    if task["time_zone"] and not zone:
        yield f"X-TASKS-TIME-ZONE:{escape(task['time_zone'])}"
    # ASCII only, so that the exact text needs nothing that iCalendar cannot carry.
    carried["reminders"] = as_alarms(task, task["reminders"])
    exact = {field: task[field] for field in carried if task[field] != carried[field]}
    if exact:
        yield f"X-TASKS-EXACT:{escape(json.dumps(exact))}"
    yield from write_alarms(task, carried["title"])
    yield "END:VTODO"


def _due_lines(task: Task, zone: str, local: str) -> Iterator[str]:
    due = ""
    if task["due_on"]:
        due = f";VALUE=DATE:{_basic(task['due_on'])}"
    elif zone:
        due = f";TZID={zone}:{local}"
    elif task["due_at"]:
        due = f":{_utc(task['due_at'])}"
    if due:
        yield f"DUE{due}"
    if task["recurrence"]:
        if due:
            # A rule needs a start (section 3.8.2.4), Thunderbird too. Reminders writes the due itself, and so do we:
            # section 3.8.2.3 wants it later, but then the rule would count from a day that it need not name.
            yield f"DTSTART{due}"
        yield f"RRULE:{task['recurrence']}"


def _basic(time: str) -> str:
    """ISO 8601's short form, to the second."""
    return time[:19].replace("-", "").replace(":", "")


def _utc(time: str) -> str:
    return f"{_basic(time)}Z"


def _local_due(task: Task) -> tuple[str, str]:
    """The zone of a rule and the due time there: nine on Mondays is another time in UTC, and may be another day.

    Both are empty where UTC does: with no rule or zone, or where local time cannot say it.
    """
    zone, time = task["time_zone"], task["due_at"]
    if not (task["recurrence"] and zone and time) or zone == "UTC":
        return "", ""
    try:
        local = datetime.fromisoformat(time).astimezone(ZoneInfo(zone))
    except (KeyError, OverflowError):
        # The machine's zones lack it, or the calendar ends there.
        return "", ""
    # The hour that is repeated when summer ends: iCalendar always means the first.
    return ("", "") if local.fold else (zone, _basic(local.isoformat()))


@lru_cache(maxsize=64)
def _rules(zone: str) -> bytes:
    # Here, for few need it and every start of the service would take a tenth longer.
    from icalendar import Timezone  # noqa: PLC0415

    rules: bytes = Timezone.from_tzid(zone).to_ical()
    return rules
