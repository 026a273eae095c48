"""Tasks from an iCalendar file (RFC 5545), our own or another program's."""

import re
from datetime import UTC, date, datetime, timedelta, tzinfo
from typing import IO, Any
from uuid import UUID, uuid5
from zoneinfo import ZoneInfo

from app.http import strict_json
from app.http.strict_json import NotJson
from app.tasks.formats.ics_lines import Property, Todo, todos
from app.tasks.formats.ics_values import is_exact, unescape
from app.tasks.formats.records import Lines, Record, Records, Task, Unreadable

_ZONE = re.compile(r';TZID="?([^";]*)', re.IGNORECASE)
_MOMENT = re.compile(r"([0-9]{4})([0-9]{2})([0-9]{2})(?:T([0-9]{2})([0-9]{2})([0-9]{2})(Z?))?")
_DURATION = re.compile(
    r"\+?P(?:(?P<weeks>[0-9]{1,6})W|(?:(?P<days>[0-9]{1,6})D)?"
    r"(?:T(?:(?P<hours>[0-9]{1,6})H)?(?:(?P<minutes>[0-9]{1,6})M)?(?:(?P<seconds>[0-9]{1,6})S)?)?)"
)
_CATEGORY = re.compile(r"(?:\\.|[^,])+", re.DOTALL)

# Another program's UID need not be a UUID. It gets the same one at every import, so that nothing doubles.
_UIDS = UUID("6a1f3c52-7f0e-4d0b-9a53-0d3f5a8d2c11")
# Nothing is left to do of these.
_CLOSED = frozenset({"COMPLETED", "CANCELLED"})
# Section 3.8.1.9.
_PRIORITIES = {"0": "none", **dict.fromkeys("1234", "high"), "5": "medium", **dict.fromkeys("6789", "low")}


def read(file: IO[bytes]) -> Records:
    """Yield every VTODO; skip events, journals and alarms. A time zone counts by its name."""
    for began, todo in todos(Lines(file)):
        yield _record(began, todo)


def _record(began: int, todo: Todo) -> Record | Unreadable:
    try:
        return Record(began, _task(todo))
    except Unreadable as fault:
        return fault
    except OverflowError:
        return Unreadable(began, "A time of this task is outside the years 1 to 9999. Correct it.")


def _task(todo: Todo) -> Task:
    """A VTODO says all of a task: what it does not name is none."""
    completed = _is_completed(todo)
    task: Task = {
        "details": todo.text("DESCRIPTION") or None,
        "completed": completed,
        "completed_at": _time(todo.first("COMPLETED")) if completed else None,
        "priority": _priority(todo.first("PRIORITY")),
        "tags": [unescape(tag) for line in todo.all("CATEGORIES") for tag in _CATEGORY.findall(line.value)],
        "recurrence": todo.text("RRULE") or None,
        **_due_fields(todo),
    }
    named = {"id": _id(todo), "title": todo.text("SUMMARY"), "created_at": _time(todo.first("CREATED"))}
    task |= {name: value for name, value in named.items() if value is not None}
    return task | {name: value for name, value in _exact(todo).items() if is_exact(name, value, task.get(name))}


def _id(todo: Todo) -> str | None:
    """The UID, where it is a UUID; else one made of it."""
    uid, occurrence = todo.text("UID"), todo.first("RECURRENCE-ID")
    if not uid:
        return None
    if occurrence:
        # Thunderbird keeps each completed occurrence of a rule as one more VTODO under the same UID.
        return str(uuid5(_UIDS, f"{uid} {occurrence.value}"))
    try:
        canonical = str(UUID(uid))
    except ValueError:
        canonical = ""
    # Python reads other spellings as well: with braces, without hyphens.
    return canonical if canonical == uid.lower() else str(uuid5(_UIDS, uid))


def _is_completed(todo: Todo) -> bool:
    status = todo.text("STATUS")
    if status:
        return status.upper() in _CLOSED
    return bool(todo.first("COMPLETED")) or todo.text("PERCENT-COMPLETE") == "100"


def _priority(found: Property | None) -> str:
    if not found:
        return "none"
    priority = _PRIORITIES.get(found.value.strip())
    if not priority:
        raise Unreadable(found.line, "This is no priority. Write 1 (high) to 9 (low), or 0 for none.")
    return priority


def _due_fields(todo: Todo) -> Task:
    zone = todo.text("X-TASKS-TIME-ZONE")
    due = _due(todo, zone)
    if not isinstance(due, datetime):
        return {"due_on": due.isoformat() if due else None, "due_at": None, "time_zone": zone}
    return {"due_on": None, "due_at": _written(due), "time_zone": getattr(due.tzinfo, "key", zone)}


def _due(todo: Todo, zone: str | None) -> date | datetime | None:
    """The time of DUE, or what stands for it: DTSTART and DURATION, or a rule's first occurrence."""
    due, start, duration = todo.first("DUE"), todo.first("DTSTART"), todo.first("DURATION")
    if due:
        return _moment(due, zone)
    if start and duration:
        return _moment(start, zone) + _duration(duration)
    if start and todo.first("RRULE"):
        return _moment(start, zone)
    return None


def _duration(found: Property) -> timedelta:
    duration = _DURATION.fullmatch(found.value.strip())
    if not duration:
        raise Unreadable(found.line, "This is no duration. Write it as PT1H30M or P2D.")
    return timedelta(**{unit: int(count) for unit, count in duration.groupdict("0").items()})


def _time(found: Property | None) -> str | None:
    if not found:
        return None
    moment = _moment(found)
    if not isinstance(moment, datetime):
        moment = datetime(moment.year, moment.month, moment.day, tzinfo=UTC)
    return _written(moment)


def _written(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def _moment(found: Property, floating: str | None = None) -> date | datetime:
    """A day, or a time in its zone. One without any (Nextcloud writes such) is in the task's own, or else in UTC."""
    moment = _MOMENT.fullmatch(found.value.strip())
    if not moment:
        raise Unreadable(found.line, "This is no date or time. Write it as 20260314 or 20260314T092653Z.")
    zone = UTC if moment[7] or moment[4] is None else _zone(found, floating)
    try:
        if moment[4] is None:
            return date(int(moment[1]), int(moment[2]), int(moment[3]))
        # A leap second is taken as the one before (section 3.3.12).
        year, month, day, hour, minute, second = map(int, moment.group(1, 2, 3, 4, 5, 6))
        return datetime(year, month, day, hour, minute, min(second, 59), tzinfo=zone)
    except ValueError as error:
        raise Unreadable(found.line, f"There is no such day or time ({error}). Correct it.") from error


def _zone(found: Property, floating: str | None) -> tzinfo:
    named = _ZONE.search(found.parameters)
    name = named[1] if named else floating
    if not name:
        return UTC
    # Evolution puts its own name before a zone's: /freeassociation.sourceforge.net/Europe/Berlin.
    parts = name.split("/")
    after_it = ["/".join(parts[-length:]) for length in (3, 2, 1)] if name.startswith("/") else []
    for known_as in [name, *after_it, _windows_zone(name)]:
        try:
            return ZoneInfo(known_as)
        except (KeyError, ValueError, OSError):
            continue
    raise Unreadable(found.line, f"The time zone {name[:40]!r} is unknown. Name it as IANA does: Europe/Berlin.")


def _windows_zone(name: str) -> str:
    # Here, for few need it and every start of the service would take a tenth longer.
    from icalendar.timezone.windows_to_olson import WINDOWS_TO_OLSON  # noqa: PLC0415

    return WINDOWS_TO_OLSON.get(name, "")


def _exact(todo: Todo) -> dict[str, Any]:
    """What another program has made unreadable of it, says no more than the properties do."""
    try:
        exact = strict_json.loads((todo.text("X-TASKS-EXACT") or "{}").encode())
    except NotJson:
        return {}
    return exact if isinstance(exact, dict) else {}
