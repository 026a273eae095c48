"""Recurrence (RFC 5545, section 3.3.10): which rules a task may carry, and when it is due again."""

import re
from datetime import UTC, date, datetime, time
from zoneinfo import ZoneInfo

from app.tasks.occurrences import ever_falls, next_day
from app.tasks.years import WEEKDAYS, Parts, weekdays_of

MAX_CHARACTERS = 500
_DAY_OF_YEAR = "[+-]?(0{0,2}[1-9]|0?[1-9][0-9]|[12][0-9]{2}|3[0-5][0-9]|36[0-6])"
_WEEK_OF_YEAR = "[+-]?(?:0?[1-9]|[1-4][0-9]|5[0-3])"
# In the order of the RFC's grammar: the form of one value (int() alone takes "1_0" too), and what to use.
PARTS = {
    "FREQ": ("DAILY|WEEKLY|MONTHLY|YEARLY", "DAILY, WEEKLY, MONTHLY or YEARLY"),
    "UNTIL": ("[0-9]{8}(T[0-9]{6}Z)?", "a date like 20261231, or a time in UTC like 20261231T235959Z"),
    "COUNT": ("[1-9][0-9]{0,3}|10000", "1 to 10000"),
    "INTERVAL": ("[1-9][0-9]{0,2}|1000", "1 to 1000"),
    "BYDAY": (f"({_WEEK_OF_YEAR})?({'|'.join(WEEKDAYS)})", "MO to SU, or 1MO to 53MO, or -53MO to -1MO"),
    "BYMONTHDAY": ("[+-]?(0?[1-9]|[12][0-9]|3[01])", "1 to 31, or -31 to -1"),
    "BYYEARDAY": (_DAY_OF_YEAR, "1 to 366, or -366 to -1"),
    "BYWEEKNO": (_WEEK_OF_YEAR, "1 to 53, or -53 to -1"),
    "BYMONTH": ("0?[1-9]|1[0-2]", "1 to 12"),
    "BYSETPOS": (_DAY_OF_YEAR, "1 to 366, or -366 to -1"),
    "WKST": ("|".join(WEEKDAYS), "MO to SU"),
}
# By the RFC's table; but it allows BYSETPOS in DAILY rules, where there is only one day to choose from.
_ONLY_IN = {
    "BYMONTHDAY": ["DAILY", "MONTHLY", "YEARLY"],
    "BYYEARDAY": ["YEARLY"],
    "BYWEEKNO": ["YEARLY"],
    "BYSETPOS": ["WEEKLY", "MONTHLY", "YEARLY"],
}


class InvalidRule(ValueError):
    """This is no rule for a task. The message names the part that is wrong and says what to do."""


def canonical(rule: str) -> str:
    """A rule as it is kept: in capitals, its parts in the RFC's order, without `RRULE:`."""
    if len(rule) > MAX_CHARACTERS:
        raise InvalidRule(f"RRULE: {len(rule)} characters are too many; use at most {MAX_CHARACTERS}.")
    if not (rule.isascii() and rule.isprintable()):
        raise InvalidRule("RRULE: write one line of ASCII; DTSTART is the task's own due, and EXDATE is not kept.")
    parts: Parts = {}
    for part in rule.upper().removeprefix("RRULE:").split(";"):
        name, _, value = part.partition("=")
        if name in parts:
            raise InvalidRule(f"{name}: stands twice; keep one.")
        _check(name, value)
        parts[name] = value
    _check_together(parts)
    if not ever_falls(parts):
        limits = ", ".join(name for name in PARTS if name in parts and name.startswith("BY"))
        raise InvalidRule(f"{limits}: no day of any year fits; change a part, or leave it out.")
    return _written(parts)


def following(rule: str, due: date | datetime, zone: str | None) -> tuple[date | datetime, str] | None:
    """When a task with this canonical rule is due next, and the rule that the next task carries; None after the last.

    The due is the RFC's DTSTART: intervals start from it, what the rule leaves open is taken from it, and COUNT counts
    it, even where it does not fit the rule. The days of a period, BYSETPOS included, are the same from whichever of
    them it is seen, so task after task falls on the days of the first one's rule.

    A time stays what it is on the zone's clocks. One that they skip moves on by the gap, one that they show twice is
    the first (section 3.3.5). A task knows its own due only, so after a gap the later ones stay where it moved them.
    """
    parts = _read(rule)
    count = int(parts.get("COUNT", 0))
    if count == 1:
        return None
    try:
        found = _next(parts, due, ZoneInfo(zone or "UTC"))
    except OverflowError:  # before the year 1 or after 9999, in the zone or in UTC
        return None
    return (found, _written(parts | {"COUNT": str(count - 1)} if count else parts)) if found else None


def _read(rule: str) -> Parts:
    return dict(part.split("=") for part in rule.split(";"))


def _written(parts: Parts) -> str:
    return ";".join(f"{name}={parts[name]}" for name in PARTS if name in parts)


def _check(name: str, value: str) -> None:
    if name not in PARTS:
        raise InvalidRule(f"{name.partition(':')[0] or 'An empty part'}: has no place here; use {', '.join(PARTS)}.")
    form, words = PARTS[name]
    for text in value.split(",") if name.startswith("BY") else [value]:
        if not re.fullmatch(form, text) or (name == "UNTIL" and not _exists(text)):
            raise InvalidRule(f"{name}: {text!r} is not taken; use {words}.")


def _exists(day_or_time: str) -> bool:
    try:
        datetime.fromisoformat(day_or_time)
    except ValueError:
        return False
    return True


def _check_together(parts: Parts) -> None:
    if "FREQ" not in parts:
        raise InvalidRule(f"FREQ: is missing; use {PARTS['FREQ'][1]}.")
    if {"COUNT", "UNTIL"} <= parts.keys():
        raise InvalidRule("COUNT: cannot stand beside UNTIL; keep one of them.")
    for name, frequencies in _ONLY_IN.items():
        if name in parts and parts["FREQ"] not in frequencies:
            raise InvalidRule(f"{name}: has a meaning only in {' and '.join(frequencies)} rules; leave it out.")
    if [name for name in parts if name.startswith("BY")] == ["BYSETPOS"]:
        raise InvalidRule("BYSETPOS: chooses among the days of other parts; add one, such as BYDAY.")
    most = max((abs(number) for _, number in weekdays_of(parts)), default=0)
    if most and (parts["FREQ"] not in ("MONTHLY", "YEARLY") or "BYWEEKNO" in parts):
        raise InvalidRule("BYDAY: takes numbers only in MONTHLY and YEARLY rules without BYWEEKNO; leave them out.")
    if most > _most_of_a_weekday(parts):
        raise InvalidRule("BYDAY: a month has no weekday more than 5 times; use 1 to 5, or -5 to -1.")


def _next(parts: Parts, due: date | datetime, zone: ZoneInfo) -> date | datetime | None:
    """The first occurrence after the due, where UNTIL allows one."""
    clock = due.astimezone(zone) if isinstance(due, datetime) else datetime.combine(due, time(), zone)
    day = next_day(parts, clock.date())
    if day is None:
        return None
    # Without fold, a time in a gap has the offset from before the gap, and of two the first is meant.
    moment = datetime.combine(day, clock.time(), zone).replace(fold=0)
    if "UNTIL" in parts and _is_after(moment, parts["UNTIL"]):
        return None
    return moment.astimezone(UTC) if isinstance(due, datetime) else day


def _is_after(moment: datetime, until: str) -> bool:
    """Whether UNTIL comes before it: a date before its day in the zone, a time before itself, a day being its start."""
    if "T" in until:
        return moment > datetime.fromisoformat(until)
    return moment.date() > date.fromisoformat(until)


def _most_of_a_weekday(parts: Parts) -> int:
    return 5 if parts["FREQ"] == "MONTHLY" or "BYMONTH" in parts else 53
