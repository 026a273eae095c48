"""Asana: a project as CSV (Project menu, Export, CSV)."""

from collections.abc import Iterable, Iterator

from app.tasks.formats.programs.values import Row, completion, day, due, id_of, moment, tags_of
from app.tasks.formats.records import Record, Task

COLUMNS = frozenset({"task id", "created at", "completed at", "name"})

_LEFT_OUT = ("Parent task", "Assignee", "Start Date", "Blocked By (Dependencies)", "Blocking (Dependencies)")


def records(rows: Iterable[Row]) -> Iterator[Record]:
    """Yield a task for each row; its projects and its section are tags."""
    for row in rows:
        task: Task = {
            "id": id_of("asana", row["Task ID"]),
            "title": row["Name"],
            "details": row["Notes"],
            **completion(bool(row["Completed At"]), row["Completed At"]),
            # A field that people add themselves.
            "priority": row["Priority"].lower() if row["Priority"].lower() in ("low", "medium", "high") else "none",
            "tags": tags_of(*row["Tags"].split(","), *row["Projects"].split(","), row["Section/Column"]),
            **due(day(row["Due Date"])),
            "created_at": moment(row["Created At"]),
        }
        yield Record(row.line, task, row.filled(*_LEFT_OUT))
