"""A statement has its request's id as a comment, so that PostgreSQL's views lead back to the request."""

import re
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from contextvars import Context
from typing import Any
from uuid import UUID

import psycopg2
import pytest
from flask import Flask
from sqlalchemy import literal, select

from app.database import fetch_one, scope, transaction
from app.database.postgresql import _ScopedCursor
from app.database.scopes import NOBODY
from app.http.requests import current_request
from app.services import services_of
from tests.conftest import Caller, make_app, new_user_id
from tests.postgres import Server
from tests.waiting import until

# Visible ASCII, each an attempt to end the comment.
HOSTILE = [
    "*/SELECT(1/0);--",
    "a'*/;DROP/**/TABLE/**/tasks;--",
    "/*",
    "*/",
    "'",
    "\\",
    "%",
    "%s",
    "%(app_user)s",
    "%%",
    "$1",
    "$$*/$$",
    ";",
    "--",
    '"',
    "{id}",
    "*" * 128,
    "*/" * 64,
    "%27*%2F",
]


@pytest.fixture(scope="module")
def app(postgresql: Server, postgresql_template: str) -> Iterator[Flask]:
    """An app on a database of these tests."""
    app = make_app(postgresql.url(postgresql.create_database(template=postgresql_template)))
    yield app
    services_of(app).engine.dispose()


@contextmanager
def sent() -> Iterator[list[str]]:
    """Record what this thread sends meanwhile, with its values."""
    found: list[str] = []
    execute, here = _ScopedCursor.execute, threading.get_ident()

    def noting(cursor: Any, query: str, parameters: Any = None) -> None:
        try:
            execute(cursor, query, parameters)
        finally:
            # Revocations are read in the background.
            if threading.get_ident() == here:
                found.append(cursor.query.decode())

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_ScopedCursor, "execute", noting)
        yield found


def with_id(request_id: str) -> dict[str, str]:
    return {"X-Request-ID": request_id}


def test_every_statement_of_a_request_begins_with_its_id(app: Flask, ann: Caller) -> None:
    """A connection's first, prepared ones, rejected ones, and those of a transaction with BEGIN and COMMIT."""
    services_of(app).engine.dispose()
    with sent() as texts:
        assert ann.post("/v1/tasks", json={"title": "tea"}, headers=with_id("first")).status_code == 201
        idempotent = {**with_id("second"), "Idempotency-Key": "k"}
        assert ann.post("/v1/tasks", json={"title": "tea"}, headers=idempotent).status_code == 201

    ids = [re.match(r"/\* request_id='(\w+)' \*/ ", text) for text in texts]
    assert [text for text, id_ in zip(texts, ids, strict=True) if id_ is None] == []
    assert {id_[1] for id_ in ids if id_} == {"first", "second"}
    assert [text for text in texts if text.endswith("COMMIT")] == ["/* request_id='second' */ COMMIT"]


def test_a_new_id_is_in_the_response_and_in_the_comment(app: Flask, ann: Caller) -> None:
    """If the client sent none."""
    with sent() as texts:
        answer = ann.get("/v1/tasks")

    assert UUID(answer.headers["X-Request-ID"]).version == 7
    assert texts[-1].startswith(f"/* request_id='{answer.headers['X-Request-ID']}' */ ")


@pytest.mark.parametrize("request_id", HOSTILE)
def test_a_clients_id_cannot_leave_the_comment(app: Flask, ann: Caller, request_id: str) -> None:
    """For any id, the statement and its result are the same."""
    # At the first connection SQLAlchemy queries the server.
    assert ann.get("/v1/tasks").status_code == 200
    headers = with_id(request_id)
    with sent() as texts:
        created = ann.post("/v1/tasks", json={"title": "100 % tea"}, headers=headers)
        listed = ann.get("/v1/tasks", headers=headers)
        again = ann.get(f"/v1/tasks/{created.get_json()['id']}", headers=headers)

    assert (created.status_code, listed.status_code, again.status_code) == (201, 200, 200)
    assert created.headers["X-Request-ID"] == request_id
    assert listed.get_json()["items"] == [again.get_json()] == [created.get_json()]
    for text in texts:
        comment, end, statement = text.partition(" */ ")
        assert end
        assert re.fullmatch(r"/\* request_id='[^*'%\\]+'", comment)
        assert statement.startswith("SELECT as_user('")


@pytest.mark.parametrize("request_id", [*HOSTILE, "ä", "\n*/", "\u2028", "a b"])
def test_the_cursor_escapes_the_id_itself(app: Flask, request_id: str) -> None:
    """It does not rely on earlier checks, also in a transaction and outside scopes."""
    with app.app_context(), scope(NOBODY):
        token = current_request.set(request_id)
        try:
            with transaction():
                row = fetch_one(select(literal("%*/").label("text")))
        finally:
            current_request.reset(token)

    assert row is not None
    assert row.text == "%*/"


def test_pg_stat_activity_shows_the_id_of_a_waiting_request(app: Flask, postgresql: Server) -> None:
    """Even if the statement is long."""
    # A new connection has not prepared it, and shows all of it.
    services_of(app).engine.dispose()
    ann = Caller(app, new_user_id())
    database = services_of(app).settings.database_url.database
    admin = postgresql.admin.set(database=database).render_as_string(hide_password=False)
    with ThreadPoolExecutor() as clients, closing(psycopg2.connect(admin)) as other:
        other.cursor().execute("LOCK TABLE tasks")
        waiting = clients.submit(ann.post, "/v1/tasks", json={"title": "tea"}, headers=with_id("who-waits"))
        # After the first statements of a new connection.
        find = "SELECT query FROM pg_stat_activity WHERE query LIKE '/* request_id=''who-waits''%INSERT INTO tasks%'"
        shown = until(lambda: postgresql.sql(find), "the statement")
        other.rollback()

    assert waiting.result().status_code in (201, 503)
    assert "INSERT INTO tasks" in shown[0][0]


def test_a_statement_without_a_request_has_no_comment(app: Flask) -> None:
    """Such as a command's: in another process, or here in its own context."""

    def command() -> None:
        with app.app_context():
            fetch_one(select(literal(1).label("one")))

    with sent() as texts:
        Context().run(command)

    assert len(texts) > 0
    assert [text for text in texts if "request_id=" in text] == []
