"""What the programs' files share: values that are read leniently, since no program writes all as it says."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid5
from zoneinfo import ZoneInfo

from marshmallow import ValidationError

from app.tasks.fields import Zone
from app.tasks.formats.records import Record, Task
from app.times import read_day, read_moment, rfc3339

# Another program's id need not be a UUID. It gets the same one at every import, so that nothing doubles.
_IDS = UUID("0d5a9c1e-6f0b-5e4c-8b1d-3a7e2f6c9d40")
# Where a task stands until somebody puts it into a list.
_INBOXES = frozenset({"", "inbox", "📥inbox", "my tasks", "tasks", "untitled section"})
_zone = Zone()


class Row:
    """A row of another program's table: its text by the name of the column, whatever the case."""

    def __init__(self, line: int, names: list[str], cells: list[str]) -> None:
        self.line = line
        self._cells = dict(zip(names, cells, strict=False))

    def __getitem__(self, name: str) -> str:
        """Return the text of a cell, which is empty where the table has no such column."""
        return self._cells.get(name.lower(), "").strip()

    def filled(self, *names: str) -> tuple[str, ...]:
        return tuple(name for name in names if self[name])


class Item:
    """An object of another program's JSON."""

    def __init__(self, value: Any) -> None:
        self._members: Mapping[str, Any] = value if isinstance(value, dict) else {}

    def __getitem__(self, name: str) -> str:
        """Return the text or number of a member as text, which is empty for all else."""
        value = self._members.get(name)
        return str(value) if isinstance(value, str | int) and not isinstance(value, bool) else ""

    def items(self, name: str) -> list["Item"]:
        value = self._members.get(name)
        return [Item(each) for each in value if isinstance(each, dict)] if isinstance(value, list) else []

    def item(self, name: str) -> "Item":
        return Item(self._members.get(name))

    def texts(self, name: str) -> list[str]:
        value = self._members.get(name)
        return [each for each in value if isinstance(each, str)] if isinstance(value, list) else []

    def is_true(self, name: str) -> bool:
        return self._members.get(name) is True

    def filled(self, *names: str) -> tuple[str, ...]:
        return tuple(name for name in names if self._members.get(name) not in (None, "", False, [], {}))


def id_of(program: str, own: str) -> str | None:
    """Return an id for a task with an id of its program's own."""
    return str(uuid5(_IDS, f"{program} {own}")) if own else None


def day(text: str) -> str | None:
    """Return the day that a text is or begins with, as 2026-03-14; None if it is no day."""
    try:
        return str(read_day(text[:10]))
    except ValidationError:
        return None


def moment(text: str, zone: str | None = None) -> str | None:
    """Return a time of ISO 8601 in UTC; None if it is none. Without an offset it is in the zone."""
    try:
        found = datetime.fromisoformat(text)
        return str(read_moment(rfc3339(found if found.tzinfo else found.replace(tzinfo=ZoneInfo(zone or "UTC")))))
    except (ValueError, OverflowError, ValidationError):
        return None


def local(at: str, zone: str | None) -> datetime:
    """Return a time that `moment` gave by the clock of a zone."""
    return datetime.fromisoformat(at).astimezone(ZoneInfo(zone) if zone else UTC)


def zone_of(text: str) -> str | None:
    """Return the name of a time zone that IANA knows; else None."""
    try:
        return str(_zone.deserialize(text))
    except ValidationError:
        return None


def due(on_or_at: str | None) -> Task:
    """Return the fields of a due, which is a day or a time."""
    return {"due_on" if "T" not in on_or_at else "due_at": on_or_at} if on_or_at else {}


def completion(completed: bool, at: str = "") -> Task:
    return {"completed": completed, "completed_at": moment(at) if completed else None}


def tags_of(*names: str) -> list[str]:
    """Return the names without those of an inbox."""
    return [name for name in names if list_of(name)]


def list_of(name: str) -> str | None:
    """Return the name of a list; None for a program's inbox."""
    return None if name.strip().lower() in _INBOXES else name


def paragraphs(*texts: str) -> str:
    return "\n\n".join(filter(None, texts))


def subtask(parent: Task, task_id: str | None, title: str, done: bool, *tags: str) -> Record:
    """Return something to check off as a subtask of the task before it; with that, it is completed."""
    completed_at = parent["completed_at"] if parent["completed"] else None
    state = {"completed": done or parent["completed"], "completed_at": completed_at}
    names = {"id": task_id, "title": title, "tags": [*tags], "list_name": parent["list_name"]}
    return Record(1, {**names, **state}, is_nested=True)
