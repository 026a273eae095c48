"""Column types and functions that mean the same on both engines."""

from typing import Any

from sqlalchemy import Boolean, ColumnElement, Date, DateTime, Dialect, MetaData, String, Text, Uuid, null
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement
from sqlalchemy.types import TypeDecorator, TypeEngine

# A table with this in its `info` holds users' data: it can be read and written only inside a scope.
OWNED = {"owned_by_user": True}

metadata = MetaData(
    naming_convention={
        "pk": "%(table_name)s_pkey",
        "fk": "%(table_name)s_%(column_0_name)s_fkey",
        "ix": "%(table_name)s_%(column_0_N_name)s_idx",
        "uq": "%(table_name)s_%(column_0_N_name)s_key",
        "ck": "%(table_name)s_%(constraint_name)s_check",
    }
)


class Timestamp(TypeDecorator[str]):
    """A time: `timestamptz` on PostgreSQL, sortable text on SQLite.

    It is read and written as the text of the API's responses (RFC 3339, UTC, microseconds).
    """

    impl = DateTime(timezone=True)
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        return dialect.type_descriptor(String(27) if dialect.name == "sqlite" else DateTime(timezone=True))

    def column_expression(self, column: ColumnElement[Any]) -> ColumnElement[Any]:
        return _in_utc(column)


class _in_utc(FunctionElement[str]):
    """A timestamp column read in UTC, whatever the connection's time zone."""

    type = Text()
    inherit_cache = True


@compiles(_in_utc)
def _postgresql_in_utc(element: _in_utc, compiler: SQLCompiler, **options: Any) -> str:
    # The driver converts it to RFC 3339: to_char() took longer than all other work of reading a row.
    return f"timezone('UTC', {compiler.process(element.clauses, **options)})"


@compiles(_in_utc, "sqlite")
def _sqlite_in_utc(element: _in_utc, compiler: SQLCompiler, **options: Any) -> str:
    return compiler.process(element.clauses, **options)


class Day(TypeDecorator[str]):
    """A calendar day, read and written as `YYYY-MM-DD`."""

    impl = Date
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        return dialect.type_descriptor(String(10) if dialect.name == "sqlite" else Date())


class now(FunctionElement[str]):
    """The database's clock. SQLAlchemy's `func.now()` has only whole seconds on SQLite."""

    type = Timestamp()
    inherit_cache = True


@compiles(now)
def _now(element: now, compiler: SQLCompiler, **options: Any) -> str:
    return "now()"


class from_now(FunctionElement[str]):
    """The database's clock, moved by a number of seconds, which may be negative."""

    type = Timestamp()
    inherit_cache = True


@compiles(from_now)
def _postgresql_from_now(element: from_now, compiler: SQLCompiler, **options: Any) -> str:
    return f"(now() + make_interval(secs => {compiler.process(element.clauses, **options)}))"


@compiles(from_now, "sqlite")
def _sqlite_from_now(element: from_now, compiler: SQLCompiler, **options: Any) -> str:
    return f"from_now({compiler.process(element.clauses, **options)})"


class new_position(FunctionElement[str]):
    """A position behind all older ones: the database's clock in microseconds, as 14 hexadecimal digits."""

    type = Text()
    inherit_cache = True


@compiles(new_position)
def _postgresql_new_position(element: new_position, compiler: SQLCompiler, **options: Any) -> str:
    return "lpad(to_hex((extract(epoch FROM now()) * 1000000)::bigint), 14, '0')"


@compiles(new_position, "sqlite")
def _sqlite_new_position(element: new_position, compiler: SQLCompiler, **options: Any) -> str:
    return "position_at(now())"


class now_if(FunctionElement[str]):
    """The database's clock if a condition holds, else another time; that time must be NULL if the condition holds.

    It is for an UPDATE on PostgreSQL: Citus accepts no clock inside a CASE or COALESCE there, because its machines'
    clocks differ.
    """

    type = Timestamp()
    inherit_cache = True

    def __init__(self, condition: ColumnElement[bool], otherwise: ColumnElement[Any] | None = None) -> None:
        super().__init__(condition, null() if otherwise is None else otherwise)


@compiles(now_if)
def _postgresql_now_if(element: now_if, compiler: SQLCompiler, **options: Any) -> str:
    # LEAST and GREATEST ignore NULL.
    condition, otherwise = (compiler.process(clause, **options) for clause in element.clauses)
    limit = f"CASE WHEN {condition} THEN timestamptz 'infinity' ELSE timestamptz '-infinity' END"
    return f"NULLIF(GREATEST(LEAST(now(), {limit}), {otherwise}), timestamptz '-infinity')"


@compiles(now_if, "sqlite")
def _sqlite_now_if(element: now_if, compiler: SQLCompiler, **options: Any) -> str:
    condition, otherwise = (compiler.process(clause, **options) for clause in element.clauses)
    return f"CASE WHEN {condition} THEN now() ELSE {otherwise} END"


class is_older(FunctionElement[bool]):
    """Whether a time is at least so many seconds before another one: is_older(time, seconds, other)."""

    type = Boolean()
    inherit_cache = True


@compiles(is_older)
def _postgresql_is_older(element: is_older, compiler: SQLCompiler, **options: Any) -> str:
    time, seconds, other = (compiler.process(clause, **options) for clause in element.clauses)
    return f"{other} - {time} >= make_interval(secs => {seconds})"


@compiles(is_older, "sqlite")
def _sqlite_is_older(element: is_older, compiler: SQLCompiler, **options: Any) -> str:
    time, seconds, other = (compiler.process(clause, **options) for clause in element.clauses)
    return f"{time} <= moved({other}, -({seconds}))"


# Canonical text on SQLite, so that an id is read as it was written.
Id = Uuid(as_uuid=False).with_variant(String(36), "sqlite")

# Ordered by code point on both engines, whatever the database's locale.
PlainText = Text().with_variant(Text(collation="C"), "postgresql")
