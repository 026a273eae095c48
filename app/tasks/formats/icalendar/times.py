"""The times of a VTODO (RFC 5545, sections 3.3.4 to 3.3.6), and when it is due."""

import re
from datetime import UTC, date, datetime, timedelta, tzinfo
from typing import NamedTuple

from app.tasks.formats.icalendar import vcalendar
from app.tasks.formats.icalendar.lines import Component, Property
from app.tasks.formats.icalendar.zones import Zones, known
from app.tasks.formats.records import Unreadable

Time = date | datetime

_MOMENT = re.compile(r"([0-9]{4})([0-9]{2})([0-9]{2})(?:T([0-9]{2})([0-9]{2})([0-9]{2})(Z?))?")
_DURATION = re.compile(
    r"(?P<sign>[+-]?)P(?:(?P<weeks>[0-9]{1,6})W|(?:(?P<days>[0-9]{1,6})D)?"
    r"(?:T(?:(?P<hours>[0-9]{1,6})H)?(?:(?P<minutes>[0-9]{1,6})M)?(?:(?P<seconds>[0-9]{1,6})S)?)?)"
)


class Span(NamedTuple):
    """From when to when a VTODO lasts. Both are days or times, or one is each, or none is known."""

    start: Time | None
    due: Time | None


class Clock:
    """How the times of one VTODO are read."""

    def __init__(self, todo: Component, zones: Zones) -> None:
        self._zones = zones
        # A time without a zone, which Nextcloud writes, is in the task's own, or in the calendar's, or in UTC.
        names = (todo.text("X-TASKS-TIME-ZONE"), todo.calendar.get("X-WR-TIMEZONE"))
        offset = vcalendar.zone(todo.calendar.get("TZ", ""), todo.calendar.get("DAYLIGHT", ""))
        self.floating: tzinfo = next(filter(None, (known(name) for name in names if name)), offset or UTC)

    def time(self, found: Property, value: str | None = None) -> Time:
        """Return the day, or the time in its zone, that a property has, or that is one of its values."""
        return self._read(found, found.value if value is None else value, self.floating)

    def moment(self, found: Property | None) -> str | None:
        """Return the time of a property that is always in UTC, as the API writes it; of a day, its beginning."""
        if not found:
            return None
        time = self._read(found, found.value, UTC)
        return written(time if isinstance(time, datetime) else datetime(time.year, time.month, time.day, tzinfo=UTC))

    def span(self, todo: Component) -> Span:
        """Return when a VTODO starts and is due: at DUE, or DURATION after DTSTART, or when its rule starts."""
        due, start, duration = todo.first("DUE"), todo.first("DTSTART"), todo.first("DURATION")
        recurs = bool(todo.first("RRULE"))
        began = self.time(start) if start and (recurs or not due) else None
        if due:
            ends = self.time(due)
            is_utc = isinstance(ends, datetime) and ends.tzinfo is UTC
            return Span(began, in_zone_of(began, ends) if began and is_utc else ends)
        if began and duration:
            return Span(began, _after(began, duration))
        return Span(began, began if recurs else None)

    def current(self, todo: Component, span: Span) -> Span:
        """Return the span of the open occurrence of a rule. KOrganizer keeps the first one, and names the open one."""
        found = todo.first("X-KDE-LIBKCAL-DTRECURRENCE")
        if not found or span.start is None or span.due is None:
            return span
        due = in_zone_of(span.due, self.time(found))
        is_later = isinstance(due, datetime) == isinstance(span.due, datetime) and day_of(due) > day_of(span.due)
        return Span(span.start + (day_of(due) - day_of(span.due)), due) if is_later else span

    def _read(self, found: Property, value: str, floating: tzinfo) -> Time:
        moment = _MOMENT.fullmatch(value.strip())
        if not moment:
            raise Unreadable(found.line, "This is not a date or time. Write it as 20260314 or 20260314T092653Z.")
        zone = UTC if moment[7] or moment[4] is None else self._zones.of(found, floating)
        try:
            if moment[4] is None:
                return date(int(moment[1]), int(moment[2]), int(moment[3]))
            # A leap second is read as the one before it (section 3.3.12).
            year, month, day, hour, minute, second = map(int, moment.group(1, 2, 3, 4, 5, 6))
            return datetime(year, month, day, hour, minute, min(second, 59), tzinfo=zone)
        except ValueError as error:
            raise Unreadable(found.line, f"This day or time does not exist ({error}). Correct it.") from error


def duration(text: str) -> tuple[timedelta, timedelta] | None:
    """Return the days and the hours of a duration (section 3.3.6), both negative after a minus."""
    found = _DURATION.fullmatch(text.strip())
    if not found:
        return None
    parts = {name: int(number or 0) for name, number in found.groupdict().items() if name != "sign"}
    days, hours = timedelta(weeks=parts.pop("weeks"), days=parts.pop("days")), timedelta(**parts)
    return (-days, -hours) if found["sign"] == "-" else (days, hours)


def written(time: datetime) -> str:
    """Return a time as the API writes it."""
    return time.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def day_of(time: Time) -> date:
    """Return the day of a time on the clocks of its zone."""
    return time.date() if isinstance(time, datetime) else time


def in_zone_of(start: Time, time: Time) -> Time:
    """Return a time in the zone of the start, in which a rule counts; a day is in no zone."""
    if isinstance(start, datetime) and isinstance(time, datetime):
        return time.astimezone(start.tzinfo)
    return time


def _after(start: Time, found: Property) -> Time:
    """Return the time a duration after another. Days are counted on the clock; hours are exact (section 3.3.6)."""
    length = duration(found.value)
    if not length or min(length) < timedelta():
        raise Unreadable(found.line, "This is not a duration. Write it as P1D or PT1H30M.")
    due = start + length[0]
    if not isinstance(due, datetime):
        return due
    return (due.astimezone(UTC) + length[1]).astimezone(due.tzinfo)
