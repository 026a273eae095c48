"""Tasks from a CSV file, our own or another program's."""

from typing import IO

from app.tasks.formats import csv_table
from app.tasks.formats.csv_rows import rows
from app.tasks.formats.records import Records


def read(file: IO[bytes]) -> Records:
    """Yield the tasks of a table, whose header tells which program wrote it."""
    table = rows(file)
    line, header = next(table, (1, []))
    yield from csv_table.read(line, [name.strip().lower() for name in header], table)
