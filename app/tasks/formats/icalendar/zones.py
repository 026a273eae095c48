"""The time zones of an iCalendar file: known by name, or defined in the file (RFC 5545, section 3.6.5)."""

import re
from contextlib import suppress
from datetime import UTC, datetime, timedelta, tzinfo
from functools import lru_cache
from typing import IO
from zoneinfo import ZoneInfo

from app.tasks.formats.icalendar.lines import Component, Property, components
from app.tasks.formats.icalendar.values import unescape
from app.tasks.formats.icalendar.vcalendar import PhoneZone
from app.tasks.formats.records import Unreadable

_ZONE = re.compile(r';TZID=(?:"([^"]*)"|([^";]*))', re.IGNORECASE)
# What programs write: at most two changes of a clock in a year. Other rules could have too many to go through.
_RULE = re.compile(
    "RRULE:(?=.*BYMONTH=)(?=.*BY(?:DAY=[+-]?[0-9]|MONTHDAY=))(?=.*BYDAY=|[^,]*$)(?:FREQ=YEARLY|INTERVAL=1|BYMONTH=[0-9]{1,2}"
    "|BYDAY=[+-]?[0-9]?[A-Z]{2}|BYMONTHDAY=[0-9,-]{1,24}"
    "|UNTIL=(?:[01][0-9]|20)[0-9TZ]{1,14}|(?:WKST|BYHOUR|BYMINUTE)=[0-9A-Z]{1,2}|;)+",
    re.IGNORECASE,
)
_MOST_RULES = 20
_OBSERVANCE = re.compile(rb"BEGIN:(?:STANDARD|DAYLIGHT)\r\n.*?END:", re.IGNORECASE | re.DOTALL)
_OLD_START = re.compile(rb"(DTSTART[^:]*:)[01][0-9]{3}", re.IGNORECASE)
_ENDED_RULE = re.compile(rb"RRULE:[^\r]*UNTIL=[01][^\r]*\r\n", re.IGNORECASE)
_ENDLESS_RULE = re.compile(rb"RRULE:(?![^\r]*UNTIL)[^\r]*", re.IGNORECASE)
# A definition says how clocks change today, so the name is that of the zone with the same changes in this year.
_YEAR = 2026
# Some servers write +530.
_SHORT_OFFSET = re.compile(rb"(TZOFFSET(?:FROM|TO):[+-])([0-9]{3})(?=\r)", re.IGNORECASE)
# More zones, and longer definitions, are not remembered. Those of programs have at most 8 KiB.
_MOST = 10
# Each takes up to 0.1 s.
_MOST_READ = 50
_LONGEST = 16 * 1024
# They come first where several zones have the same time.
_POPULOUS = (
    "Europe/Berlin",
    "Europe/London",
    "Europe/Athens",
    "America/New_York",
    "America/Chicago",
    "America/Denver",
    "America/Los_Angeles",
    "Australia/Sydney",
)


class Zones:
    """The zones that a file has defined so far."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._start = file.tell() if file.seekable() else None
        self._can_look_ahead = self._start is not None
        self._definitions: dict[str, Component] = {}
        self._zones: dict[str, tzinfo | None] = {}
        self._read_before: dict[bytes, tzinfo | None] = {}

    def define(self, definition: Component) -> None:
        """Remember a VTIMEZONE, if its name is unknown."""
        name = definition.text("TZID") or ""
        has_room = name in self._definitions or len(self._definitions) < _MOST
        if has_room and sum(map(len, definition.lines)) <= _LONGEST and not known(name):
            self._definitions[name] = definition
            self._zones.pop(name, None)

    def of(self, found: Property, floating: tzinfo) -> tzinfo:
        """Return the zone of a property's time; `floating` is the zone of a time without one."""
        named = _ZONE.search(found.parameters)
        name = unescape(named[1] or named[2] or "") if named else ""
        if not name:
            return floating
        zone = known(name) or self._defined(name)
        if not zone:
            fix = "Name it as IANA does, for example Europe/Berlin"
            if self._start is None:
                fix += ", or import a file instead of a stream if the zone is defined at its end"
            raise Unreadable(found.line, f"The time zone {name[:40]!r} is unknown. {fix}.")
        return zone

    def _defined(self, name: str) -> tzinfo | None:
        if name not in self._definitions and self._can_look_ahead:
            self._look_ahead()
        if name in self._definitions and name not in self._zones:
            definition = self._definitions[name]
            place = known(definition.text("X-LIC-LOCATION") or "")
            self._zones[name] = place or self._read(b"\r\n".join(definition.lines))
        return self._zones.get(name)

    def _read(self, definition: bytes) -> tzinfo | None:
        """Return the zone of a definition. A file of many calendars repeats the same ones."""
        if definition not in self._read_before and len(self._read_before) < _MOST_READ:
            self._read_before[definition] = _zone_of(definition)
        return self._read_before.get(definition)

    def _look_ahead(self) -> None:
        """Look once through the whole file, because a definition may come after its use."""
        self._can_look_ahead = False
        here = self._file.tell()
        self._file.seek(self._start or 0)
        # The first look comes to the faults.
        with suppress(Unreadable):
            for found in components(self._file):
                if isinstance(found, Component) and found.name == "VTIMEZONE":
                    self.define(found)
        self._file.seek(here)


@lru_cache(maxsize=256)
def known(name: str) -> ZoneInfo | None:
    """Return the zone that a name means, or None: an IANA name, also after a prefix, or a name of Windows."""
    # Evolution, Mozilla and others put a prefix before it: /freeassociation.sourceforge.net/Europe/Berlin.
    parts = name.split("/")
    suffixes = ["/".join(parts[-length:]) for length in (3, 2, 1)] if name.startswith("/") else []
    for known_as in (name, *suffixes):
        try:
            return ZoneInfo(known_as)
        except (KeyError, ValueError, OSError):
            continue
    windows = _windows_zones().get(name)
    return known(windows) if windows else None


def _windows_zones() -> dict[str, str]:
    # Here, for few need it and every start of the service would take a tenth longer.
    from icalendar.timezone.windows_to_olson import WINDOWS_TO_OLSON  # noqa: PLC0415

    return WINDOWS_TO_OLSON


def name_of(zone: tzinfo, year: int) -> str | None:
    """Return the IANA name of a zone, or of one with the same time on each day of a year; None if there is none."""
    if zone is UTC:
        return None
    if isinstance(zone, ZoneInfo):
        return zone.key
    # A phone's zone says when summer is, year by year.
    return _equivalent(zone, year if isinstance(zone, PhoneZone) else _YEAR)


@lru_cache(maxsize=256)
def _equivalent(zone: tzinfo, year: int) -> str | None:
    noons = [datetime(year, 1, 1, 12) + timedelta(days) for days in range(365)]  # noqa: DTZ001
    offsets = [noon.replace(tzinfo=zone).utcoffset() for noon in noons]
    fixed = [f"Etc/GMT{-hours:+}" for hours in range(-12, 15) if hours]
    for name in ("UTC", *fixed, *_POPULOUS, *_windows_zones().values()):
        other = known(name)
        if all(noon.replace(tzinfo=other).utcoffset() == offset for noon, offset in zip(noons, offsets, strict=True)):
            return name
    return None


def _bounded(observance: re.Match[bytes]) -> bytes:
    """Let a rule begin in 2000 at the earliest, and end in 2100: Windows' begin in 1601, and each year takes time."""
    text = observance[0]
    if b"RRULE" not in text.upper():
        return text
    if _ENDED_RULE.search(text):
        # It ended before: its last change is long past.
        return _ENDED_RULE.sub(b"", text)
    return _ENDLESS_RULE.sub(rb"\g<0>;UNTIL=21000101T000000Z", _OLD_START.sub(rb"\g<1>2000", text))


def _zone_of(definition: bytes) -> tzinfo | None:
    """Return the zone that the rules of a VTIMEZONE mean; None if they are not those of a program."""
    rules = [line.decode(errors="replace") for line in definition.split(b"\r\n") if line[:5].upper() == b"RRULE"]
    if len(rules) > _MOST_RULES or not all(map(_RULE.fullmatch, rules)):
        return None
    # Here, for few need it and every start of the service would take a tenth longer.
    from icalendar import Timezone  # noqa: PLC0415

    text = _SHORT_OFFSET.sub(rb"\g<1>0\2", definition)
    try:
        rules_ = Timezone.from_ical(_OBSERVANCE.sub(_bounded, text))
        zone: tzinfo = rules_.to_tz(lookup_tzid=False)  # type: ignore[attr-defined]
        zone.utcoffset(datetime(2000, 1, 1))  # noqa: DTZ001
    except (ValueError, KeyError, AttributeError, TypeError, IndexError, OverflowError):
        return None
    return zone
