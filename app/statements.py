"""SQLAlchemy's statements, compiled once and run on the driver itself.

What SQLAlchemy does around each execution (a cache key, a context, events, objects for the result and each row) took
three times as long as the driver with a query for one row. None of it is needed: a statement is built at import, its
values are bound by name, and both drivers read and write the types of `columns.py` as they are.
"""

from collections import namedtuple
from collections.abc import Callable, Mapping
from functools import lru_cache, partial
from typing import Any

from sqlalchemy import Dialect

# A namedtuple of the statement's columns.
Row = Any


# The rows, and how many were found or changed.
Result = tuple[list[Row], int]


class Compiled:
    """A statement as one driver takes it."""

    def __init__(self, statement: Any, dialect: Dialect, names: tuple[str, ...] | None) -> None:
        compiled = statement.compile(dialect=dialect, column_keys=names)
        self._text = str(compiled)
        # Those that stand in the statement itself; None for those that are given.
        self._values = compiled.params
        self._order = compiled.positiontup
        row = namedtuple("Row", statement.exported_columns.keys(), rename=True)  # type: ignore[misc]
        # As its own _make() does, but without a call in Python for each row.
        self._make: Callable[[tuple[Any, ...]], Row] = partial(tuple.__new__, row)

    def run(self, connection: Any, parameters: Mapping[str, Any]) -> Result:
        """Execute it on a driver's connection."""
        values = {**self._values, **parameters}
        cursor = connection.cursor()
        cursor.execute(self._text, [values[name] for name in self._order] if self._order else values)
        rows = cursor.fetchall() if cursor.description else ()
        return list(map(self._make, rows)), cursor.rowcount


@lru_cache(maxsize=1024)
def compiled(statement: Any, dialect: Dialect, names: tuple[str, ...] | None = None) -> Compiled:
    """`names` are those of the values that an INSERT is given; other statements name theirs themselves."""
    return Compiled(statement, dialect, names)
