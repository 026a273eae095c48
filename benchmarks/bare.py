"""The statements of an operation without the service: the least that any service on this database takes."""

import sqlite3
import time
import uuid
from collections.abc import Callable
from itertools import islice
from typing import Any

import psycopg2

from benchmarks.postgres import ADMIN, ROLE

# So many rows are one statement for PostgreSQL.
PAGE = 1_000


class Database:
    """A connection past the service and row-level security, as durable as the service's."""

    _connection: Any

    def __init__(self, database_url: str) -> None:
        self._is_sqlite = database_url.startswith("sqlite")
        if self._is_sqlite:
            self._connection = sqlite3.connect(database_url.removeprefix("sqlite:///"), isolation_level=None)
            for pragma in ("synchronous=FULL", "foreign_keys=ON"):
                self._connection.execute(f"PRAGMA {pragma}")
        else:
            self._connection = psycopg2.connect(database_url.replace(f"//{ROLE}@", f"//{ADMIN}@"))
            self._connection.autocommit = True
        self._cursor = self._connection.cursor()

    def settle(self) -> None:
        """Do what PostgreSQL otherwise does at some moment of the next minutes."""
        if not self._is_sqlite:
            self._cursor.execute("VACUUM ANALYZE tasks")

    def run(self, statement: str, *parameters: Any) -> list[tuple[Any, ...]]:
        """Run a statement, and return its rows."""
        self._cursor.execute(statement.replace("%s", "?") if self._is_sqlite else statement, parameters)
        return self._cursor.fetchall() if self._cursor.description else []

    def time(self, statement: str, *parameters: Any) -> float:
        """Return the milliseconds until all rows are there."""
        return milliseconds(lambda: self.run(statement, *parameters))

    def time_copy(self, count: int, source: str, target: str) -> float:
        """Insert so many of one user's tasks as those of another, in one transaction; return the milliseconds."""
        found = self.run("SELECT * FROM tasks WHERE user_id = %s LIMIT %s", source, count)
        names = [column[0] for column in self._cursor.description]
        rows = (dict(zip(names, row, strict=True)) for row in found)
        new = [tuple({**row, "user_id": target, "id": str(uuid.uuid4())}.values()) for row in rows]
        return milliseconds(self._inserting(names, new))

    def _inserting(self, names: list[str], rows: list[tuple[Any, ...]]) -> Callable[[], object]:
        """Return a function that inserts the rows, which is all that it has left to do."""
        begin = f"INSERT INTO tasks ({', '.join(names)}) VALUES "
        row = f"({', '.join(['%s'] * len(names))})"
        if self._is_sqlite:

            def insert() -> None:
                self._cursor.execute("BEGIN")
                self._cursor.executemany((begin + row).replace("%s", "?"), rows)
                self._cursor.execute("COMMIT")

            return insert
        texts = (self._cursor.mogrify(row, values).decode() for values in rows)
        pages = []
        while page := list(islice(texts, PAGE)):
            pages.append(begin + ", ".join(page))
        return lambda: self._cursor.execute("; ".join(["BEGIN", *pages, "COMMIT"]))


def milliseconds(run: Callable[[], object]) -> float:
    begin = time.perf_counter()
    run()
    return (time.perf_counter() - begin) * 1000
