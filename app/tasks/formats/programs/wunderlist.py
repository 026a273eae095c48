"""Wunderlist: a backup as JSON, of either kind: all tasks in one list (to 2017), or the tasks within their lists."""

from collections import defaultdict
from collections.abc import Iterator
from typing import Any

from app.tasks.formats.programs.values import (
    Item,
    completion,
    day,
    due,
    id_of,
    list_of,
    moment,
    paragraphs,
    subtask,
)
from app.tasks.formats.records import Record, Task

_FREQUENCIES = {"day": "DAILY", "week": "WEEKLY", "month": "MONTHLY", "year": "YEARLY"}
_PARTS = ("subtasks", "notes", "comments", "reminders", "files")


def recognizes(document: Any) -> bool:
    if isinstance(document, list):
        return bool(document) and {"title", "tasks"} <= set(document[0] if isinstance(document[0], dict) else ())
    data = document.get("data") if isinstance(document, dict) else None
    return isinstance(data, dict) and {"lists", "tasks"} <= set(data)


def records(document: Any) -> Iterator[Record]:
    """Yield the tasks of all lists, each with its subtasks after it."""
    if isinstance(document, list):
        for list_ in map(Item, document):
            for task in list_.items("tasks"):
                yield from _records(task, list_["title"], {name: task.items(name) for name in _PARTS})
        return
    data = Item(document).item("data")
    titles = {list_["id"]: list_["title"] for list_ in data.items("lists")}
    parts: dict[str, dict[str, list[Item]]] = defaultdict(lambda: {name: [] for name in _PARTS})
    for name in _PARTS:
        for part in data.items(name):
            parts[part["task_id"]][name].append(part)
    for task in data.items("tasks"):
        yield from _records(task, titles.get(task["list_id"], ""), parts[task["id"]])


def _records(item: Item, list_: str, parts: dict[str, list[Item]]) -> Iterator[Record]:
    record = _record(item, list_, parts)
    yield record
    for part in parts["subtasks"]:
        task_id = id_of("wunderlist subtask", part["id"])
        yield subtask(record.task, task_id, part["title"], part.is_true("completed"))


def _record(item: Item, list_: str, parts: dict[str, list[Item]]) -> Record:
    frequency = _FREQUENCIES.get(_either(item, "recurrence_type"))
    task: Task = {
        "id": id_of("wunderlist", item["id"]),
        "title": item["title"],
        "details": paragraphs(
            *(part["content"] for part in parts["notes"]),
            *(part["text"] for part in parts["comments"]),
        ),
        **completion(item.is_true("completed"), _either(item, "completed_at")),
        "priority": "high" if item.is_true("starred") else "none",
        "list_name": list_of(list_),
        **due(day(_either(item, "due_date"))),
        "recurrence": f"FREQ={frequency};INTERVAL={_either(item, 'recurrence_count') or 1}" if frequency else None,
        "created_at": moment(_either(item, "created_at")),
    }
    times = filter(None, (moment(part["date"] or part["remindAt"]) for part in parts["reminders"]))
    if reminders := [{"at": time} for time in times]:
        task["reminders"] = reminders
    return Record(1, task, ("files",) if parts["files"] else ())


def _either(item: Item, name: str) -> str:
    """Return a member of either kind of backup: due_date or dueDate."""
    first, *others = name.split("_")
    return item[name] or item[first + "".join(map(str.capitalize, others))]
