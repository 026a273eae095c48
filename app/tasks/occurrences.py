"""Find the first day of a recurrence rule after a task's due date, however far away."""

from calendar import isleap, monthrange
from collections.abc import Iterator
from datetime import date, timedelta
from itertools import pairwise
from math import lcm

from app.tasks.years import WEEKDAYS, Days, Parts, Years, at, fitting, in_400_years, numbers, start_of_week

# Days and periods are counted from here. The calendar repeats after 400 years, which are whole weeks.
NEW_YEAR = date(2000, 1, 1)


def ever_falls(parts: Parts) -> bool:
    """Return whether the rule matches any day of any year, ignoring its interval, which depends on the due date."""
    anywhere = parts | {"INTERVAL": "1"}
    if "BYWEEKNO" in parts:
        anywhere.setdefault("BYDAY", ",".join(WEEKDAYS))
    return 1 in _periods(anywhere, fitting(_limits(anywhere, NEW_YEAR)))


def next_day(parts: Parts, due: date) -> date | None:
    """Return the rule's first day after the due date. The due date's period is where the interval starts.

    For any rule this takes under 1 ms, because the periods are searched as bytes, not one by one.
    """
    years, places = fitting(_limits(parts, due)), numbers(parts, "BYSETPOS")
    calendar, today = in_400_years(years), (due - NEW_YEAR).days
    for each in _reached(parts, years, _period(parts, due)):
        days = [day for day in _span(parts, each) if calendar[day % len(calendar)]]
        for day in sorted(at(places, days)) if places else days:
            if day > today:
                return NEW_YEAR + timedelta(day)
    return None


def _reached(parts: Parts, years: Years, period: int) -> Iterator[int]:
    """Yield the periods that may have the next day: the due date's, the interval's next, and the next with a match."""
    interval, last = int(parts.get("INTERVAL", 1)), _period(parts, date.max)
    yield period
    period += interval
    if period <= last:
        # Most rules match in this one.
        yield period
    marks = _periods(parts, years)
    # After this period, the pattern of calendar and interval repeats.
    end = min(last, period + lcm(interval, len(marks)))
    while period <= end:
        place = period % len(marks)
        ahead = marks[place::interval].find(1)
        if ahead >= 0:
            yield from range(period + ahead * interval, last + 1)[:1]
            return
        period += len(range(place, len(marks), interval)) * interval


def _period(parts: Parts, day: date) -> int:
    """Return the number of a day's period."""
    since = (day - NEW_YEAR).days
    match parts["FREQ"]:
        case "DAILY":
            return since
        case "WEEKLY":
            return (since + _before_new_year(parts)) // 7
        case "MONTHLY":
            return (day.year - NEW_YEAR.year) * 12 + day.month - 1
        case _:
            return day.year - NEW_YEAR.year


def _span(parts: Parts, period: int) -> range:
    """Return the days of a period."""
    match parts["FREQ"]:
        case "DAILY":
            start, length = period, 1
        case "WEEKLY":
            start, length = period * 7 - _before_new_year(parts), 7
        case "MONTHLY":
            year, month = NEW_YEAR.year + period // 12, period % 12 + 1
            start, length = (date(year, month, 1) - NEW_YEAR).days, monthrange(year, month)[1]
        case _:
            year = NEW_YEAR.year + period
            start, length = (date(year, 1, 1) - NEW_YEAR).days, 365 + isleap(year)
    return range(start, start + length)


def _before_new_year(parts: Parts) -> int:
    """Return how many days of the week of 1 January 2000 come before that day."""
    return (NEW_YEAR - start_of_week(NEW_YEAR, parts)).days


def _periods(parts: Parts, years: Years) -> bytes:
    """Return, for each period of 400 years, 1 if the rule matches a day of it, else 0."""
    # A period needs as many matching days as the smallest place in BYSETPOS.
    least = min(map(abs, numbers(parts, "BYSETPOS")), default=1)
    match parts["FREQ"]:
        case "DAILY":
            return in_400_years(years)
        case "WEEKLY":
            calendar, before = in_400_years(years), _before_new_year(parts)
            weeks = calendar[len(calendar) - before :] + calendar[: len(calendar) - before]
            # The seven days of all weeks are added at once: no sum exceeds its byte.
            counts = sum(int.from_bytes(weeks[weekday::7]) for weekday in range(7)).to_bytes(len(weeks) // 7)
            return counts.translate(bytes(count >= least for count in range(256)))
        case "MONTHLY":
            return in_400_years(
                {
                    year: bytes(marks.count(1, start, end) >= least for start, end in pairwise(Days(year).new_months))
                    for year, marks in years.items()
                }
            )
        case _:
            return in_400_years({year: bytes([marks.count(1) >= least]) for year, marks in years.items()})


def _limits(parts: Parts, due: date) -> tuple[tuple[str, str], ...]:
    """Return the rule's limits on days, completed from the due date where the rule leaves them open."""
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
    return tuple(limits.items())
