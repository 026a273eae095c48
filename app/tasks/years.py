"""Find the days that match a recurrence rule's limits (RFC 5545, section 3.3.10), for each kind of year."""

from calendar import isleap, monthrange
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, timedelta
from functools import lru_cache, reduce
from operator import or_

WEEKDAYS = ["MO", "TU", "WE", "TH", "FR", "SA", "SU"]

# A rule's stored parts, by name.
Parts = dict[str, str]

# A year of each kind → the days of that kind.
Years = Mapping[int, bytes]


def _kind(year: int) -> tuple[int, bool, bool, bool]:
    return date(year, 1, 1).weekday(), isleap(year - 1), isleap(year), isleap(year + 1)


# There are 28 kinds, by the first weekday and by which of a year and its neighbours are leap years. 2000 to 2027 have
# one of each.
KINDS = {_kind(year): year for year in range(2000, 2028)}
_ALIKE = [KINDS[_kind(year)] for year in range(2000, 2400)]


def in_400_years(years: Years) -> bytes:
    """Join the years from 2000 on; after 400 years the calendar repeats."""
    return b"".join([years[year] for year in _ALIKE])


@lru_cache(200)
def fitting(limits: tuple[tuple[str, str], ...]) -> Years:
    """Return 1 or 0 for each day of each kind of year. It takes some 0.3 ms, so it is cached."""
    parts = dict(limits)
    wanted = {name: set(numbers(parts, name)) for name in ("BYMONTH", "BYMONTHDAY", "BYYEARDAY", "BYWEEKNO")}
    weekdays = set(weekdays_of(parts))
    of_months = bool(parts["FREQ"] == "MONTHLY" or wanted["BYMONTH"])
    years = {}
    for year in KINDS.values():
        days = Days(year)
        left = days.all
        if wanted["BYMONTH"]:
            left &= _any(days.months[month] for month in wanted["BYMONTH"])
        if wanted["BYMONTHDAY"]:
            left &= _any(days.month_days[day] for day in wanted["BYMONTHDAY"])
        if wanted["BYYEARDAY"]:
            left &= _any(1 << day for day in at(wanted["BYYEARDAY"], range(days.count)))
        if wanted["BYWEEKNO"]:
            left &= days.of_weeks(wanted["BYWEEKNO"], parts)
        if weekdays:
            left &= _any(days.of_weekday(weekday, number, of_months) for weekday, number in weekdays)
        years[year] = f"{left:0{days.count}b}".encode().translate(_OCTETS)[::-1]
    return years


_OCTETS = bytes.maketrans(b"01", b"\0\1")


def _any(sets: Iterable[int]) -> int:
    return reduce(or_, sets, 0)


@lru_cache
class Days:
    """Sets of days of a year as bits of a number; the lowest bit is 1 January."""

    def __init__(self, year: int) -> None:
        self.year, self.count = year, 365 + isleap(year)
        self.all = (1 << self.count) - 1
        self._first_weekday = date(year, 1, 1).weekday()
        self.months = dict.fromkeys(range(1, 13), 0)
        self.month_days: defaultdict[int, int] = defaultdict(int)
        # The first day of each month, and the end of the last month.
        self.new_months = [0]
        for month in self.months:
            start, length = self.new_months[-1], monthrange(year, month)[1]
            for number in range(length):
                day = 1 << start + number
                self.months[month] |= day
                self.month_days[number + 1] |= day
                self.month_days[number - length] |= day
            self.new_months.append(start + length)
        self._weekdays = [_any(1 << day for day in self._each(weekday)) for weekday in range(7)]
        # The first seven days of each month are at 1, the next seven at 2; the last seven are at -1.
        self._sevens = {
            number: _any(self.month_days[sign * day] for day in range(number * sign * 7 - 6, number * sign * 7 + 1))
            for sign in (1, -1)
            for number in range(sign, sign * 6, sign)
        }

    def of_weekday(self, weekday: int, number: int, of_months: bool) -> int:
        """Return all days with a weekday, or only those with this number in their month or in the year."""
        if not number:
            return self._weekdays[weekday]
        if of_months:
            return self._weekdays[weekday] & self._sevens[number]
        return _any(1 << day for day in at([number], self._each(weekday)))

    def of_weeks(self, numbers: set[int], parts: Parts) -> int:
        """Return the days of these weeks. Week 1 has 4 January; some days belong to weeks of the adjacent years."""
        days = 0
        for year in (self.year - 1, self.year, self.year + 1):
            new_years = (start_of_week(date(january, 1, 4), parts) for january in (year, year + 1))
            first, end = ((day - date(self.year, 1, 1)).days for day in new_years)
            for week in at(numbers, range(first, end, 7)):
                days |= 0b1111111 << week if week >= 0 else 0b1111111 >> -week
        return days

    def _each(self, weekday: int) -> range:
        return range((weekday - self._first_weekday) % 7, self.count, 7)


def at(places: Iterable[int], days: Sequence[int]) -> set[int]:
    """Return the days at these places, counted from 1, or from the end as -1."""
    return {days[place - (place > 0)] for place in places if abs(place) <= len(days)}


def start_of_week(day: date, parts: Parts) -> date:
    return day - timedelta((day.weekday() - WEEKDAYS.index(parts.get("WKST", "MO"))) % 7)


def numbers(parts: Parts, name: str) -> list[int]:
    return [int(number) for number in parts[name].split(",")] if name in parts else []


def weekdays_of(parts: Parts) -> list[tuple[int, int]]:
    """Return BYDAY's weekdays (Monday is 0), each with its number in the month or year (0 means all)."""
    texts = parts["BYDAY"].split(",") if "BYDAY" in parts else []
    return [(WEEKDAYS.index(text[-2:]), int(text[:-2] or 0)) for text in texts]
