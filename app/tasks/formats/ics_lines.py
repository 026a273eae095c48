"""The VTODOs of an iCalendar file, one at a time: unfolded, and split into their properties."""

import re
from collections import defaultdict
from collections.abc import Iterator
from typing import NamedTuple

from app.tasks.formats.ics_values import unescape
from app.tasks.formats.records import Lines, Unreadable

# A name, parameters whose values may be quoted, and a value (RFC 5545, section 3.1).
_PROPERTY = re.compile(r'([\w-]+)((?:;[^=;:"]+=(?:"[^"]*"|[^";:])*)*):(.*)', re.DOTALL)

# VCALENDAR, VTODO and VALARM are three; no program nests deeper.
_DEEPEST = 8


class Property(NamedTuple):
    """One line of a VTODO, and where it stands in the file."""

    line: int
    parameters: str
    value: str


class Todo:
    """The properties of a VTODO, without those of its alarms."""

    def __init__(self) -> None:
        self._properties: defaultdict[str, list[Property]] = defaultdict(list)

    def add(self, line: int, content: str) -> None:
        """Take in one content line; one that is no property is refused."""
        found = _PROPERTY.fullmatch(content)
        if not found:
            raise Unreadable(line, f"This is no iCalendar property: {content[:40]!r}. Write NAME:value.")
        self._properties[found[1].upper()].append(Property(line, found[2], found[3]))

    def all(self, name: str) -> list[Property]:
        """Every property of this name; CATEGORIES may come more than once."""
        return self._properties.get(name, [])

    def first(self, name: str) -> Property | None:
        """The property of this name, if there is one."""
        return next(iter(self.all(name)), None)

    def text(self, name: str) -> str | None:
        """The text of the property of this name, if there is one."""
        found = self.first(name)
        return unescape(found.value) if found else None


def todos(lines: Lines) -> Iterator[tuple[int, Todo]]:
    """Each VTODO, and the line where it begins."""
    open_: list[str] = []
    began, todo, number = 1, Todo(), 1
    for number, content in _unfolded(lines):
        mark, _, name = content[:80].upper().partition(":")
        name = name.strip()
        if mark == "BEGIN":
            if name in open_ or len(open_) == _DEEPEST:
                raise Unreadable(number, f"BEGIN:{name} stands inside of what has no END. Export the file again.")
            open_.append(name)
            if name == "VTODO":
                began, todo = number, Todo()
        elif not open_:
            raise Unreadable(number, "This is no iCalendar file: it does not start with BEGIN:VCALENDAR.")
        elif mark == "END":
            if open_.pop() != name:
                raise Unreadable(number, f"END:{name} ends what did not begin. Export the file again.")
            if name == "VTODO":
                yield began, todo
        elif open_[-1] == "VTODO":
            todo.add(number, content)
        if "VTODO" not in open_:
            lines.begin_record(number)
    if open_ or not lines.number:
        missing = open_[-1] if open_ else "VCALENDAR"
        raise Unreadable(number, f"The file ends early: there is no END:{missing}. Export it again.")


def _unfolded(lines: Lines) -> Iterator[tuple[int, str]]:
    """The content lines, each with the number of its first line (section 3.1). Empty lines are passed over."""
    number, pieces = 1, list[str]()
    for line in lines:
        piece = line.rstrip("\r\n")
        if pieces and piece.startswith((" ", "\t")):
            pieces.append(piece[1:])
        elif piece:
            if pieces:
                yield number, "".join(pieces)
            number, pieces = lines.number, [piece]
    if pieces:
        yield number, "".join(pieces)
