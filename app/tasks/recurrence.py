"""Recurrence (RFC 5545, section 3.3.10): the rules that a task may have, and its next due date."""

import re
from datetime import UTC, date, datetime, time
from typing import NamedTuple
from zoneinfo import ZoneInfo

from app.tasks.occurrences import ever_falls, next_day
from app.tasks.years import WEEKDAYS, Parts, weekdays_of

MAX_CHARACTERS = 500
_DAY_OF_YEAR = "[+-]?(0{0,2}[1-9]|0?[1-9][0-9]|[12][0-9]{2}|3[0-5][0-9]|36[0-6])"
_SEPARATOR = re.compile(r"\s*([:;=,\n])\s*")
_WEEK_OF_YEAR = "[+-]?(?:0?[1-9]|[1-4][0-9]|5[0-3])"
# In the order of the RFC's grammar: a pattern of one value (int() alone accepts "1_0" too), and the allowed values.
PARTS = {
    "FREQ": ("DAILY|WEEKLY|MONTHLY|YEARLY", "DAILY, WEEKLY, MONTHLY or YEARLY"),
    "UNTIL": (
        "[0-9]{8}(T[0-9]{6}Z?)?",
        "a date like 20261231, a time in UTC like 20261231T235959Z, or a time in time_zone like 20261231T235959",
    ),
    "COUNT": ("0*([1-9][0-9]{0,3}|10000)", "1 to 10000"),
    "INTERVAL": ("0*([1-9][0-9]{0,2}|1000)", "1 to 1000"),
    "BYDAY": (f"({_WEEK_OF_YEAR})?({'|'.join(WEEKDAYS)})", "MO to SU, or 1MO to 53MO, or -53MO to -1MO"),
    "BYMONTHDAY": ("[+-]?(0?[1-9]|[12][0-9]|3[01])", "1 to 31, or -31 to -1"),
    "BYYEARDAY": (_DAY_OF_YEAR, "1 to 366, or -366 to -1"),
    "BYWEEKNO": (_WEEK_OF_YEAR, "1 to 53, or -53 to -1"),
    "BYMONTH": ("0?[1-9]|1[0-2]", "1 to 12"),
    "BYSETPOS": (_DAY_OF_YEAR, "1 to 366, or -366 to -1"),
    "WKST": ("|".join(WEEKDAYS), "MO to SU"),
}
# From the RFC's table. It also allows BYSETPOS in DAILY rules, where there is only one day to choose from.
_ONLY_IN = {
    "BYMONTHDAY": ["DAILY", "MONTHLY", "YEARLY"],
    "BYYEARDAY": ["YEARLY"],
    "BYWEEKNO": ["YEARLY"],
    "BYSETPOS": ["WEEKLY", "MONTHLY", "YEARLY"],
}
_SUPPORTED = f"is not supported; use {', '.join(PARTS)}."
# What other programs write into a rule or next to it, but a task cannot keep.
_ONE_TIME = "a rule repeats days, always at the time of due_at; leave it out."
_ONE_RULE = "a task has one rule, without other dates; leave it out."
_UNSUPPORTED = {
    "DTSTART": "is the task's due_on or due_at; leave it out.",
    **dict.fromkeys(("BYHOUR", "BYMINUTE", "BYSECOND"), _ONE_TIME),
    **dict.fromkeys(("RRULE", "EXRULE", "RDATE", "EXDATE"), _ONE_RULE),
}


class InvalidRule(ValueError):
    """This is not a valid rule for a task. The message names the wrong part and says what to do."""


class Occurrence(NamedTuple):
    """When the next task is due, and its rule."""

    # A time is in UTC.
    due: date | datetime
    rule: str
    # The time on the zone's clocks that the rule means, if they skip it. Then `due` is later.
    skipped: datetime | None = None


def canonical(rule: str) -> str:
    """Return a rule in capitals, its parts in the RFC's order, without `RRULE:`, empty parts and white space."""
    if len(rule) > MAX_CHARACTERS:
        raise InvalidRule(f"RRULE: has {len(rule)} characters; use at most {MAX_CHARACTERS}.")
    # Properties on lines of their own, such as DTSTART, are parts that are refused by name.
    text = _SEPARATOR.sub(r"\1", rule.strip()).replace("\n", ";")
    if not (rule.isascii() and text.isprintable()):
        raise InvalidRule("RRULE: use ASCII characters without control characters.")
    parts: Parts = {}
    # Some programs write a semicolon after the last part too.
    for part in filter(None, text.upper().removeprefix("RRULE:").split(";")):
        name, _, value = part.partition("=")
        if name in parts:
            raise InvalidRule(f"{name}: is given twice; keep one.")
        _check(name, value)
        parts[name] = value
    _check_together(parts)
    if not ever_falls(parts):
        limits = ", ".join(name for name in PARTS if name in parts and name.startswith("BY"))
        raise InvalidRule(f"{limits}: no day of any year matches; change a part, or leave it out.")
    return _written(parts)


def with_until_in_utc(rule: str, zone: str | None, *, on_days: bool) -> str:
    """Return a canonical rule whose UNTIL does not depend on a zone: a time in UTC, or a day if tasks are due on days.

    dateutil writes UNTIL without a zone, as does rrule.js for a rule with one.
    """
    parts = _read(rule)
    if "T" not in (until := parts.get("UNTIL", "")) or until.endswith("Z"):
        return rule
    if on_days:
        return _written(parts | {"UNTIL": until[:8]})
    try:
        moment = datetime.fromisoformat(until).replace(tzinfo=ZoneInfo(zone or "UTC")).astimezone(UTC)
    except OverflowError:
        # Before the first year or after the last: no task is due then.
        return _written(parts | {"UNTIL": f"{until}Z"})
    return _written(parts | {"UNTIL": re.sub("[-:]", "", moment.isoformat()[:19]) + "Z"})


def following(rule: str, due: date | datetime, zone: str | None, skipped: datetime | None = None) -> Occurrence | None:
    """Return the next occurrence of a task with this stored rule; None after the last.

    The due date is the RFC's DTSTART: intervals start from it, and it fills in the parts that the rule leaves open.
    COUNT counts it, even if it does not match the rule. Each day of a period, with BYSETPOS too, leads to the same days
    of it, so each task falls on the days of the first task's rule.

    A time stays the same on the zone's clocks. A time that they skip moves on by the gap; of a time that they show
    twice, the first counts (section 3.3.5). After a gap, `skipped` is the time to return to.
    """
    parts = _read(rule)
    count = int(parts.get("COUNT", 0))
    if count == 1:
        return None
    rest = _written(parts | {"COUNT": str(count - 1)} if count else parts)
    try:
        if isinstance(due, datetime):
            return _next_time(parts, _clock(due, ZoneInfo(zone or "UTC"), skipped), rest)
        found = _next(parts, datetime.combine(due, time(), ZoneInfo(zone or "UTC")))
    except OverflowError:  # Before the year 1 or after 9999, in the zone or in UTC.
        return None
    return Occurrence(found.date(), rest) if found else None


def _read(rule: str) -> Parts:
    return dict(part.split("=") for part in rule.split(";"))


def _written(parts: Parts) -> str:
    return ";".join(f"{name}={parts[name]}" for name in PARTS if name in parts)


def _check(name: str, value: str) -> None:
    if name not in PARTS:
        name = name.partition(":")[0] or "A part without a name"
        raise InvalidRule(f"{name}: {_UNSUPPORTED.get(name) or _SUPPORTED}")
    form, words = PARTS[name]
    for text in value.split(",") if name.startswith("BY") else [value]:
        if not re.fullmatch(form, text) or (name == "UNTIL" and not _exists(text)):
            raise InvalidRule(f"{name}: {text!r} is not valid; use {words}.")


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
        raise InvalidRule("COUNT: is not allowed together with UNTIL; keep one of them.")
    for name, frequencies in _ONLY_IN.items():
        if name in parts and parts["FREQ"] not in frequencies:
            raise InvalidRule(f"{name}: is allowed only in {' and '.join(frequencies)} rules; leave it out.")
    if [name for name in parts if name.startswith("BY")] == ["BYSETPOS"]:
        raise InvalidRule("BYSETPOS: selects from the days of other parts; add one, such as BYDAY.")
    most = max((abs(number) for _, number in weekdays_of(parts)), default=0)
    if most and (parts["FREQ"] not in ("MONTHLY", "YEARLY") or "BYWEEKNO" in parts):
        raise InvalidRule("BYDAY: allows numbers only in MONTHLY and YEARLY rules without BYWEEKNO; leave them out.")
    if most > _most_of_a_weekday(parts):
        raise InvalidRule("BYDAY: a month has each weekday at most 5 times; use 1 to 5, or -5 to -1.")


def _clock(due: datetime, zone: ZoneInfo, skipped: datetime | None) -> datetime:
    """Return the time on the zone's clocks that the rule means: the skipped time if it still leads to the due date."""
    meant = skipped and skipped.replace(tzinfo=zone)
    return meant if meant and meant.astimezone(UTC) == due else due.astimezone(zone)


def _next_time(parts: Parts, clock: datetime, rule: str) -> Occurrence | None:
    """Return the first occurrence at a later moment than this time."""
    found = _next(parts, clock)
    # If clocks skip a whole day, its times are those of the next day, and count once (section 3.8.5.3).
    while found and found.astimezone(UTC) <= clock.astimezone(UTC):
        found = _next(parts, found)
    if found is None:
        return None
    moment, meant = found.astimezone(UTC), found.replace(tzinfo=None)
    shown = moment.astimezone(clock.tzinfo).replace(tzinfo=None)
    return Occurrence(moment, rule, None if shown == meant else meant)


def _next(parts: Parts, clock: datetime) -> datetime | None:
    """Return the first occurrence after a time on a zone's clocks, or None if UNTIL is earlier."""
    day = next_day(parts, clock.date())
    if day is None:
        return None
    # With fold=0, a time in a gap has the offset from before it, and a time shown twice is the first.
    found = datetime.combine(day, clock.time(), clock.tzinfo).replace(fold=0)
    return None if "UNTIL" in parts and _is_after(found, parts["UNTIL"]) else found


def _is_after(moment: datetime, until: str) -> bool:
    """Return whether UNTIL is earlier: a date is compared with the day in the zone, a time with the moment."""
    if "T" in until:
        return moment > datetime.fromisoformat(until)
    return moment.date() > date.fromisoformat(until)


def _most_of_a_weekday(parts: Parts) -> int:
    return 5 if parts["FREQ"] == "MONTHLY" or "BYMONTH" in parts else 53
