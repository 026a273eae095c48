"""Todoist: a project as CSV (Project menu, Export as CSV), or a backup, which has such a file for each project."""

import re
from collections.abc import Iterable, Iterator
from datetime import datetime

from app.tasks.fields import DETAILS_CHARACTERS
from app.tasks.formats.programs.values import Row, day, due, moment, paragraphs, tags_of, zone_of
from app.tasks.formats.records import Record, Task

COLUMNS = frozenset({"type", "content", "priority", "indent"})

# p1 is the highest, and p4 what a task has without one. (In Todoist's API it is the other way round.)
_PRIORITIES = {"1": "high", "2": "medium", "3": "low"}
_LABEL = re.compile(r"(?:\A|(?<=\s))@(\S+)\s?")
# A date that people may have typed so; what has no year depends on the day of the export.
_TYPED = ["%Y-%m-%d", "%b %d %Y", "%d %b %Y", "%B %d %Y", "%d %B %Y"]


def records(rows: Iterable[Row]) -> Iterator[Record | str]:
    """Yield the tasks with the notes that follow them; a section is a tag, and what is indented a subtask."""
    section = ""
    last: Record | None = None
    for row in rows:
        kind = row["TYPE"].lower()
        if kind == "section":
            section = row["CONTENT"]
        elif kind == "note":
            if not last:
                yield "note of a project"
            elif len(last.task["details"]) <= DETAILS_CHARACTERS:
                last.task["details"] = paragraphs(last.task["details"], row["CONTENT"])
        elif kind == "task":
            if last:
                yield last
            last = _record(row, section)
    if last:
        yield last


def _record(row: Row, section: str) -> Record:
    zone = zone_of(row["TIMEZONE"])
    dates = {name: _date(row[name], zone) for name in ("DATE", "DEADLINE")}
    used = next((name for name, date in dates.items() if date), None)
    # What is in words, or is the second date, is kept as text.
    others = [name for name in row.filled(*dates) if name != used]
    task: Task = {
        "title": _LABEL.sub("", row["CONTENT"]).removeprefix("* "),
        "details": paragraphs(row["DESCRIPTION"], *(f"{name}: {row[name]}" for name in others)),
        "priority": _PRIORITIES.get(row["PRIORITY"], "none"),
        "tags": tags_of(*_LABEL.findall(row["CONTENT"]), section),
        **due(dates[used] if used else None),
        "time_zone": zone,
    }
    # Subtasks of subtasks become subtasks of the same task.
    deeper = () if row["INDENT"] in ("", "1", "2") else ("INDENT",)
    left_out = (*others, *deeper, *row.filled("RESPONSIBLE", "DURATION"))
    return Record(row.line, task, left_out, is_nested=row["INDENT"] not in ("", "1"))


def _date(text: str, zone: str | None) -> str | None:
    """Return a day, or a time if the text has one; None for what is in other words."""
    words, _, clock = text.rpartition(" ") if ":" in text else (text, "", "")
    found = _day(words)
    return moment(f"{found}T{clock.zfill(5)}", zone) if found and clock else found


def _day(words: str) -> str | None:
    for form in _TYPED:
        try:
            return day(datetime.strptime(words, form).date().isoformat())  # noqa: DTZ007
        except ValueError:
            continue
    return None
