"""Read an iCalendar file one component at a time: unfold its lines, and split them into properties."""

import re
from collections import Counter, defaultdict
from collections.abc import Iterator
from functools import partial
from typing import IO, NamedTuple

from app.tasks.formats.ics_values import unescape
from app.tasks.formats.ics_vcalendar import NOT_UTF8, decode
from app.tasks.formats.records import MAX_RECORD_BYTES, Unreadable

# A name, parameters whose values may be quoted, and a value (RFC 5545, section 3.1). In vCalendar 1.0, a parameter may
# be a value without a name.
_PROPERTY = re.compile(rb'[\w-]+((?:;[^=;:"]+(?:=(?:"[^"]*"|[^";:])*)?)*):(.*)', re.DOTALL)
_NAME = re.compile(rb"([\w-]+)[;:]")
_QUOTED_PRINTABLE = re.compile(rb"[^:]*;(?:ENCODING=)?QUOTED-PRINTABLE[;:]", re.IGNORECASE)

# Only the values of these are kept in memory, so others, such as attachments, may have any size.
_STRUCTURE = {"BEGIN", "END", "VERSION", "TZ", "UID", "RECURRENCE-ID", "CLASS", "X-TASKS-TIME-ZONE", "X-TASKS-EXACT"}
_STATE = {"STATUS", "COMPLETED", "PERCENT-COMPLETE", "PRIORITY", "CREATED", "DCREATED"}
_TEXTS = {"SUMMARY", "DESCRIPTION", "CATEGORIES", "URL", "LOCATION", "GEO", "COMMENT", "CONTACT", "RESOURCES"}
_SCHEDULE = {"DUE", "DTSTART", "DURATION", "RRULE", "EXDATE", "RDATE"}
_ZONE = {"TZID", "X-LIC-LOCATION", "TZOFFSETFROM", "TZOFFSETTO", "TZNAME"}
# A line without a name is read, and refused.
_READ = frozenset({""} | _STRUCTURE | _STATE | _TEXTS | _SCHEDULE | _ZONE)
# What no task can keep, and a user may miss.
_ALARMS = {"VALARM", "AALARM", "DALARM", "MALARM", "PALARM"}
_OTHERS = {"RELATED-TO", "ATTACH", "ATTENDEE", "ORGANIZER", "RDATE", "EXRULE", "IMAGE", "CONFERENCE", "COLOR"}
_LEFT_OUT = frozenset(_ALARMS | _OTHERS | {"X-APPLE-STRUCTURED-LOCATION"})
_WHOLE_CALENDAR = frozenset({"VERSION", "TZ"})

# VCALENDAR, VTODO and VALARM are three; no program nests deeper.
_DEEPEST = 8
# Bytes of a line that are read at once.
_AT_ONCE = 8 * 1024
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_NO_CALENDAR = "This is no iCalendar file: it does not start with BEGIN:VCALENDAR."


class Property(NamedTuple):
    """A line of a component, and where it is in the file."""

    line: int
    parameters: str
    value: str


class Component:
    """A VTODO or a VTIMEZONE."""

    def __init__(self, name: str, line: int, calendar: dict[str, str]) -> None:
        self.name = name
        self.line = line
        # The properties of the VCALENDAR that change what those of its components mean.
        self.calendar = calendar
        # How often it has what no task can keep, by name.
        self.left_out: Counter[str] = Counter()
        # All lines of a VTIMEZONE, also those of the components inside it.
        self.lines: list[bytes] = []
        self._properties: defaultdict[str, list[Property]] = defaultdict(list)
        self._room = MAX_RECORD_BYTES

    def take(self, content: bytes, size: int) -> None:
        """Count a line's bytes, and keep it if it describes a time zone."""
        self._room -= size
        if self._room < 0:
            raise Unreadable(self.line, "What begins here is longer than 1 MiB. Shorten it, or take it out.")
        if self.name == "VTIMEZONE":
            self.lines.append(content)

    def add(self, line: int, content: bytes) -> None:
        """Add a property; raise Unreadable if the line is not one."""
        name = _name(content)
        self.left_out.update(_LEFT_OUT & {name})
        if name not in _READ:
            return
        found = _PROPERTY.fullmatch(content)
        if not found:
            start = content[:40].decode(errors="replace")
            raise Unreadable(line, f"This is no iCalendar property: {start!r}. Write NAME:value.")
        self._properties[name].append(Property(line, *decode(line, found[1], found[2])))

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
    for number, content, size in _unfolded(file):
        found = splitter.read(number, content, size)
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

    def read(self, number: int, content: bytes, size: int) -> Component | Unreadable | None:
        """Read a content line; return the component that ends with it, or its fault."""
        mark, _, name = content[:80].decode(errors="replace").upper().partition(":")
        name = name.strip()
        if mark == "BEGIN":
            self._begin(number, name)
        elif not self._open:
            # UTF-16 has a NUL in every ASCII character.
            raise Unreadable(number, NOT_UTF8 if b"\0" in content else _NO_CALENDAR)
        found: Component | Unreadable | None = None
        try:
            found = self._fill(number, mark, name, content, size)
        except Unreadable as fault:
            # The rest of the component is passed over.
            found = fault if self._reading and self._reading.name == "VTODO" else None
            self._reading = None
        if mark == "END" and self._open.pop() != name:
            raise Unreadable(number, f"END:{name} ends what did not begin. Export the file again.")
        return found

    def finish(self, number: int) -> None:
        """Raise Unreadable if the file ends early, or has only events."""
        if self._open or not number:
            missing = self._open[-1] if self._open else "VCALENDAR"
            raise Unreadable(max(number, 1), f"The file ends early: there is no END:{missing}. Export it again.")
        if self._first_event and not self._has_tasks:
            raise Unreadable(self._first_event, "This calendar has events, and no tasks (VTODO). Export the tasks.")

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

    def _fill(self, number: int, mark: str, name: str, content: bytes, size: int) -> Component | None:
        """Add a line to the component that is read, and return it if it ends."""
        component = self._reading
        if component:
            component.take(content, size)
            if mark == "BEGIN":
                component.left_out.update(_LEFT_OUT & {name})
            elif mark == "END" and name == component.name:
                self._reading = None
                return component
            elif self._open[-1] == component.name:
                component.add(number, content)
        elif self._open == ["VCALENDAR"] and mark in _WHOLE_CALENDAR:
            self._calendar[mark] = name
        return None


def _name(content: bytes) -> str:
    found = _NAME.match(content)
    return found[1].decode().upper() if found else ""


def _unfolded(file: IO[bytes]) -> Iterator[tuple[int, bytes, int]]:
    """Yield each content line (section 3.1) with the number of its first line, and its size in the file.

    Bytes are unfolded, because a line may be folded inside a character. Yield only the beginning of a property that is
    not read, and of a line that is too long for any task.
    """
    number, began, pieces, size = 0, 1, list[bytes](), 0
    begins, is_soft, is_kept = True, False, True
    for line in iter(partial(file.readline, _AT_ONCE), b""):
        number += begins
        piece = line.rstrip(b"\r\n") if number > 1 else line.removeprefix(_BYTE_ORDER_MARK).rstrip(b"\r\n")
        is_folded = begins and not is_soft and line.startswith((b" ", b"\t"))
        if pieces and (is_folded or is_soft or not begins):
            piece = piece[1:] if is_folded else piece
        elif piece:
            if pieces and size <= MAX_RECORD_BYTES:
                yield began, b"".join(pieces), size
            began, pieces, size, is_kept = number, [], 0, _name(piece) in _READ
        begins = line.endswith(b"\n")
        is_soft = begins and piece.endswith(b"=") and bool(_QUOTED_PRINTABLE.match(b"".join([*pieces, piece])))
        if piece and (is_kept or not pieces):
            pieces.append(piece.removesuffix(b"=") if is_soft else piece)
            size += len(line)
        if is_kept and size > MAX_RECORD_BYTES:
            yield began, b"".join(pieces), size
            is_kept = False
    if pieces and size <= MAX_RECORD_BYTES:
        yield began, b"".join(pieces), size
