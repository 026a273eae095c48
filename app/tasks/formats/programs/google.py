"""Google Tasks: Tasks.json of an archive (takeout.google.com, Tasks)."""

from collections.abc import Iterator
from typing import Any

from app.tasks.formats.programs.values import Item, completion, day, due, id_of, list_of, moment
from app.tasks.formats.records import Record, Task


def recognizes(document: Any) -> bool:
    return Item(document)["kind"].startswith("tasks#")


def records(document: Any) -> Iterator[Record | str]:
    """Yield the tasks of all lists."""
    for list_ in Item(document).items("items"):
        for item in list_.items("items"):
            yield "deleted task" if item.is_true("deleted") else _record(item, list_["title"])


def _record(item: Item, list_: str) -> Record:
    at = moment(item["due"])
    task: Task = {
        "id": id_of("google", item["id"]),
        "title": item["title"],
        "details": item["notes"],
        **completion(item["status"] == "completed", item["completed"]),
        "list_name": list_of(list_),
        "parent_id": id_of("google", item["parent"]),
        # Midnight in UTC is a day.
        **due(day(at) if at and "T00:00:00." in at else at),
        "created_at": moment(item["created"]),
    }
    return Record(1, task, item.filled("links"))
