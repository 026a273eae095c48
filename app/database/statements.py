"""SQLAlchemy's statements, compiled once and run on the driver itself.

What SQLAlchemy does around each execution (a cache key, a context, events, objects for the result and each row) took
three times as long as the driver with a query for one row. None of it is needed: a statement is built at import, its
values are bound by name, and both drivers read and write the types of `columns.py` as they are.
"""

import hashlib
from collections import namedtuple
from collections.abc import Callable, Mapping
from functools import lru_cache, partial
from typing import Any

from psycopg2.errors import DuplicatePreparedStatement, InvalidSqlStatementName
from sqlalchemy import Dialect
from sqlalchemy.dialects.postgresql.psycopg2 import PGDialect_psycopg2

# A namedtuple of the statement's columns.
Row = Any

# The rows as the driver gives them, and how many were found or changed.
Result = tuple[list[tuple[Any, ...]], int]

# How many statements a server keeps the plans of for one connection.
PREPARED_STATEMENTS = 50


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
        self.named: Callable[[tuple[Any, ...]], Row] = partial(tuple.__new__, row)

    def run(self, connection: Any, parameters: Mapping[str, Any]) -> Result:
        """Execute it on a driver's connection."""
        return self._send(connection, self._text, parameters)

    def run_alone(self, connection: Any, parameters: Mapping[str, Any]) -> Result:
        """The same outside of a transaction, where a failing attempt undoes nothing."""
        return self.run(connection, parameters)

    def _send(self, connection: Any, text: str, parameters: Mapping[str, Any]) -> Result:
        values = {**self._values, **parameters}
        cursor = connection.cursor()
        cursor.execute(text, [values[name] for name in self._order] if self._order else values)
        return cursor.fetchall() if cursor.description else [], cursor.rowcount


class Prepared(Compiled):
    """A statement that PostgreSQL parses and plans once for each connection, a third of what a small one costs it.

    Behind a pooler of transactions a connection meets another server's session each time, where the name stands for
    nothing. The first to notice sends the statement itself, as everybody does from then on.
    """

    def __init__(self, statement: Any, dialect: Dialect, names: tuple[str, ...] | None) -> None:
        super().__init__(statement, dialect, names)
        dialect = PGDialect_psycopg2(paramstyle="numeric_dollar")  # type: ignore[no-untyped-call]
        numbered = statement.compile(dialect=dialect, column_keys=names)
        text = str(numbered)
        # By its text, so that a name that somebody else made stands for the same.
        self._name = f"tasks_{hashlib.sha256(text.encode()).hexdigest()[:16]}"
        self._by_name = f"EXECUTE {self._name} ({', '.join(f'%({name})s' for name in numbered.positiontup)})"
        self._first = f"PREPARE {self._name} AS {text.replace('%', '%%')}; {self._by_name}"

    def run_alone(self, connection: Any, parameters: Mapping[str, Any]) -> Result:
        if not connection.has_own_session or len(connection.prepared) >= PREPARED_STATEMENTS:
            return self.run(connection, parameters)
        text = self._by_name if self._name in connection.prepared else self._first
        # It stays prepared even where the statement fails.
        connection.prepared.add(self._name)
        try:
            return self._send(connection, text, parameters)
        except (InvalidSqlStatementName, DuplicatePreparedStatement):
            # Nothing was done.
            type(connection).has_own_session = False
            return self.run(connection, parameters)


@lru_cache(maxsize=1024)
def compiled(statement: Any, dialect: Dialect, names: tuple[str, ...] | None = None) -> Compiled:
    """`names` are those of the values that an INSERT is given; other statements name theirs themselves."""
    is_prepared = statement.get_execution_options().get("prepared") and dialect.name == "postgresql"
    return (Prepared if is_prepared else Compiled)(statement, dialect, names)
