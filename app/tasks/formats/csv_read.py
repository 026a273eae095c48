"""Tasks from a CSV file, our own or another program's."""

import re
from typing import IO

from app.tasks.formats import csv_table
from app.tasks.formats.csv_rows import rows
from app.tasks.formats.programs import TABLES, fitted
from app.tasks.formats.programs.values import Row
from app.tasks.formats.records import Records, Unreadable

# What TickTick writes before the header, a line or three in each of these rows.
_PREAMBLE = re.compile("(Date|Version|Status):")


def read(file: IO[bytes]) -> Records:
    """Yield the tasks of a table, whose header tells which program wrote it."""
    table = rows(file)
    line, header = next(table, (1, []))
    while len(header) == 1 and _PREAMBLE.match(header[0]):
        line, header = next(table, (line, []))
    names = [name.strip().lower() for name in header]
    for program in TABLES:
        if program.columns <= set(names):
            yield from fitted(program.records(Row(began, names, cells) for began, cells in table if any(cells)))
            return
    try:
        csv_table.check_header(line, names)
    except Unreadable as fault:
        programs = ", ".join(program.name for program in TABLES)
        raise Unreadable(line, f"{fault.message} Or import the CSV of {programs} as it was exported.") from fault
    yield from csv_table.read(names, table)
