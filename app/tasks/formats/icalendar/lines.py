"""Read an iCalendar file one component at a time: unfold its lines, and split them into properties."""

import re
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import suppress
from functools import partial
from typing import IO, NamedTuple

from app.tasks.formats.icalendar.values import unescape
from app.tasks.formats.icalendar.vcalendar import NOT_UTF8, decode
from app.tasks.formats.records import MAX_RECORD_BYTES, Unreadable

# A name, parameters whose values may be quoted, and a value (RFC 5545, section 3.1). In vCalendar 1.0, a parameter may
# be a value without a name.
_PROPERTY = re.compile(rb'[\w-]+((?:;[^=;:"]+(?:=(?:"[^"]*"|[^";:])*)?)*):(.*)', re.DOTALL)
_NAME = re.compile(rb"([\w-]+)[;:]")
_QUOTED_PRINTABLE = re.compile(rb"[^:]*;(?:ENCODING=)?QUOTED-PRINTABLE[;:]", re.IGNORECASE)

# Only the values of these are kept in memory, so others, such as attachments, may have any size.
_STRUCTURE = {"BEGIN", "END", "VERSION", "TZ", "DAYLIGHT", "X-WR-TIMEZONE", "UID", "RECURRENCE-ID", "CLASS"}
_PLACE = {"X-WR-CALNAME", "X-LIST-NAME", "RELATED-TO", "X-TASKS-POSITION", "X-APPLE-SORT-ORDER"}
_OURS = {"X-TASKS-TIME-ZONE", "X-TASKS-EXACT"}
_STATE = {"STATUS", "COMPLETED", "PERCENT-COMPLETE", "PRIORITY", "CREATED", "DCREATED"}
_TEXTS = {"SUMMARY", "DESCRIPTION", "CATEGORIES", "URL", "LOCATION", "GEO", "COMMENT", "CONTACT", "RESOURCES"}
_SCHEDULE = {"DUE", "DTSTART", "DURATION", "RRULE", "EXDATE", "RDATE", "X-KDE-LIBKCAL-DTRECURRENCE"}
_ALARM = {"TRIGGER", "ACTION", "REPEAT", "X-APPLE-PROXIMITY"}
# The alarms of vCalendar 1.0.
PHONE_ALARMS = ("AALARM", "DALARM", "MALARM", "PALARM")
_ZONE = {"TZID", "X-LIC-LOCATION", "TZOFFSETFROM", "TZOFFSETTO", "TZNAME"}
# A line without a name is read, and refused.
_READ = frozenset({"", *PHONE_ALARMS} | _STRUCTURE | _PLACE | _OURS | _STATE | _TEXTS | _SCHEDULE | _ALARM | _ZONE)
# What no task can keep, and a user may miss.
_OTHERS = {"ATTACH", "ATTENDEE", "ORGANIZER", "RDATE", "EXRULE", "IMAGE", "CONFERENCE", "COLOR"}
_LEFT_OUT = frozenset(_OTHERS | {"X-APPLE-STRUCTURED-LOCATION"})
# Properties of the whole calendar, and how many characters of one are kept: vCalendar 1.0 has a DAYLIGHT for each year.
_WHOLE_CALENDAR = frozenset({"VERSION", "TZ", "DAYLIGHT", "X-WR-TIMEZONE", "X-WR-CALNAME"})
_LONGEST_VALUES = 4_000

# VCALENDAR, VTODO and VALARM are three; no program nests deeper.
_DEEPEST = 8
# Bytes of a line that are read at once.
_CHUNK = 8 * 1024
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_NO_CALENDAR = "This is not an iCalendar file: it does not start with BEGIN:VCALENDAR."


class _Line(NamedTuple):
    """A content line: its number, its size in the file with all folds, its name in capitals, and its bytes."""

    number: int
    size: int
    name: str
    content: bytes


class Property(NamedTuple):
    """A line of a component, and where it is in the file."""

    line: int
    parameters: str
    value: str


class Component:
    """A VTODO, one of its alarms, or a VTIMEZONE."""

    def __init__(self, name: str, line: int, calendar: dict[str, str]) -> None:
        self.name = name
        self.line = line
        # The properties of the VCALENDAR that change what those of its components mean.
        self.calendar = calendar
        # How often it has what no task can keep, by name.
        self.left_out: Counter[str] = Counter()
        self.alarms: list[Component] = []
        # All lines of a VTIMEZONE, also those of the components inside it.
        self.lines: list[bytes] = []
        self._properties: defaultdict[str, list[Property]] = defaultdict(list)
        self._room = MAX_RECORD_BYTES

    def take(self, line: _Line) -> None:
        """Count a line's bytes, and keep it if it describes a time zone."""
        self._room -= line.size
        if self._room < 0:
            raise Unreadable(self.line, "What begins here is longer than 1 MiB. Shorten it, or take it out.")
        if self.name == "VTIMEZONE":
            self.lines.append(line.content)

    def add(self, line: _Line) -> None:
        """Add a property; raise Unreadable if the line is not one."""
        if line.name in _LEFT_OUT:
            self.left_out[line.name] += 1
        if line.name not in _READ:
            return
        found = _PROPERTY.fullmatch(line.content)
        if not found:
            start = line.content[:40].decode(errors="replace")
            raise Unreadable(line.number, f"This is not an iCalendar property: {start!r}. Write NAME:value.")
        self._properties[line.name].append(Property(line.number, *decode(line.number, found[1], found[2])))

    def all(self, name: str) -> list[Property]:
        """Return every property of this name; CATEGORIES may come more than once."""
        return self._properties.get(name, [])

    def first(self, name: str) -> Property | None:
        """Return the property of this name, if there is one."""
        return next(iter(self.all(name)), None)

    def text(self, name: str) -> str | None:
        """Return the text of the property of this name, if there is one."""
        found = self.first(name)
        return unescape(found.value) if found else None


def components(file: IO[bytes]) -> Iterator[Component | Unreadable]:
    """Yield each VTODO and VTIMEZONE, and in its place what is wrong with a VTODO; raise a fault of the whole file."""
    splitter, number = _Splitter(), 0
    for line in _unfolded(file):
        number = line.number
        found = splitter.read(line)
        if found:
            yield found
    splitter.finish(number)


class _Splitter:
    """The components that a line is inside of."""

    def __init__(self) -> None:
        self._open: list[str] = []
        self._calendar: dict[str, str] = {}
        self._reading: Component | None = None
        self._first_event: int | None = None
        self._has_tasks = False

    def read(self, line: _Line) -> Component | Unreadable | None:
        """Read a content line; return the component that ends with it, or its fault."""
        if line.name == "BEGIN":
            self._begin(line.number, _value(line))
        elif not self._open:
            # UTF-16 has a NUL in every ASCII character.
            raise Unreadable(line.number, NOT_UTF8 if b"\0" in line.content else _NO_CALENDAR)
        found: Component | Unreadable | None = None
        try:
            found = self._fill(line)
        except Unreadable as fault:
            # The rest of the component is passed over.
            found = fault if self._reading and self._reading.name == "VTODO" else None
            self._reading = None
        if line.name == "END" and self._open.pop() != _value(line):
            raise Unreadable(line.number, f"END:{_value(line)} ends what did not begin. Export the file again.")
        return found

    def finish(self, number: int) -> None:
        """Raise Unreadable if the file ends early, or has only events."""
        if self._open or not number:
            missing = self._open[-1] if self._open else "VCALENDAR"
            raise Unreadable(max(number, 1), f"The file ends early: END:{missing} is missing. Export it again.")
        if self._first_event and not self._has_tasks:
            fix = "Export the tasks themselves, for example as CSV."
            raise Unreadable(self._first_event, f"This calendar has events, and no tasks (VTODO). {fix}")

    def _begin(self, number: int, name: str) -> None:
        if name in self._open or len(self._open) == _DEEPEST:
            raise Unreadable(number, f"BEGIN:{name} stands inside of what has no END. Export the file again.")
        if name == "VCALENDAR":
            self._calendar = {}
        elif name == "VEVENT":
            self._first_event = self._first_event or number
        elif name in ("VTODO", "VTIMEZONE") and not self._reading:
            self._reading = Component(name, number, self._calendar)
            self._has_tasks |= name == "VTODO"
        self._open.append(name)

    def _fill(self, line: _Line) -> Component | None:
        """Add a line to the component that is read, and return it if it ends."""
        component = self._reading
        if component:
            component.take(line)
            if line.name == "BEGIN":
                if self._open[-1] == "VALARM":
                    component.alarms.append(Component("VALARM", line.number, self._calendar))
            elif line.name == "END" and _value(line) == component.name:
                self._reading = None
                return component
            elif self._open[-1] == component.name:
                component.add(line)
            elif self._open[-1] == "VALARM" and line.name in _ALARM:
                # A faulty alarm is no fault of its task.
                with suppress(Unreadable):
                    component.alarms[-1].add(line)
        elif line.name in _WHOLE_CALENDAR and self._open == ["VCALENDAR"]:
            before = self._calendar.get(line.name, "")
            value = line.content.partition(b":")[2][:_LONGEST_VALUES].decode(errors="replace")
            self._calendar[line.name] = f"{before}\n{value.strip()}".strip()[-_LONGEST_VALUES:]
        return None


def _value(line: _Line) -> str:
    """Return the name of a component that begins or ends."""
    return line.content[:80].decode(errors="replace").upper().partition(":")[2].strip()


def _name(content: bytes) -> str:
    found = _NAME.match(content)
    return found[1].decode().upper() if found else ""


def _unfolded(file: IO[bytes]) -> Iterator[_Line]:
    """Yield each content line (section 3.1).

    Bytes are unfolded, because a line may be folded inside a character. Yield only the beginning of a property that is
    not read, and of a line that is too long for any task.
    """
    number, began, size, name, pieces = 0, 0, 0, "", list[bytes]()
    begins, is_soft, is_kept = True, False, True
    for line in iter(partial(file.readline, _CHUNK), b""):
        number += begins
        piece = line.rstrip(b"\r\n")
        is_folded = begins and not is_soft and line[0] in b" \t"
        if not pieces or not (is_folded or is_soft or not begins):
            if piece:
                if pieces and size <= MAX_RECORD_BYTES:
                    yield _Line(began, size, name, b"".join(pieces))
                piece = piece if number > 1 else piece.removeprefix(_BYTE_ORDER_MARK)
                began, size, name, pieces = number, len(line), _name(piece), [piece]
                is_kept = name in _READ
        elif is_kept:
            pieces.append(piece[1:] if is_folded else piece)
            size += len(line)
            if size > MAX_RECORD_BYTES:
                yield _Line(began, size, name, b"".join(pieces))
                is_kept = False
        begins = line.endswith(b"\n")
        is_soft = begins and piece.endswith(b"=") and bool(_QUOTED_PRINTABLE.match(b"".join(pieces[:2])))
        if is_soft and pieces[-1].endswith(b"="):
            pieces[-1] = pieces[-1][:-1]
    if pieces and size <= MAX_RECORD_BYTES:
        yield _Line(began, size, name, b"".join(pieces))
