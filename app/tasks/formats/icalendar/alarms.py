"""Reminders as alarms (RFC 5545, section 3.6.6), and the alarms of other programs as reminders."""

from collections.abc import Iterator
from datetime import UTC, datetime, time, timedelta
from math import ceil
from typing import Any

from marshmallow import ValidationError

from app.tasks.fields import Reminders
from app.tasks.formats.icalendar.lines import PHONE_ALARMS, Component, Property
from app.tasks.formats.icalendar.times import Clock, Span, Time, duration, written
from app.tasks.formats.icalendar.values import escape
from app.tasks.formats.programs.values import moment
from app.tasks.formats.records import Task, Unreadable
from app.tasks.reminders import MAX_BEFORE_MINUTES, MORNING, Reminder, read_reminders, time_before, write_reminders

_MORNING = timedelta(hours=MORNING.hour)
_reminders = Reminders()


def write_alarms(task: Task, text: str) -> Iterator[str]:
    """Yield the lines of an alarm for each reminder that has a time. The due must be written as well."""
    for reminder in task["reminders"]:
        trigger = _trigger(task, reminder)
        if trigger:
            yield "BEGIN:VALARM"
            yield "ACTION:DISPLAY"
            yield f"DESCRIPTION:{escape(text)}"
            yield f"TRIGGER;{trigger}"
            yield "END:VALARM"


def as_alarms(task: Task, reminders: list[Any]) -> list[Any]:
    """Return what comes back of a task's reminders after they were written as alarms."""
    kept = (_absolute(task, each) if "at" in each or not _minutes(task, each) else each for each in reminders)
    times = ({"at": f"{each['at'][:19]}.000000Z"} if "at" in each else each for each in kept if each)
    return read_reminders(write_reminders(times))


def is_exact(value: Any, task: Task) -> bool:
    """Return whether reminders from X-TASKS-EXACT are valid, and agree with those that were read from the alarms."""
    try:
        reminders = _reminders.deserialize(value)
    except ValidationError:
        return False
    return as_alarms(task, read_reminders(reminders)) == read_reminders(write_reminders(task["reminders"]))


def read_alarms(todo: Component, clock: Clock, span: Span) -> tuple[list[Reminder], list[str]]:
    """Return the reminders that the alarms of a VTODO mean, and the kinds of what was left out."""
    reminders: list[Reminder] = []
    left_out: list[str] = []
    # Apple writes alarms that never ring.
    rings = [alarm for alarm in todo.alarms if (alarm.text("ACTION") or "").upper() != "NONE"]
    found = [("VALARM", None if alarm.first("X-APPLE-PROXIMITY") else alarm.first("TRIGGER")) for alarm in rings]
    # In vCalendar 1.0, the time comes first of several values.
    found += [
        (name, line._replace(value=line.value.partition(";")[0])) for name in PHONE_ALARMS for line in todo.all(name)
    ]
    for name, trigger in found:
        reminder = _reminder(trigger, todo, clock, span) if trigger else None
        if reminder:
            reminders.append(reminder)
        else:
            left_out.append(name)
    left_out += ["REPEAT" for alarm in rings if (alarm.text("REPEAT") or "").strip("0 ")]
    return reminders, left_out


def _trigger(task: Task, reminder: Reminder) -> str | None:
    """Return a trigger's parameters and value; None for a relative one without a due."""
    minutes = None if "at" in reminder else _minutes(task, reminder)
    if minutes:
        return f"RELATED=END:{'-' if minutes > 0 else ''}PT{abs(minutes)}M"
    # Synology's server rejects RELATED=END:PT0S, and takes times.
    absolute = _absolute(task, reminder)
    return f"VALUE=DATE-TIME:{absolute['at'][:19].replace('-', '').replace(':', '')}Z" if absolute else None


def _minutes(task: Task, reminder: Reminder) -> int:
    """Return how many minutes a relative one is before DUE; a day begins at midnight. 0 if there is no due."""
    if task["due_on"]:
        return int(reminder["before_minutes"]) - MORNING.hour * 60
    return int(reminder["before_minutes"]) if task["due_at"] else 0


def _absolute(task: Task, reminder: Reminder) -> Reminder | None:
    if "at" in reminder:
        return reminder
    at = time_before({**task, "due": task["due_on"] or task["due_at"]}, reminder["before_minutes"])
    return _at(at) if at else None


def _reminder(trigger: Property, todo: Component, clock: Clock, span: Span) -> Reminder | None:
    """Return the reminder that a trigger means; None if it has no time."""
    try:
        length = duration(trigger.value)
        if length is None:
            found = clock.time(trigger)
            return _at(written(found)) if isinstance(found, datetime) else None
        return _relative(sum(length, timedelta()), _anchor(trigger, todo, clock, span), span.due, clock)
    except (Unreadable, OverflowError):
        return None


def _anchor(trigger: Property, todo: Component, clock: Clock, span: Span) -> Time | None:
    """Return what a trigger counts from: the start, unless it names the end, or if there is no start."""
    start = todo.first("DTSTART")
    if "RELATED=END" in trigger.parameters.upper().replace('"', "") or not start:
        return span.due
    return span.start or clock.time(start)


def _relative(length: timedelta, anchor: Time | None, due: Time | None, clock: Clock) -> Reminder | None:
    """Return a reminder some time after the anchor: in minutes before the due, where such minutes can say it."""
    if anchor is None:
        return None
    fires = _moment(anchor, clock) + length
    if due is not None:
        begin = _moment(due, clock) + (timedelta() if isinstance(due, datetime) else _MORNING)
        minutes = ceil((begin - fires) / timedelta(minutes=1))
        if 0 <= minutes <= MAX_BEFORE_MINUTES:
            return {"before_minutes": minutes}
    return _at(written(fires))


def _moment(found: Time, clock: Clock) -> datetime:
    """Return a time in UTC, or midnight of a day: two of these differ by what clocks show."""
    return found.astimezone(UTC) if isinstance(found, datetime) else datetime.combine(found, time(), clock.floating)


def _at(text: str) -> Reminder | None:
    """Return the reminder at a time; None outside of the years that tasks have."""
    at = moment(text)
    return {"at": at} if at else None
