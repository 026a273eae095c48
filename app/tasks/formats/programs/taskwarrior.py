"""Taskwarrior: `task export`, an array of tasks or (with rc.json.array=off) a task on each line."""

from collections.abc import Iterator
from typing import Any
from uuid import UUID

from app.tasks.formats.programs.values import Item, completion, day, due, id_of, list_of, moment, paragraphs, tags_of
from app.tasks.formats.records import Record, Task

_PRIORITIES = {"H": "high", "M": "medium", "L": "low"}
# The second is the template of a recurring task, whose own tasks stand in the file as well.
_SKIPPED = {"deleted": "deleted task", "recurring": "template of recurring tasks"}


def recognizes(document: Any) -> bool:
    first = document[0] if isinstance(document, list) and document else document
    return {"uuid", "description", "status"} <= set(first if isinstance(first, dict) else ())


def records(document: Any) -> Iterator[Record | str]:
    """Yield a task for each that is not deleted; its project is its list."""
    for item in map(Item, document if isinstance(document, list) else [document]):
        yield _SKIPPED.get(item["status"]) or _record(item)


def _record(item: Item) -> Record:
    notes = (f"{day(moment(note['entry']) or '') or ''} {note['description']}" for note in item.items("annotations"))
    task: Task = {
        "id": _id(item["uuid"]),
        "title": item["description"],
        "details": paragraphs(*map(str.strip, notes)),
        **completion(item["status"] == "completed", item["end"]),
        "priority": _PRIORITIES.get(item["priority"], "none"),
        "tags": tags_of(*item.texts("tags")),
        "list_name": list_of(item["project"]),
        **due(moment(item["due"])),
        "created_at": moment(item["entry"]),
    }
    return Record(1, task, item.filled("recur", "wait", "scheduled", "until", "depends"))


def _id(uuid: str) -> str | None:
    try:
        return str(UUID(uuid))
    except ValueError:
        return id_of("taskwarrior", uuid)
