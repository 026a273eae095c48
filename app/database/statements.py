"""SQLAlchemy's statements, compiled once and run directly on the driver.

For a query of one row, SQLAlchemy's own work (a cache key, a context, events, result and row objects) took three
times as long as the driver. None of it is needed: statements are built at import, values are bound by name, and both
drivers handle the types of `columns.py` themselves.
"""

import hashlib
from collections import namedtuple
from collections.abc import Callable, Mapping
from functools import lru_cache, partial
from typing import Any

from psycopg2.errors import DuplicatePreparedStatement, InvalidSqlStatementName
from sqlalchemy import Dialect
from sqlalchemy.dialects.postgresql.psycopg2 import PGDialect_psycopg2
from sqlalchemy.dialects.sqlite.pysqlite import SQLiteDialect_pysqlite

# A namedtuple of the statement's columns.
Row = Any

# The driver's rows, and the number of rows found or changed.
Result = tuple[list[tuple[Any, ...]], int]

# Maximum prepared statements per connection.
PREPARED_STATEMENTS = 50

# By the engine's name. All engines of a process share them, and so what is compiled.
DIALECTS: Mapping[str, Dialect] = {
    "postgresql": PGDialect_psycopg2(),  # type: ignore[no-untyped-call]
    "sqlite": SQLiteDialect_pysqlite(),
}
# PostgreSQL's own parameters, for PREPARE.
NUMBERED: Dialect = PGDialect_psycopg2(paramstyle="numeric_dollar")  # type: ignore[no-untyped-call]


class Compiled:
    """A statement in the form of one driver."""

    def __init__(self, statement: Any, dialect: Dialect, names: tuple[str, ...] | None) -> None:
        compiled = statement.compile(dialect=dialect, column_keys=names)
        self._text = str(compiled)
        # The values in the statement itself, and None for each parameter.
        self._values = compiled.params
        self._order = compiled.positiontup
        row = namedtuple("Row", statement.exported_columns.keys(), rename=True)  # type: ignore[misc]
        # Like its own _make(), but without a Python call for each row.
        self.named: Callable[[tuple[Any, ...]], Row] = partial(tuple.__new__, row)

    def run(self, connection: Any, parameters: Mapping[str, Any]) -> Result:
        return self._send(connection, self._text, parameters)

    def run_alone(self, connection: Any, parameters: Mapping[str, Any]) -> Result:
        """Execute it outside a transaction, where a failed attempt rolls nothing back."""
        return self.run(connection, parameters)

    def _send(self, connection: Any, text: str, parameters: Mapping[str, Any]) -> Result:
        values = {**self._values, **parameters}
        cursor = connection.cursor()
        cursor.execute(text, [values[name] for name in self._order] if self._order else values)
        return cursor.fetchall() if cursor.description else [], cursor.rowcount


class Prepared(Compiled):
    """A statement that PostgreSQL parses and plans once per connection, which saves a third of a small query's cost.

    Behind a transaction pooler, a connection gets another server session each time, where the prepared name does not
    exist. The first statement to notice is sent in full, and so are all later ones.
    """

    def __init__(self, statement: Any, dialect: Dialect, names: tuple[str, ...] | None) -> None:
        super().__init__(statement, dialect, names)
        numbered = statement.compile(dialect=NUMBERED, column_keys=names)
        text = str(numbered)
        # Named by its text, so that the same name means the same statement for every process.
        self._name = f"tasks_{hashlib.sha256(text.encode()).hexdigest()[:16]}"
        self._by_name = f"EXECUTE {self._name} ({', '.join(f'%({name})s' for name in numbered.positiontup)})"
        self._first = f"PREPARE {self._name} AS {text.replace('%', '%%')}; {self._by_name}"

    def run_alone(self, connection: Any, parameters: Mapping[str, Any]) -> Result:
        if not connection.has_own_session or len(connection.prepared) >= PREPARED_STATEMENTS:
            return self.run(connection, parameters)
        text = self._by_name if self._name in connection.prepared else self._first
        # It stays prepared even if the statement fails.
        connection.prepared.add(self._name)
        try:
            return self._send(connection, text, parameters)
        except (InvalidSqlStatementName, DuplicatePreparedStatement):
            # The statement did not run.
            type(connection).has_own_session = False
            return self.run(connection, parameters)


@lru_cache(maxsize=1024)
def compiled(statement: Any, engine: str, names: tuple[str, ...] | None = None) -> Compiled:
    """Compile a statement for the engine of this name. Only an INSERT needs the `names` of its values."""
    is_prepared = statement.get_execution_options().get("prepared") and engine == "postgresql"
    return (Prepared if is_prepared else Compiled)(statement, DIALECTS[engine], names)
