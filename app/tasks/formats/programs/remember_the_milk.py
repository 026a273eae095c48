"""Remember The Milk: all tasks as JSON (Settings, Export)."""

from collections import defaultdict
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from app.tasks.formats.programs.values import (
    Item,
    completion,
    due,
    id_of,
    list_of,
    local,
    moment,
    paragraphs,
    tags_of,
    zone_of,
)
from app.tasks.formats.records import Record, Task

_PRIORITIES = {"P1": "high", "P2": "medium", "P3": "low"}


def recognizes(document: Any) -> bool:
    return {"lists", "tasks", "smart_lists"} <= set(document if isinstance(document, dict) else ())


def records(document: Any) -> Iterator[Record | str]:
    """Yield the tasks that are not in the trash."""
    exported = Item(document)
    zone = zone_of(exported.item("config")["timezone"])
    lists = {list_["id"]: list_["name"] for list_ in exported.items("lists")}
    notes: dict[str, list[str]] = defaultdict(list)
    for note in exported.items("notes"):
        notes[note["series_id"]] += [note["title"], note["content"]]
    for item in exported.items("tasks"):
        if item["date_trashed"]:
            yield "deleted task"
        else:
            yield _record(item, zone, lists.get(item["list_id"], ""), notes[item["series_id"]])


def _record(item: Item, zone: str | None, list_: str, notes: list[str]) -> Record:
    at = _time(item["date_due"])
    task: Task = {
        "id": id_of("remember the milk", item["id"]),
        "title": item["name"],
        "details": paragraphs(*notes, item["url"]),
        **completion(bool(item["date_completed"]), _time(item["date_completed"]) or ""),
        "priority": _PRIORITIES.get(item["priority"], "none"),
        "tags": tags_of(*item.texts("tags")),
        "list_name": list_of(list_),
        "parent_id": id_of("remember the milk", item["parent_id"]),
        # A day is written as its midnight.
        **due(at if not at or item.is_true("date_due_has_time") else local(at, zone).date().isoformat()),
        "time_zone": zone,
        "recurrence": item["repeat"],
        "created_at": _time(item["date_created"]),
    }
    return Record(1, task, item.filled("date_start", "estimate", "location_id"))


def _time(milliseconds: str) -> str | None:
    """Return a time, which is written in milliseconds since 1970."""
    try:
        return moment(datetime.fromtimestamp(int(milliseconds) / 1000, UTC).isoformat())
    except (ValueError, OverflowError, OSError):
        return None
