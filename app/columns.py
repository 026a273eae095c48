"""Column types and functions that mean the same on both engines."""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, DateTime, Dialect, String, Text, Uuid, func, literal_column
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement
from sqlalchemy.types import TypeDecorator, TypeEngine

from app.database import db
from app.engines import rfc3339


class Timestamp(TypeDecorator[str]):
    """A moment in time: `timestamptz` on PostgreSQL, sortable text on SQLite.

    It is read as the text that the API answers with (RFC 3339, UTC, microseconds), so that no row is converted
    on its way out; it is written from that text or from an aware datetime.
    """

    impl = DateTime(timezone=True)
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        return dialect.type_descriptor(String(27) if dialect.name == "sqlite" else DateTime(timezone=True))

    def process_bind_param(self, value: Any, dialect: Dialect) -> str | None:
        return rfc3339(value) if isinstance(value, datetime) else value

    def bind_processor(self, dialect: Dialect) -> Any:
        return lambda value: self.process_bind_param(value, dialect)

    def result_processor(self, dialect: Dialect, coltype: object) -> None:
        return None

    def column_expression(self, column: ColumnElement[Any]) -> ColumnElement[Any]:
        return _as_text(column)


class _as_text(FunctionElement[str]):
    """A timestamp column as RFC 3339 text."""

    type = Text()
    inherit_cache = True


@compiles(_as_text)
def _postgresql_text(element: _as_text, compiler: SQLCompiler, **options: Any) -> str:
    column = next(iter(element.clauses))
    pattern: ColumnElement[str] = literal_column("""'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'""")
    return compiler.process(func.to_char(func.timezone(literal_column("'UTC'"), column), pattern), **options)


@compiles(_as_text, "sqlite")
def _sqlite_text(element: _as_text, compiler: SQLCompiler, **options: Any) -> str:
    return compiler.process(next(iter(element.clauses)), **options)


class now(FunctionElement[str]):
    """The database's clock. SQLAlchemy's `func.now()` knows only seconds on SQLite."""

    type = Timestamp()
    inherit_cache = True


@compiles(now)
def _now(element: now, compiler: SQLCompiler, **options: Any) -> str:
    return "now()"


class from_now(FunctionElement[str]):
    """The database's clock, so many seconds later, or earlier where they are negative."""

    type = Timestamp()
    inherit_cache = True


@compiles(from_now)
def _postgresql_from_now(element: from_now, compiler: SQLCompiler, **options: Any) -> str:
    return f"(now() + make_interval(secs => {compiler.process(element.clauses, **options)}))"


@compiles(from_now, "sqlite")
def _sqlite_from_now(element: from_now, compiler: SQLCompiler, **options: Any) -> str:
    return f"from_now({compiler.process(element.clauses, **options)})"


class folded(FunctionElement[str]):
    """Text for comparing without case, in every alphabet; the two small sigmas of Greek are one letter."""

    type = Text()
    inherit_cache = True


@compiles(folded)
def _postgresql_folded(element: folded, compiler: SQLCompiler, **options: Any) -> str:
    # A column in the collation "C" would fold ASCII alone.
    return f"""replace(lower({compiler.process(element.clauses, **options)} COLLATE "default"), 'ς', 'σ')"""


@compiles(folded, "sqlite")
def _sqlite_folded(element: folded, compiler: SQLCompiler, **options: Any) -> str:
    return f"fold({compiler.process(element.clauses, **options)})"


# Text of the canonical form on SQLite, so that it reads as it is written.
Id = Uuid(as_uuid=False).with_variant(String(36), "sqlite")

# Ordered by code point on both engines, whatever the database's locale.
PlainText = Text().with_variant(Text(collation="C"), "postgresql")


def both_engines(build: Callable[[Any], Any]) -> Mapping[str, Any]:
    """A statement with ON CONFLICT, which needs each engine's own `insert`: built once for both."""
    return {"postgresql": build(postgresql.insert), "sqlite": build(sqlite.insert)}


def for_engine(statements: Mapping[str, Any]) -> Any:
    """The one of both that is for the engine of the current app."""
    return statements[db.engine.dialect.name]
