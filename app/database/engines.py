"""The app's engine, on either of the two databases."""

from collections.abc import Callable, Mapping
from threading import Lock
from typing import Any

from sqlalchemy import Engine, create_engine
from sqlalchemy.dialects import postgresql as postgresql_dialect
from sqlalchemy.dialects import sqlite as sqlite_dialect

from app.database import postgresql, sqlite
from app.database.columns import metadata
from app.database.connections import Connections
from app.database.outages import DatabaseState
from app.services import services
from app.settings import Settings

POOL_WAIT_SECONDS = 2
# In addition to those for requests: for background reads.
SPARE_CONNECTIONS = 1


class Database:
    """The metadata and the current app's engine, for Flask-Migrate and the queries."""

    metadata = metadata

    @property
    def engine(self) -> Engine:
        return services().engine

    def engine_and_state(self) -> tuple[Engine, DatabaseState]:
        """Return the current app's engine and database state, which every statement needs."""
        here = services()
        return here.engine, here.database

    @property
    def on_sqlite(self) -> bool:
        return self.engine.dialect.name == "sqlite"


db = Database()


def make_engine(settings: Settings) -> Engine:
    url = settings.database_url
    on_sqlite = url.drivername == "sqlite"
    engine = create_engine(
        url,
        isolation_level="AUTOCOMMIT",
        # A failing statement must not put users' data into the log.
        hide_parameters=True,
        # Keep all connections, because the spare one would otherwise be opened and closed twice a second.
        pool_size=settings.threads + SPARE_CONNECTIONS,
        max_overflow=0,
        pool_timeout=POOL_WAIT_SECONDS,
        # Nothing is left to roll back: a failed transaction rolls itself back.
        pool_reset_on_return=None,
        connect_args=sqlite.connect_arguments() if on_sqlite else postgresql.connect_arguments(url.query),
        **({} if on_sqlite else {"use_native_hstore": False}),
    )
    (sqlite if on_sqlite else postgresql).watch(engine)
    return engine


def state_of(engine: Engine, after_write: Callable[[str], None]) -> DatabaseState:
    # SQLite has one writer at a time.
    turn = Lock() if engine.dialect.name == "sqlite" else None
    return DatabaseState(Connections(engine), turn, after_write=after_write)


def both_engines(build: Callable[[Any], Any]) -> Mapping[str, Any]:
    """Build a statement with ON CONFLICT for both engines, because each needs its own `insert`."""
    return {"postgresql": build(postgresql_dialect.insert), "sqlite": build(sqlite_dialect.insert)}


def for_engine(statements: Mapping[str, Any]) -> Any:
    """Pick the statement for the current app's engine."""
    return statements[db.engine.dialect.name]
