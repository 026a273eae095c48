"""The formats in which tasks leave and enter. Each keeps all of a task: what is written is read as it was."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import IO

from app.tasks.formats import ics_read, ics_write, jsonl, spreadsheet
from app.tasks.formats.records import FIELDS, NOT_READ, Task, Unreadable

__all__ = ["FIELDS", "FORMATS", "NOT_READ", "Format", "Task", "Unreadable"]


@dataclass(frozen=True, slots=True)
class Format:
    """How tasks become octets and octets tasks, one at a time: memory does not grow with their number."""

    media_type: str
    extension: str
    # A header, a piece for each task, a footer; some formats have no header or footer.
    write: Callable[[Iterable[Task]], Iterator[bytes]]
    # From a buffered file: the line where a record begins, and those fields that it has, as JSON would hold them. Only
    # the shape is checked, not the values. Raises Unreadable.
    read: Callable[[IO[bytes]], Iterator[tuple[int, Task]]]


FORMATS: Mapping[str, Format] = MappingProxyType(
    {
        # No media type is registered for it; jsonlines.org and the OpenAPI registry name this one.
        "jsonl": Format("application/jsonl", "jsonl", jsonl.write, jsonl.read),
        "csv": Format("text/csv; charset=utf-8", "csv", spreadsheet.write, spreadsheet.read),
        "ics": Format("text/calendar; charset=utf-8", "ics", ics_write.write, ics_read.read),
    }
)
