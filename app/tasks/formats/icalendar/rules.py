"""Make an iCalendar rule, which counts from DTSTART, one that counts from when the task is due (section 3.8.5.3)."""

import re
from collections.abc import Collection
from contextlib import suppress
from datetime import UTC, date, datetime, timedelta
from typing import NamedTuple

from app.tasks import recurrence
from app.tasks.formats.icalendar.times import Span, Time, day_of, in_zone_of
from app.tasks.formats.icalendar.vcalendar import rule as without_vcalendar
from app.tasks.occurrences import next_day
from app.tasks.years import WEEKDAYS, Parts

_UNTIL = re.compile("([0-9]{8})(?:(T[0-9]{6})(Z?))?")
# Days that every month has.
_EVERY_MONTH = 28
# The rule of a task with more excluded days in a row is not kept.
_MOST_EXCLUDED = 366


class Series(NamedTuple):
    """When a task is due, its rule, and the kinds of what was left out."""

    due: Time
    rule: str | None
    left_out: tuple[str, ...] = ()


def series(text: str, span: Span, zone: str | None, excluded: Collection[date]) -> Series:
    """Return the first task of a rule. `excluded` are days on which the rule would start one."""
    due = span.due
    assert due is not None
    start = span.start or due
    parts = _read(without_vcalendar(text))
    if not parts:
        return Series(due, text)
    _leave_out_clock(parts, start)
    _move_until(parts, start, due)
    rule = ";".join(f"{name}={value}" for name, value in parts.items())
    days = (day_of(due) - day_of(start)).days
    if days <= 0 and not excluded:
        return Series(due, rule)
    try:
        parts = _read(recurrence.canonical(rule))
    except recurrence.InvalidRule:
        return Series(due, rule)
    if days > 0 and _falls_on(parts, day_of(start)):
        rule = _moved(parts, day_of(start), days)
        if not rule:
            return Series(due, None, ("recurrence",))
    return _after_excluded(Series(due, rule), zone, {day + timedelta(days) for day in excluded})


def _read(rule: str) -> Parts:
    """Return a rule's parts; none if one is there twice. Some programs write a semicolon after the last part."""
    pairs = [part.strip().partition("=") for part in rule.upper().split(";") if part.strip()]
    parts = {name.strip(): value.strip() for name, _, value in pairs}
    return parts if len(parts) == len(pairs) and all(equals for _, equals, _ in pairs) else {}


def _leave_out_clock(parts: Parts, start: Time) -> None:
    """Leave out parts that say the start's own time. In a rule of days they mean nothing (section 3.3.10)."""
    for name, unit in (("BYHOUR", "hour"), ("BYMINUTE", "minute"), ("BYSECOND", "second")):
        value = parts.get(name, "")
        if not isinstance(start, datetime) or (value.isdecimal() and int(value) == getattr(start, unit)):
            parts.pop(name, None)


def _move_until(parts: Parts, start: Time, due: Time) -> None:
    """Let UNTIL limit when tasks are due instead of when they start: as a day, or as a time in UTC."""
    found = _UNTIL.fullmatch(parts.get("UNTIL", ""))
    if not found or (due == start and (found[3] or not found[2])):
        return
    day, time, is_utc = found.groups()
    # What cannot be a date stays, and is refused with the rule.
    with suppress(ValueError, OverflowError):
        if isinstance(due, datetime) and isinstance(start, datetime) and time:
            until = datetime.fromisoformat(day + time).replace(tzinfo=UTC if is_utc else start.tzinfo)
            parts["UNTIL"] = _basic((until + (due - start)).astimezone(UTC)) + "Z"
        else:
            until_day = date.fromisoformat(day) + (day_of(due) - day_of(start))
            parts["UNTIL"] = _basic(until_day) + (f"{time}Z" if is_utc else "")


def _basic(time: Time) -> str:
    """Return ISO 8601's short form, to the second."""
    return time.isoformat()[:19].replace("-", "").replace(":", "")


def _falls_on(parts: Parts, day: date) -> bool:
    """Return whether a rule falls on its start. Some programs count from the due instead."""
    if not parts.keys() & {"BYDAY", "BYMONTHDAY", "BYYEARDAY", "BYWEEKNO"}:
        return True
    return next_day(parts | {"INTERVAL": "1"}, day - timedelta(1)) == day


def _moved(parts: Parts, start: date, days: int) -> str:
    """Return the rule for the days that come so many days after those of this rule; empty if there is none."""
    limits = {name for name in parts if name.startswith("BY")}
    moved: Parts | None = None
    if parts["FREQ"] in ("DAILY", "WEEKLY") and limits <= {"BYDAY"}:
        # A week begins later, too, or every second week would be another one.
        week = {"WKST": _weekday_after(parts.get("WKST", "MO"), days)} if "INTERVAL" in parts and limits else {}
        weekdays = [_weekday_after(name, days) for name in parts.get("BYDAY", "").split(",") if name]
        moved = {**week, "BYDAY": ",".join(weekdays)} if weekdays else {}
    elif parts["FREQ"] == "YEARLY" and not limits:
        moved = {} if _is_same_each_year(start, days) else None
    elif parts["FREQ"] in ("MONTHLY", "YEARLY") and limits <= {"BYMONTH", "BYMONTHDAY"}:
        numbers = [int(number) for number in parts.get("BYMONTHDAY", str(start.day)).split(",")]
        if all(0 < number <= _EVERY_MONTH - days or -_EVERY_MONTH <= number < -days for number in numbers):
            later = ",".join(str(number + days) for number in numbers)
            moved = {"BYMONTHDAY": later} if "BYMONTHDAY" in parts else {}
    if moved is None:
        return ""
    return recurrence.canonical(";".join(f"{name}={value}" for name, value in (parts | moved).items()))


def _is_same_each_year(start: date, days: int) -> bool:
    """Return whether the day so many days later is the same in a common year, a leap year and before one."""
    try:
        found = [start.replace(year=year) + timedelta(days) for year in (2022, 2023, 2024)]
    except ValueError:
        return False
    return len({(day.month, day.day) for day in found}) == 1


def _weekday_after(name: str, days: int) -> str:
    return WEEKDAYS[(WEEKDAYS.index(name) + days) % 7]


def _after_excluded(found: Series, zone: str | None, excluded: Collection[date]) -> Series:
    """Return the first occurrence that is not excluded. Later ones that are cannot be kept."""
    due, rule = found.due, found.rule
    for _ in range(_MOST_EXCLUDED):
        if day_of(due) not in excluded:
            later = [day for day in excluded if day > day_of(due)]
            return Series(due, rule, ("EXDATE",) * len(later))
        following = recurrence.following(recurrence.canonical(rule or ""), due, zone)
        if following is None:
            break
        due, rule = in_zone_of(found.due, following[0]), following[1]
    return Series(found.due, None, ("recurrence", *("EXDATE",) * len(excluded)))
