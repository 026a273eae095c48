"""CSV (RFC 4180), for spreadsheets: a header, then one task to a row.

null is an empty cell, and an empty text the mark ' alone. Tags stand in one cell, with commas between them; a tag that
holds a comma, a quotation mark or a line break stands in quotation marks, as a cell would: home,"tea, green".
"""

import csv
import re
from collections.abc import Iterable, Iterator
from typing import IO, Any

from app.tasks.formats.records import FIELDS, NOT_READ, Lines, Record, Records, Task, Unreadable, check_names

# A spreadsheet would run a cell as a formula where it begins so (OWASP, "CSV Injection"; full-width forms count in
# Japanese versions, white space before them may be dropped). The mark ' makes it text. A cell takes one mark more than
# it has, so that none is lost when reading takes one away; '90s has nothing to fear, and stays as it is.
_RUN = r"'*(?:[=+\-@\uff1d\uff0b\uff0d\uff20\s\x00-\x1f\ufeff]|\Z)"
_TO_MARK = re.compile(_RUN)
_MARKED = re.compile(f"'{_RUN}")

_TO_QUOTE = re.compile(r'[,"\r\n]|\A\s|\A\Z')
# An empty cell says null, or no tags. These are left out by one, so that they take their defaults.
_NEVER_EMPTY = frozenset({"id", "title", "completed", "priority", "created_at"})
_TRUTH = {"true": True, "false": False}


class _Row:
    """A file that gives back what is written to it: csv's writer returns that."""

    def write(self, row: str) -> str:
        return row


def write(tasks: Iterable[Task]) -> Iterator[bytes]:
    """The header, and a row for each task.

    Every cell stands in quotation marks: LibreOffice takes the semicolon for a separator, too, but not inside of them.
    """
    writer = csv.writer(_Row(), quoting=csv.QUOTE_ALL)
    yield _written(writer.writerow(FIELDS))
    for task in tasks:
        yield _written(writer.writerow([_cell(task[name]) for name in FIELDS]))


def read(file: IO[bytes]) -> Records:
    """Columns in any order, with commas, semicolons (Excel, in much of Europe) or tabs between them."""
    lines = Lines(file)
    header = next(lines, "")
    delimiter = max(",;\t", key=header.count)
    names = [name.strip() for name in _row(1, csv.reader([header], delimiter=delimiter, strict=True)) or []]
    if not any(names):
        raise Unreadable(1, f"There is no header. Name the columns in the first line: {', '.join(FIELDS)}.")
    check_names(1, names)
    rows = csv.reader(lines, delimiter=delimiter, strict=True)
    while True:
        began = lines.number + 1
        lines.begin_record(began)
        row = _row(began, rows)
        if row is None:
            return
        # A spreadsheet leaves rows of empty cells behind.
        if any(row):
            yield _record(began, names, row)


def _written(row: Any) -> bytes:
    return str(row).encode()


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, list):
        # No tags are an empty cell, too, but no null.
        return _marked(",".join(map(_quoted, value))) if value else ""
    return _marked(value)


def _marked(text: str) -> str:
    return f"'{text}" if _TO_MARK.match(text) else text


def _quoted(tag: str) -> str:
    return '"{}"'.format(tag.replace('"', '""')) if _TO_QUOTE.search(tag) else tag


def _row(line: int, rows: Iterator[list[str]], called: str = "row of a table") -> list[str] | None:
    """The next row; None after the last."""
    try:
        return next(rows, None)
    except csv.Error as error:
        remedy = "What holds a line break or a quotation mark stands in quotation marks, and those inside are doubled."
        raise Unreadable(line, f"This is no {called} ({error}). {remedy}") from error


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
    return {name: _value(line, name, cell) for name, cell in cells.items() if cell or name not in _NEVER_EMPTY}


def _value(line: int, name: str, cell: str) -> Any:
    text = cell[1:] if _MARKED.match(cell) else cell
    if name == "tags":
        return _row(line, csv.reader([text], skipinitialspace=True, strict=True), "list of tags") or []
    if name == "completed":
        # Excel writes TRUE. What is neither is refused where values are judged.
        return _TRUTH.get(text.lower(), text)
    return text if cell else None
