"""Make and read iCalendar files for the tests of their import."""

import io
from collections.abc import Iterable

from app.tasks.formats import FORMATS, Record, Unreadable

Found = list[Record | Unreadable]


def calendar(*lines: str, before: Iterable[str] = (), after: Iterable[str] = (), version: str = "2.0") -> bytes:
    """Return a calendar with one VTODO of these lines, and what is before and after it."""
    todo = ["BEGIN:VTODO", *lines, "END:VTODO"]
    whole = ["BEGIN:VCALENDAR", f"VERSION:{version}", *before, *todo, *after, "END:VCALENDAR", ""]
    return "\r\n".join(whole).encode()


def found_in(file: bytes) -> Found:
    """Return the tasks and faults of a file."""
    return list(FORMATS["ics"].read(io.BytesIO(file)))


def the_record(file: bytes) -> Record:
    """Return the only task of a file."""
    (record,) = found_in(file)
    assert isinstance(record, Record), record
    return record
