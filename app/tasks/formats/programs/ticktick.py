"""TickTick: a backup as CSV (Settings, Account, Generate backup)."""

from collections.abc import Iterable, Iterator

from app.tasks.formats.programs.values import Row, completion, day, due, list_of, local, moment, tags_of, zone_of
from app.tasks.formats.records import Record, Task

COLUMNS = frozenset({"list name", "title", "content", "repeat", "status"})

_PRIORITIES = {"1": "low", "3": "medium", "5": "high"}
# 2 is completed and archived, -1 is that it will not be done.
_OPEN = frozenset({"", "0"})


def records(rows: Iterable[Row]) -> Iterator[Record]:
    """Yield a task for each row; its column is a tag."""
    for row in rows:
        zone = zone_of(row["Timezone"])
        start, end = (_date(row, name, zone) for name in ("Start Date", "Due Date"))
        task: Task = {
            "title": row["Title"],
            "details": row["Content"],
            **completion(row["Status"] not in _OPEN, row["Completed Time"]),
            "priority": _PRIORITIES.get(row["Priority"], "none"),
            "tags": tags_of(*row["Tags"].split(","), row["Column Name"]),
            "list_name": list_of(row["List Name"]),
            **due(end or start),
            "time_zone": zone,
            "recurrence": row["Repeat"],
            "created_at": moment(row["Created Time"]),
        }
        other_start = ("Start Date",) if start and end and start != end else ()
        # An id is a number within one backup, so it is no id at all.
        yield Record(row.line, task, (*row.filled("Reminder", "parentId", "Folder Name"), *other_start))


def _date(row: Row, name: str, zone: str | None) -> str | None:
    """Return a time, or for the whole day its date in the zone, where it is written as midnight."""
    at = moment(row[name])
    if not at or row["Is All Day"].lower() != "true":
        return at
    return day(local(at, zone).date().isoformat())
