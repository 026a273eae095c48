"""The formats in which tasks leave and enter. Each keeps all of a task: what is written is read as it was."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import IO

from app.tasks.formats import csv_read, csv_table, json_read, jsonl
from app.tasks.formats.icalendar import read as read_ics
from app.tasks.formats.icalendar import write as write_ics
from app.tasks.formats.records import FIELDS, NOT_READ, Record, Records, Task, Unreadable

__all__ = ["FIELDS", "FORMATS", "NOT_READ", "READERS", "Format", "Reader", "Record", "Task", "Unreadable"]

# Reads a buffered file.
Reader = Callable[[IO[bytes]], Records]


@dataclass(frozen=True, slots=True)
class Format:
    """How tasks become octets and octets tasks, one at a time: memory does not grow with their number."""

    media_type: str
    extension: str
    # A header, a piece for each task, a footer; some formats have no header or footer. With the name of the one list
    # whose tasks they are, for calendars.
    write: Callable[..., Iterator[bytes]]
    read: Reader


FORMATS: Mapping[str, Format] = MappingProxyType(
    {
        # No media type is registered for it; jsonlines.org and the OpenAPI registry name this one.
        "jsonl": Format("application/jsonl", "jsonl", jsonl.write, jsonl.read),
        "csv": Format("text/csv; charset=utf-8", "csv", csv_table.write, csv_read.read),
        "ics": Format("text/calendar; charset=utf-8", "ics", write_ics.write, read_ics.read),
    }
)

# What an import reads, by the file name's ending: our formats, in which other programs write as well, and their JSON.
READERS: Mapping[str, Reader] = MappingProxyType(
    {**{name: format_.read for name, format_ in FORMATS.items()}, "json": json_read.read}
)
