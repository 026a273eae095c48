"""Recurrence (RFC 5545, section 3.3.10): which rules a task may carry, and when it is due again."""

import re
from calendar import isleap, monthrange
from collections.abc import Iterator, Sequence
from datetime import MAXYEAR, UTC, date, datetime, time, timedelta
from functools import lru_cache
from itertools import compress
from math import gcd
from zoneinfo import ZoneInfo

from dateutil.rrule import YEARLY, rrule, weekday

MOST_CHARACTERS = 500
WEEKDAYS = ["MO", "TU", "WE", "TH", "FR", "SA", "SU"]
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

Parts = dict[str, str]


class InvalidRule(ValueError):
    """This is no rule for a task. The message names the part that is wrong and says what to do."""


def canonical(rule: str) -> str:
    """A rule as it is kept: in capitals, its parts in the RFC's order, without `RRULE:`."""
    if len(rule) > MOST_CHARACTERS:
        raise InvalidRule(f"RRULE: {len(rule)} characters are too many; use at most {MOST_CHARACTERS}.")
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
    _check_that_a_day_fits(parts)
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
    most = max((abs(number) for _, number in _weekdays(parts)), default=0)
    if most and (parts["FREQ"] not in ("MONTHLY", "YEARLY") or "BYWEEKNO" in parts):
        raise InvalidRule("BYDAY: takes numbers only in MONTHLY and YEARLY rules without BYWEEKNO; leave them out.")
    if most > _most_of_a_weekday(parts):
        raise InvalidRule("BYDAY: a month has no weekday more than 5 times; use 1 to 5, or -5 to -1.")


def _check_that_a_day_fits(parts: Parts) -> None:
    """In some period of some kind of year; which periods an interval reaches is a matter of the due."""
    anywhere = parts | {"INTERVAL": "1"}
    if "BYWEEKNO" in parts:
        anywhere.setdefault("BYDAY", ",".join(WEEKDAYS))
    if not any(_days(anywhere, date(2000, 1, 1), 2028)):
        limits = ", ".join(name for name in PARTS if name in parts and name.startswith("BY"))
        raise InvalidRule(f"{limits}: no day of any year fits; change a part, or leave it out.")


def _next(parts: Parts, due: date | datetime, zone: ZoneInfo) -> date | datetime | None:
    """The first occurrence after the due, where UNTIL allows one."""
    clock = due.astimezone(zone) if isinstance(due, datetime) else datetime.combine(due, time(), zone)
    today, interval = clock.date(), int(parts.get("INTERVAL", 1))
    # By then the calendar and the interval have met in every way that they ever meet.
    last_year = today.year + 400 * interval // gcd(interval, _PERIODS_IN_400_YEARS[parts["FREQ"]])
    day = next((day for day in _days(parts, today, min(last_year, MAXYEAR) + 1) if day > today), None)
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


# The calendar repeats itself after 400 years, which are whole weeks. Years are of 28 kinds, by their first weekday and
# by which of a year and its neighbours are leap years: 2000 to 2027 are one of each.
_PERIODS_IN_400_YEARS = {"DAILY": 146_097, "WEEKLY": 20_871, "MONTHLY": 4_800, "YEARLY": 400}


def _kind(year: int) -> tuple[int, bool, bool, bool]:
    return date(year, 1, 1).weekday(), isleap(year - 1), isleap(year), isleap(year + 1)


_KINDS = {_kind(year): year for year in range(2000, 2028)}
_ALIKE = [_KINDS[_kind(year)] for year in range(2000, 2400)]


def _days(parts: Parts, due: date, end: int) -> Iterator[date]:
    """The days of the rule, from the beginning of the due's period to that of the year `end`."""
    limits, places = _limits(parts, due), _numbers(parts, "BYSETPOS")
    for year, period in _periods(parts, due, end):
        marks = _fitting(limits, _ALIKE[year % 400])[period.start : period.stop : period.step]
        if len(marks) < len(period):  # a week of two years
            marks += _fitting(limits, _ALIKE[(year + 1) % 400])[: len(period) - len(marks)]
        if 1 in marks:
            days = list(compress(period, marks))
            yield from (date(year, 1, 1) + timedelta(day) for day in (sorted(_at(places, days)) if places else days))


def _at(places: list[int], days: Sequence[int]) -> set[int]:
    """The days at these places, counted from 1, or from the end as -1."""
    return {days[place - (place > 0)] for place in places if abs(place) <= len(days)}


def _periods(parts: Parts, due: date, end: int) -> Iterator[tuple[int, range]]:
    """The periods that the interval reaches, the due's first: a year, and days in it from 0 on.

    In DAILY rules, all days of a year come at once.
    """
    interval = int(parts.get("INTERVAL", 1))
    match parts["FREQ"]:
        case "YEARLY":
            for year in range(due.year, end, interval):
                yield year, range(365 + isleap(year))
        case "MONTHLY":
            for month in range(due.year * 12 + due.month - 1, end * 12, interval):
                first = date(month // 12, month % 12 + 1, 1)
                start, length = _since_new_year(first), monthrange(first.year, first.month)[1]
                yield first.year, range(start, start + length)
        case "WEEKLY":
            week = _start_of_week(due, parts)
            while week.year < end:
                yield week.year, range(_since_new_year(week), _since_new_year(week) + 7)
                week += timedelta(7 * interval)
        case "DAILY":
            start = _since_new_year(due) % interval
            for year in range(due.year, end):
                yield year, range(start, 365 + isleap(year), interval)
                start = (start - 365 - isleap(year)) % interval


def _since_new_year(day: date) -> int:
    return (day - date(day.year, 1, 1)).days


def _start_of_week(day: date, parts: Parts) -> date:
    return day - timedelta((day.weekday() - WEEKDAYS.index(parts.get("WKST", "MO"))) % 7)


def _limits(parts: Parts, due: date) -> str:
    """What a day must fit: the parts that say so, and the due's own day for what they leave open."""
    limits = {name: parts[name] for name in parts if name not in ("UNTIL", "COUNT", "INTERVAL", "BYSETPOS")}
    if not limits.keys() & {"BYDAY", "BYMONTHDAY", "BYYEARDAY"}:
        match parts["FREQ"]:
            case "DAILY":
                limits["BYDAY"] = ",".join(WEEKDAYS)
            case "YEARLY" if "BYWEEKNO" not in parts:
                limits = {"BYMONTH": str(due.month)} | limits | {"BYMONTHDAY": str(due.day)}
            case "MONTHLY":
                limits["BYMONTHDAY"] = str(due.day)
            case _:
                limits["BYDAY"] = WEEKDAYS[due.weekday()]
    return _written(limits)


@lru_cache(1_000)
def _fitting(limits: str, year: int) -> bytes:
    """Which days of a year fit, an octet for each: 0.2 ms to find out, so it is kept.

    The calendar is dateutil's, but asked for a year at a time: its own search for a day that never comes goes on to the
    year 9999, for up to 6 s. Week numbers are ours: by its own, two days of January 2011 are in week 53 of 2010.
    """
    parts = _read(limits)
    weekdays = set(_weekdays(parts))
    plain = [weekday(day) for day, number in weekdays if not number]
    numbered = [weekday(day, number) for day, number in weekdays if number]
    new_year = date(year, 1, 1).toordinal()
    days = {
        day.toordinal() - new_year
        # MO beside 1TU is to dateutil a day that is both, so each kind is asked for alone.
        for by_weekday in ([plain, numbered] if plain and numbered else [plain or numbered or None])
        for day in rrule(
            YEARLY,
            date(year, 1, 1),
            interval=MAXYEAR,
            bymonth=_numbers(parts, "BYMONTH") or (range(1, 13) if parts["FREQ"] == "MONTHLY" else None),
            bymonthday=_numbers(parts, "BYMONTHDAY") or None,
            byyearday=_numbers(parts, "BYYEARDAY") or None,
            byweekday=by_weekday,
        )
    }
    if "BYWEEKNO" in parts:
        days &= _days_of_weeks(parts, year)
    return bytes(day in days for day in range(365 + isleap(year)))


def _days_of_weeks(parts: Parts, year: int) -> set[int]:
    """Week 1 is that of 4 January. At New Year there are days in weeks of the years before and after."""
    numbers, days = _numbers(parts, "BYWEEKNO"), set[int]()
    for each in (year - 1, year, year + 1):
        first, end = (_start_of_week(date(january, 1, 4), parts) - date(year, 1, 1) for january in (each, each + 1))
        for week in _at(numbers, range(first.days, end.days, 7)):
            days.update(range(week, week + 7))
    return days


def _numbers(parts: Parts, name: str) -> list[int]:
    return [int(number) for number in parts[name].split(",")] if name in parts else []


def _weekdays(parts: Parts) -> list[tuple[int, int]]:
    """Of BYDAY: each weekday from Monday as 0, and which one of its month or year it is, 0 being all of them."""
    texts = parts["BYDAY"].split(",") if "BYDAY" in parts else []
    return [(WEEKDAYS.index(text[-2:]), int(text[:-2] or 0)) for text in texts]


def _most_of_a_weekday(parts: Parts) -> int:
    return 5 if parts["FREQ"] == "MONTHLY" or "BYMONTH" in parts else 53
