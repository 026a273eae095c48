"""PostgreSQL: connect to it, and give each statement its user, its request's id and its time limit."""

import re
import socket
import time
from collections.abc import Iterator
from typing import Any

import psycopg2.extensions
from sqlalchemy import Engine, event
from sqlalchemy.pool import ConnectionPoolEntry

from app.database import waiting
from app.database.connections import MADE_AT
from app.database.scopes import PURGE, WORK, current_user, takes_its_time
from app.http.requests import current_request

psycopg2.extensions.set_wait_callback(waiting.wait)

CONNECT_SECONDS = 2
# Maximum wait for the other side's kernel to acknowledge sent data.
UNACKNOWLEDGED_MILLISECONDS = 3_000
# Longer than the server's own statement_timeout, which ends a statement without breaking the connection.
SILENCE_SECONDS = 7

# Characters that could end a comment or its quotes, or that the driver interprets.
_NOT_FOR_A_COMMENT = re.compile(r"[^!-~]|[%'*\\]")

# PostgreSQL's number of the type.
UUID = 2950

# What precedes a statement in its message, by its scope. In all others it is the user.
_AS_ONE_OF_ALL = {PURGE: "SELECT as_purge(); ", WORK: "SELECT as_work(); "}
_AS_USER = "SELECT as_user(%(app_user)s); "

WHOLE_TIMESTAMP = len("2026-03-14 09:26:53.589793")


def connect_arguments(query: Any) -> dict[str, Any]:
    """Return the driver's arguments, except those that the URL's query sets."""
    # With only keepalives and a connect time-out, a vanished server held a request for over 35 s.
    limits = {
        "connect_timeout": CONNECT_SECONDS,
        "tcp_user_timeout": UNACKNOWLEDGED_MILLISECONDS,
        "keepalives_idle": 5,
        "application_name": "tasks",
    }
    arguments = {name: value for name, value in limits.items() if name not in query}
    return arguments | {"connection_factory": _Connection, "cursor_factory": _ScopedCursor}


def watch(engine: Engine) -> None:
    event.listen(engine, "do_connect", _connect)
    event.listen(engine, "connect", _prepare)


def _prepare(connection: psycopg2.extensions.connection, record: ConnectionPoolEntry) -> None:
    """Make a new connection read times and UUIDs as the API's text."""
    record.info[MADE_AT] = time.monotonic()
    psycopg2.extensions.register_type(_TIMESTAMP, connection)
    psycopg2.extensions.register_type(_DATE, connection)
    # An unregistered type is returned as the server's text, without a call into Python.
    connection.string_types.pop(UUID, None)


def _read_timestamp(text: str | None, _cursor: object) -> str | None:
    """Turn PostgreSQL's `2026-03-14 09:26:53.5` into `2026-03-14T09:26:53.500000Z`."""
    if text is None:
        return None
    if len(text) < WHOLE_TIMESTAMP:
        # PostgreSQL leaves out trailing zeros.
        text = (text if "." in text else text + ".").ljust(WHOLE_TIMESTAMP, "0")
    return text.replace(" ", "T") + "Z"


# Without a time zone, as _in_utc() in columns.py makes them.
_TIMESTAMP = psycopg2.extensions.new_type((1114,), "TIMESTAMP", _read_timestamp)


# The server's text is YYYY-MM-DD. A CAST to text depends on the session, which Citus refuses in RETURNING.
_DATE = psycopg2.extensions.new_type((1082,), "DATE", psycopg2.extensions.UNICODE)


class _Connection(psycopg2.extensions.connection):
    """A connection that knows the prepared statements of its server session."""

    # False for all connections of this process once a pooler gives each transaction another session.
    has_own_session = True

    def __init__(self, dsn: str, *arguments: Any, **options: Any) -> None:
        # The time limit for connecting (see waiting.py). Each statement sets its own.
        self.patience: float | None = float(psycopg2.extensions.parse_dsn(dsn).get("connect_timeout", CONNECT_SECONDS))
        super().__init__(dsn, *arguments, **options)
        self.prepared: set[str] = set()


def _connect(_dialect: object, _record: object, _arguments: object, parameters: dict[str, Any]) -> Any:
    """Try each address of each host in turn, because libpq's own time-out per address does not apply here."""
    failures: list[psycopg2.OperationalError] = []
    for place in _places(parameters, failures):
        try:
            return psycopg2.connect(**{**parameters, **place})
        except psycopg2.OperationalError as error:
            failures.append(error)
    raise failures[0]


def _places(parameters: dict[str, Any], failures: list[psycopg2.OperationalError]) -> Iterator[dict[str, Any]]:
    hosts, ports = (str(parameters.get(name, "")).split(",") for name in ("host", "port"))
    for number, host in enumerate(hosts):
        port = ports[number] if len(ports) > 1 else ports[0]
        # Also if empty, because they replace the lists: then libpq has its default.
        place = {"host": host, "port": port}
        if not host or host.startswith(("/", "@")) or "hostaddr" in parameters:
            # A socket's folder, or an address that libpq gets elsewhere.
            yield place
            continue
        try:
            addresses = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
        except OSError as error:
            # Where a machine's name goes away with it, the next host has taken over.
            failures.append(psycopg2.OperationalError(f"the host {host} has no address: {error}"))
            continue
        for address in addresses:
            yield {**place, "hostaddr": address[4][0]}


class _ScopedCursor(psycopg2.extensions.cursor):
    """Sends the scope's user in the same message as each statement, as a setting of only that transaction.

    The user comes only from the scope, so a query that names a wrong user finds no row.
    `executemany` stays unchanged: without the prefix, row-level security rejects everything.
    The request's id precedes it, so that the server's log and pg_stat_activity lead back to the request.
    """

    def execute(self, query: Any, parameters: Any = None) -> None:
        user_id = current_user.get()
        if user_id is not None:
            query = _AS_ONE_OF_ALL.get(user_id, _AS_USER) + query
            # A new dictionary, because SQLAlchemy keeps the one it passed.
            parameters = {**(parameters or {}), "app_user": user_id}
        request_id = current_request.get()
        if request_id is not None:
            # In front, because pg_stat_activity shows only the first kilobyte; and outside the prepared text.
            query = f"/* request_id='{_NOT_FOR_A_COMMENT.sub('_', request_id)}' */ {query}"
        self.connection.patience = None if takes_its_time.get() else SILENCE_SECONDS
        super().execute(query, parameters)
