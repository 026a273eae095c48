"""CSV (RFC 4180), for spreadsheets: a header, then one task to a row.

null is an empty cell, and an empty text the mark ' alone. Tags stand in one cell, with commas between them; a tag that
holds a comma, a quotation mark or a line break stands in quotation marks, as a cell would: home,"tea, green". Reminders
stand in one cell, too: 15m is so many minutes before the due, and all else a time.
"""

import csv
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from app.tasks.formats.csv_rows import Rows, next_row
from app.tasks.formats.records import FIELDS, NOT_READ, Record, Records, Task, Unreadable, check_names

# A spreadsheet would run a cell as a formula where it begins so (OWASP, "CSV Injection"; full-width forms count in
# Japanese versions, white space before them may be dropped). The mark ' makes it text. A cell takes one mark more than
# it has, so that none is lost when reading takes one away; '90s has nothing to fear, and stays as it is.
_RUN = r"'*(?:[=+\-@\uff1d\uff0b\uff0d\uff20\s\x00-\x1f\ufeff]|\Z)"
_TO_MARK = re.compile(_RUN)
_MARKED = re.compile(f"'{_RUN}")

_TO_QUOTE = re.compile(r'[,"\r\n]|\A\s|\A\Z')

# Without it, Excel takes UTF-8 for the encoding of its country.
_BYTE_ORDER_MARK = "\ufeff"

# A cell that leaves its field out, so that the field takes its default.
_LEFT_OUT = object()


class _Row:
    """A file that gives back what is written to it: csv's writer returns that."""

    def write(self, row: str) -> str:
        return row


def write(tasks: Iterable[Task], _calendar: str | None = None) -> Iterator[bytes]:
    """Yield the header, and a row for each task.

    Every cell stands in quotation marks: LibreOffice takes the semicolon for a separator, too, but not inside of them.
    """
    writer = csv.writer(_Row(), quoting=csv.QUOTE_ALL)
    yield f"{_BYTE_ORDER_MARK}{writer.writerow(FIELDS)}".encode()
    for task in tasks:
        yield str(writer.writerow([_written(name, task[name]) for name in FIELDS])).encode()


def check_header(line: int, names: list[str]) -> None:
    """Refuse a header that does not name fields."""
    if not any(names):
        raise Unreadable(line, f"There is no header. Name the columns in the first line: {', '.join(FIELDS)}.")
    check_names(line, names)


def read(names: list[str], rows: Rows) -> Records:
    """Yield a task for each row below a header, whose columns are in any order."""
    for began, row in rows:
        # A spreadsheet leaves rows of empty cells behind.
        if any(row):
            yield _record(began, names, row)


def _record(line: int, names: list[str], row: list[str]) -> Record | Unreadable:
    try:
        return Record(line, _task(line, names, row))
    except Unreadable as fault:
        return fault


def _task(line: int, names: list[str], row: list[str]) -> Task:
    if len(row) != len(names):
        counts = f"This row has {len(row)} cells, and the header {len(names)}"
        raise Unreadable(line, f"{counts}. Put each cell that holds the separator in quotation marks.")
    cells = {name: cell for name, cell in zip(names, row, strict=True) if name not in NOT_READ}
    values = {name: _read(line, name, cell) for name, cell in cells.items()}
    return {name: value for name, value in values.items() if value is not _LEFT_OUT}


class Cell(NamedTuple):
    """How a value becomes the text of a cell, how that becomes the value, and what an empty cell is."""

    write: Callable[[Any], str] = str
    # Gets the line, too, for a refusal.
    read: Callable[[int, str], Any] = lambda _, text: text
    empty: Any = None


def _written(name: str, value: Any) -> str:
    if value is None:
        return ""
    text = CELLS.get(name, TEXT).write(value)
    # No tags are an empty cell, too, but no null.
    return text if value == [] else _marked(text)


def _read(line: int, name: str, cell: str) -> Any:
    kind = CELLS.get(name, TEXT)
    return kind.read(line, cell[1:] if _MARKED.match(cell) else cell) if cell else kind.empty


def _marked(text: str) -> str:
    return f"'{text}" if _TO_MARK.match(text) else text


def _quoted(tag: str) -> str:
    return '"{}"'.format(tag.replace('"', '""')) if _TO_QUOTE.search(tag) else tag


def _tags(line: int, text: str) -> list[str]:
    return next_row(line, csv.reader([text], skipinitialspace=True, strict=True), "list of tags") or []


def _reminder(text: str) -> dict[str, Any]:
    # A number alone could become another one: 15,20 is a fraction in much of Europe.
    minutes = re.fullmatch("([0-9]{1,9})m", text)
    return {"before_minutes": int(minutes[1])} if minutes else {"at": text}


def _integer(_: int, text: str) -> int | str:
    return int(text) if re.fullmatch("-?[0-9]{1,18}", text) else text


# What is no such value is refused where values are judged.
TEXT = Cell()
INTEGER = Cell(read=_integer)
# Excel writes TRUE.
TRUTH = Cell(
    lambda value: str(value).lower(), lambda _, text: {"true": True, "false": False}.get(text.lower(), text), _LEFT_OUT
)
REMINDERS = Cell(
    lambda reminders: ",".join(each.get("at") or f"{each['before_minutes']}m" for each in reminders),
    lambda _, text: [_reminder(each.strip()) for each in text.split(",")],
    empty=[],
)
TAGS = Cell(lambda tags: ",".join(map(_quoted, tags)), _tags, empty=[])

# The fields that are not plain text, or are never null.
CELLS: Mapping[str, Cell] = {
    **dict.fromkeys(["id", "title", "priority", "created_at"], TEXT._replace(empty=_LEFT_OUT)),
    "completed": TRUTH,
    "reminders": REMINDERS,
    "tags": TAGS,
}
