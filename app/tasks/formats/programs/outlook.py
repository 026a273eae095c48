"""Microsoft To Do and Outlook: the tasks as CSV (Outlook in English: File, Open & Export, Import/Export)."""

import re
from collections.abc import Iterable, Iterator
from itertools import chain

from app.tasks.formats.programs.values import Row, completion, day, due, paragraphs, tags_of
from app.tasks.formats.records import Record, Task, Unreadable

COLUMNS = frozenset({"subject", "due date", "status"})

_PRIORITIES = {"high": "high", "low": "low"}
_DATES = ("Due Date", "Date Completed", "Start Date", "Reminder Date")
_DATE = re.compile(r"(\d{1,4})([/.-])(\d{1,2})\2(\d{1,4})")
_LEFT_OUT = ("Start Date", "Companies", "Contacts", "Billing Information", "Mileage", "Role")
# Rows to look at for a day after the twelfth, which tells whether days or months come first.
_LOOKED_AT = 100


def records(rows: Iterable[Row]) -> Iterator[Record]:
    """Yield a task for each row; its categories are tags."""
    rows, day_first = _order(iter(rows))
    for row in rows:
        if not day_first and any(_is_day_first(row[name]) for name in _DATES):
            raise Unreadable(row.line, "A date begins with the day here, and with the month before. Write 2026-03-14.")
        due_on = _day(row["Due Date"], day_first)
        unread = ("Due Date",) if row["Due Date"] and not due_on else ()
        is_completed = row["Status"].lower() == "completed" or row["% Complete"].rstrip("%") == "100"
        task: Task = {
            "title": row["Subject"],
            "details": paragraphs(row["Notes"], *(f"{name}: {row[name]}" for name in unread)),
            **completion(is_completed, _day(row["Date Completed"], day_first) or ""),
            "priority": _PRIORITIES.get(row["Priority"].lower(), "none"),
            "tags": tags_of(*re.split("[;,]", row["Categories"])),
            **due(due_on),
        }
        reminder = ("Reminder",) if row["Reminder On/Off"].lower() == "true" else ()
        yield Record(row.line, task, (*unread, *reminder, *row.filled(*_LEFT_OUT)))


def _order(rows: Iterator[Row]) -> tuple[Iterator[Row], bool]:
    """Return the rows, and whether dates begin with the day."""
    seen: list[Row] = []
    for row in rows:
        seen.append(row)
        if any(_is_day_first(row[name]) for name in _DATES):
            return chain(seen, rows), True
        if len(seen) == _LOOKED_AT:
            break
    return chain(seen, rows), False


def _is_day_first(text: str) -> bool:
    date = _DATE.match(text)
    return bool(date and len(date[1]) < 3 and int(date[1]) > 12)


def _day(text: str, day_first: bool) -> str | None:
    """Return the day of 3/14/2026, 14/3/2026, 14.3.2026 or 2026-03-14."""
    date = _DATE.match(text)
    if not date:
        return None
    first, separator, second, third = date.groups()
    if len(first) == 4:
        return day(f"{first}-{second:0>2}-{third:0>2}")
    on, month = (first, second) if day_first or separator == "." else (second, first)
    return day(f"{third:0>4}-{month:0>2}-{on:0>2}")
