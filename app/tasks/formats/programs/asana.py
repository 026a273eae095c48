"""Asana: a project as CSV (Project menu, Export, CSV)."""

from collections.abc import Iterable, Iterator

from app.tasks.formats.programs.values import Row, completion, day, due, id_of, list_of, moment, tags_of
from app.tasks.formats.records import Record, Task

COLUMNS = frozenset({"task id", "created at", "completed at", "name"})

_LEFT_OUT = ("Assignee", "Start Date", "Blocked By (Dependencies)", "Blocking (Dependencies)")


def records(rows: Iterable[Row]) -> Iterator[Record]:
    """Yield a task for each row; its first project is its list, and other projects and its section are tags."""
    parent: Task = {}
    for row in rows:
        project, *projects = row["Projects"].split(",")
        # A parent is named by its title alone, so it must be the last task that is not a subtask.
        is_subtask = bool(row["Parent task"]) and row["Parent task"] == parent.get("title")
        task: Task = {
            "id": id_of("asana", row["Task ID"]),
            "title": row["Name"],
            "details": row["Notes"],
            **completion(bool(row["Completed At"]), row["Completed At"]),
            # A field that people add themselves.
            "priority": row["Priority"].lower() if row["Priority"].lower() in ("low", "medium", "high") else "none",
            "tags": tags_of(*row["Tags"].split(","), *projects, row["Section/Column"]),
            "list_name": list_of(project),
            "parent_id": parent["id"] if is_subtask else None,
            **due(day(row["Due Date"])),
            "created_at": moment(row["Created At"]),
        }
        parent = parent if is_subtask else task
        yield Record(row.line, task, row.filled(*(() if is_subtask else ("Parent task",)), *_LEFT_OUT))
