"""Column types and functions that mean the same on both engines."""

from typing import Any

from sqlalchemy import Boolean, ColumnElement, Date, DateTime, Dialect, Integer, MetaData, String, Text, Uuid, null
from sqlalchemy.types import TypeDecorator, TypeEngine

from app.database.functions import FunctionPerEngine

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


class _in_utc(FunctionPerEngine[str]):
    """A timestamp column read in UTC, whatever the connection's time zone."""

    type = Text()
    # The driver converts it to RFC 3339: to_char() took longer than all other work of reading a row.
    on_postgresql = "timezone('UTC', {0})"
    on_sqlite = "{0}"


class Day(TypeDecorator[str]):
    """A calendar day, read and written as `YYYY-MM-DD`."""

    impl = Date
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        return dialect.type_descriptor(String(10) if dialect.name == "sqlite" else Date())


class now(FunctionPerEngine[str]):
    """The database's clock. SQLAlchemy's `func.now()` has only whole seconds on SQLite."""

    type = Timestamp()
    on_postgresql = on_sqlite = "now()"


class from_now(FunctionPerEngine[str]):
    """The database's clock, moved by a number of seconds, which may be negative."""

    type = Timestamp()
    on_postgresql = "(now() + make_interval(secs => {0}))"
    on_sqlite = "from_now({0})"


class new_position(FunctionPerEngine[str]):
    """A position behind all older ones: the database's clock in microseconds, as 14 hexadecimal digits."""

    type = Text()
    on_postgresql = "lpad(to_hex((extract(epoch FROM now()) * 1000000)::bigint), 14, '0')"
    on_sqlite = "position_at(now())"


class row_mark(FunctionPerEngine[int]):
    """A number for a row's id and version, so that the sum over some rows tells whether others have taken their place.

    PostgreSQL's sum of these is a whole number and cannot overflow.
    """

    type = Integer()
    on_postgresql = "(uuid_hash({0}) # hashint4({1}))"
    on_sqlite = "row_mark({0}, {1})"


class now_if(FunctionPerEngine[str]):
    """The database's clock if a condition holds, else another time; that time must be NULL if the condition holds.

    It is for an UPDATE on PostgreSQL: Citus accepts no clock inside a CASE or COALESCE there, because its machines'
    clocks differ.
    """

    type = Timestamp()
    # LEAST and GREATEST ignore NULL.
    on_postgresql = (
        "NULLIF(GREATEST("
        "LEAST(now(), CASE WHEN {0} THEN timestamptz 'infinity' ELSE timestamptz '-infinity' END), {1}"
        "), timestamptz '-infinity')"
    )
    on_sqlite = "CASE WHEN {0} THEN now() ELSE {1} END"

    def __init__(self, condition: ColumnElement[bool], otherwise: ColumnElement[Any] | None = None) -> None:
        super().__init__(condition, null() if otherwise is None else otherwise)


class is_older(FunctionPerEngine[bool]):
    """Whether a time is at least so many seconds before another one: is_older(time, seconds, other)."""

    type = Boolean()
    on_postgresql = "{2} - {0} >= make_interval(secs => {1})"
    on_sqlite = "{0} <= moved({2}, -({1}))"


# Canonical text on SQLite, so that an id is read as it was written.
Id = Uuid(as_uuid=False).with_variant(String(36), "sqlite")

# Ordered by code point on both engines, whatever the database's locale.
PlainText = Text().with_variant(Text(collation="C"), "postgresql")
