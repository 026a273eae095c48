"""Record the statements that the service sends, at both drivers: SQLAlchemy's events do not see them."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import psycopg2.extensions
import pytest
from flask import Flask, current_app, has_app_context

from app.database.postgresql import _ScopedCursor
from app.database.sqlite import _Cursor

Note = Callable[[Any, str], None]


@contextmanager
def each_statement(note: Note) -> Iterator[None]:
    """Call `note` with each statement and its cursor before it is sent, without the user's scope."""
    with pytest.MonkeyPatch.context() as patch:
        for cursor in (_ScopedCursor, _Cursor):
            patch.setattr(cursor, "execute", _noting(note, cursor.execute))
        yield


def _noting(note: Note, execute: Callable[..., Any]) -> Callable[..., Any]:
    def wrapper(cursor: Any, statement: str, *parameters: Any) -> Any:
        note(cursor, statement)
        return execute(cursor, statement, *parameters)

    return wrapper


@contextmanager
def messages(app: Flask) -> Iterator[list[str]]:
    """Record the statements that an app sends meanwhile. In autocommit, each is its own transaction."""
    sent: list[str] = []

    def note(cursor: Any, statement: str) -> None:
        if isinstance(cursor, psycopg2.extensions.cursor):
            assert cursor.connection.autocommit, "BEGIN and COMMIT would be messages too"
        # Each process reads revocations every half second, during any request.
        if is_sent_by(app) and not reads_revocations(statement):
            sent.append(statement)

    with each_statement(note):
        yield sent


def is_sent_by(app: Flask) -> bool:
    """Return whether the current statement is this app's: no query runs outside its app's context."""
    return has_app_context() and current_app == app


def reads_revocations(statement: str) -> bool:
    """Return whether the statement reads revocations."""
    return "AS read_at" in statement or (statement.startswith("SELECT") and "FROM revocations" in statement)
