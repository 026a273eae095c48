"""Read tasks from an iCalendar file (RFC 5545) of this service or another program.

The `icalendar` library could split a VTODO into properties, but that took 42 s of CPU time for 100,000 tasks, and this
whole reader takes 11 s. It also reports no line numbers and rewrites rules, so it only reads time zones here.
"""

import re
from datetime import UTC, date, datetime
from typing import IO, Any
from uuid import UUID, uuid5

from app.http import strict_json
from app.http.strict_json import NotJson
from app.tasks.formats.fitting import fit
from app.tasks.formats.icalendar import alarms
from app.tasks.formats.icalendar.lines import Component, Property, components
from app.tasks.formats.icalendar.rules import series
from app.tasks.formats.icalendar.times import Clock, Span, day_of, in_zone_of, written
from app.tasks.formats.icalendar.values import is_exact, unescape
from app.tasks.formats.icalendar.zones import Zones, name_of
from app.tasks.formats.programs.values import list_of
from app.tasks.formats.records import Record, Records, Task, Unreadable
from app.tasks.order import is_position

_CATEGORY = re.compile(r"(?:\\.|[^,])+", re.DOTALL)
_VCALENDAR_CATEGORY = re.compile(r"(?:\\.|[^;])+", re.DOTALL)
_SEPARATOR = re.compile("[,;]")
_RELATION = re.compile(r';RELTYPE="?([\w-]+)', re.IGNORECASE)
# Not negative, and as wide as any.
_SORT_ORDER = re.compile("[0-9]{1,20}")

# Another program's UID need not be a UUID. It gets the same one at every import, so that nothing doubles.
_UIDS = UUID("6a1f3c52-7f0e-4d0b-9a53-0d3f5a8d2c11")
# Nothing is left to do of these.
_CLOSED = frozenset({"COMPLETED", "CANCELLED"})
# Section 3.8.1.9.
_PRIORITIES = {"0": "none", **dict.fromkeys("1234", "high"), "5": "medium", **dict.fromkeys("6789", "low")}
# What becomes a line at the end of the details.
_IN_DETAILS = {
    "URL": "URL",
    "LOCATION": "Location",
    "GEO": "Geo",
    "CONTACT": "Contact",
    "RESOURCES": "Resources",
    "COMMENT": "Comment",
}


def read(file: IO[bytes]) -> Records:
    """Yield every VTODO. Skip events and journals."""
    zones = Zones(file)
    for found in components(file):
        if isinstance(found, Unreadable):
            yield found
        elif found.name == "VTIMEZONE":
            zones.define(found)
        else:
            yield _record(found, zones)


def _record(todo: Component, zones: Zones) -> Record | Unreadable:
    try:
        task, left_out = _task(todo, Clock(todo, zones))
    except Unreadable as fault:
        return fault
    except OverflowError:
        return Unreadable(todo.line, "A time of this task is outside the years 1 to 9999. Correct it.")
    fitted, unfit = fit(task)
    return Record(todo.line, fitted, (*todo.left_out.elements(), *left_out, *unfit))


def _task(todo: Component, clock: Clock) -> tuple[Task, list[str]]:
    """Return the task that a VTODO says, and the kinds of what was left out. What a VTODO does not name is none."""
    completed = _is_completed(todo)
    schedule, left_out = _schedule(todo, clock)
    parent_id, other_relations = _parent(todo)
    task: Task = {
        "details": todo.text("DESCRIPTION") or None,
        "completed": completed,
        "completed_at": clock.moment(todo.first("COMPLETED")) if completed else None,
        "priority": _priority(todo.first("PRIORITY")),
        "tags": _tags(todo),
        **schedule,
        "list_id": None,
        "list_name": todo.text("X-LIST-NAME") or list_of(unescape(todo.calendar.get("X-WR-CALNAME", ""))),
        "parent_id": parent_id,
        "position": _position(todo),
    }
    named = {"id": _id(todo), "title": todo.text("SUMMARY"), "created_at": _created(todo, clock)}
    task |= {name: value for name, value in named.items() if value is not None}
    exact = _exact(todo)
    task |= {name: value for name, value in exact.items() if is_exact(name, value, task.get(name))}
    if alarms.is_exact(exact.get("reminders"), task):
        task["reminders"] = exact["reminders"]
    return task | {"details": _with_other_texts(todo, task["details"])}, [
        *left_out,
        *other_relations,
        *_other_values(todo, completed),
    ]


def _id(todo: Component) -> str | None:
    """Return the id that the UID gives."""
    uid, occurrence = todo.text("UID"), todo.first("RECURRENCE-ID")
    if not uid:
        return None
    if occurrence:
        # Thunderbird keeps each completed occurrence of a rule as one more VTODO under the same UID.
        return str(uuid5(_UIDS, f"{uid} {occurrence.value}"))
    return _id_of(uid)


def _id_of(uid: str) -> str:
    """Return a UID if it is a UUID, else one made from it."""
    try:
        canonical = str(UUID(uid))
    except ValueError:
        canonical = ""
    # Python reads other spellings as well: with braces, without hyphens.
    return canonical if canonical == uid.lower() else str(uuid5(_UIDS, uid))


def _parent(todo: Component) -> tuple[str | None, list[str]]:
    """Return the id of the parent, and the kinds of other relations (section 3.8.4.5)."""
    uids: list[str] = []
    for found in todo.all("RELATED-TO"):
        kind = _RELATION.search(found.parameters)
        uid = unescape(found.value).strip()
        if uid and (not kind or kind[1].upper() == "PARENT"):
            uids.append(uid)
    others = len(todo.all("RELATED-TO")) - len(uids[:1])
    return _id_of(uids[0]) if uids else None, ["RELATED-TO"] * others


def _position(todo: Component) -> str | None:
    """Return a text that sorts as the task stands among its siblings, or None."""
    own = todo.text("X-TASKS-POSITION")
    if own and is_position(own):
        return own
    order = _SORT_ORDER.fullmatch((todo.text("X-APPLE-SORT-ORDER") or "").strip())
    return order[0].zfill(20) if order else None


def _created(todo: Component, clock: Clock) -> str | None:
    """Return when the task was created; some programs write 00001231T000000Z if they do not know."""
    try:
        return clock.moment(todo.first("CREATED") or todo.first("DCREATED"))
    except Unreadable:
        return None


def _is_completed(todo: Component) -> bool:
    status = todo.text("STATUS")
    if status:
        return status.upper() in _CLOSED
    return bool(todo.first("COMPLETED")) or todo.text("PERCENT-COMPLETE") == "100"


def _priority(found: Property | None) -> str:
    if not found:
        return "none"
    priority = _PRIORITIES.get(found.value.strip())
    if not priority:
        raise Unreadable(found.line, "This is not a priority. Write 1 (high) to 9 (low), or 0 for none.")
    return priority


def _tags(todo: Component) -> list[str]:
    category = _VCALENDAR_CATEGORY if todo.calendar.get("VERSION") == "1.0" else _CATEGORY
    return [unescape(tag) for line in todo.all("CATEGORIES") for tag in category.findall(line.value)]


def _schedule(todo: Component, clock: Clock) -> tuple[Task, list[str]]:
    """Return when the task is due, how it recurs and when it reminds, and the kinds of what was left out."""
    first, rule = clock.span(todo), todo.text("RRULE") or None
    zone = todo.text("X-TASKS-TIME-ZONE")
    left_out = ["DTSTART"] if _has_other_start(todo, first) else []
    span = clock.current(todo, first) if rule else first
    reminders, other_alarms = alarms.read_alarms(todo, clock, span)
    left_out += other_alarms
    if rule and span != first and "COUNT" in rule.upper():
        # How many are left is not known.
        rule = None
        left_out.append("recurrence")
    if isinstance(span.due, datetime) and span.due.tzinfo:
        named = name_of(span.due.tzinfo, span.due.year)
        # A time in UTC has no name either.
        left_out += ["TZID"] if not named and span.due.tzinfo is not UTC else []
        zone = named or zone
    due = span.due
    if rule and due:
        due, rule, others = series(rule, span, zone, _excluded(todo, clock, span.start or due))
        left_out += others
    is_time = isinstance(due, datetime)
    fields: Task = {
        "due_on": due.isoformat() if due and not is_time else None,
        "due_at": written(due) if isinstance(due, datetime) else None,
    }
    return {**fields, "time_zone": zone, "recurrence": rule, "reminders": reminders}, left_out


def _has_other_start(todo: Component, span: Span) -> bool:
    """Return whether there is a start that differs from the due."""
    start, due = todo.first("DTSTART"), todo.first("DUE")
    if not start or not due:
        return bool(start) and span.start != span.due
    return start[1:] != due[1:] and span.start != span.due


def _excluded(todo: Component, clock: Clock, start: date) -> set[date]:
    """Return the days of EXDATE in the zone of the start."""
    found = [(line, value) for line in todo.all("EXDATE") for value in _SEPARATOR.split(line.value) if value.strip()]
    times = [clock.time(line, value) for line, value in found]
    return {day_of(in_zone_of(start, time)) for time in times}


def _with_other_texts(todo: Component, details: str | None) -> str | None:
    """Return the details with other texts that a task has no field for, a line each."""
    lines = [
        f"{word}: {text}"
        for name, word in _IN_DETAILS.items()
        for text in (unescape(found.value).strip() for found in todo.all(name))
        if text and text not in (details or "")
    ]
    return "\n\n".join(filter(None, [details, "\n".join(lines)])) if lines else details


def _other_values(todo: Component, completed: bool) -> list[str]:
    """Return the kinds of what only some values leave out."""
    kinds = ["CLASS"] if (todo.text("CLASS") or "PUBLIC").upper() != "PUBLIC" else []
    is_partly_done = not completed and (todo.text("PERCENT-COMPLETE") or "0").strip("0 ")
    return [*kinds, "PERCENT-COMPLETE"] if is_partly_done else kinds


def _exact(todo: Component) -> dict[str, Any]:
    """Return the exact values. If another program has made them unreadable, the properties say all there is."""
    try:
        exact = strict_json.loads((todo.text("X-TASKS-EXACT") or "{}").encode())
    except NotJson:
        return {}
    return exact if isinstance(exact, dict) else {}
