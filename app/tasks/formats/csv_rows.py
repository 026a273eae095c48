"""The rows of a CSV file (RFC 4180), from whichever program."""

import csv
import re
from collections.abc import Iterator
from itertools import chain
from typing import IO

from app.tasks.formats.records import Lines, Unreadable

# Where each row begins, and its cells.
Rows = Iterator[tuple[int, list[str]]]

# Excel reads the separator from such a first line.
_SEPARATOR = re.compile(r'"?sep=([,;\t|])"?\s*', re.IGNORECASE)


def rows(file: IO[bytes]) -> Rows:
    """Yield each row, with commas, semicolons (Excel, in much of Europe) or tabs between the cells."""
    lines = Lines(file)
    first = next(lines, "")
    named = _SEPARATOR.fullmatch(first)
    delimiter = named[1] if named else max(",;\t", key=first.count)
    cells = csv.reader(lines if named else chain([first], lines), delimiter=delimiter, strict=True)
    began = 2 if named else 1
    while True:
        lines.begin_record(began)
        row = next_row(began, cells)
        if row is None:
            return
        yield began, row
        began = lines.number + 1


def next_row(line: int, cells: Iterator[list[str]], called: str = "row of a table") -> list[str] | None:
    """Return the next row; None after the last."""
    try:
        return next(cells, None)
    except csv.Error as error:
        remedy = "What holds a line break or a quotation mark stands in quotation marks, and those inside are doubled."
        raise Unreadable(line, f"This is no {called} ({error}). {remedy}") from error
