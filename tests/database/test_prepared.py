"""PostgreSQL parses frequent statements once per connection; without a lasting session they are sent whole."""

from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest
from flask import Flask

from app.database import statements
from app.database.postgresql import _Connection
from app.services import services_of
from tests.auth.people import keep_copy
from tests.conftest import Caller, make_app, new_user_id
from tests.postgres import Server
from tests.statements import messages

FORGET = "DEALLOCATE ALL"


@pytest.fixture
def app(postgresql: Server, postgresql_database: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Flask]:
    """An app with one unused connection."""
    monkeypatch.setattr(_Connection, "has_own_session", True)
    app = make_app(postgresql.url(postgresql_database))
    # On a busy machine half a second can pass during a test. Then revocations would be read next to a request, on
    # a second connection, and the next request could get either.
    keep_copy(app)
    yield app
    services_of(app).engine.dispose()


def in_session(app: Flask, text: str) -> list[Any]:
    """Run a statement in the session of the app's connection, and return its rows if there are any."""
    connections = services_of(app).database.connections
    connection = connections.take()
    try:
        with closing(connection.cursor()) as cursor:
            cursor.execute(text)
            return list(cursor.fetchall()) if cursor.description else []
    finally:
        connections.give_back(connection)


def runs_by_name(app: Flask) -> list[int]:
    """Return how often each prepared statement has run."""
    return [int(row[0]) for row in in_session(app, "SELECT generic_plans + custom_plans FROM pg_prepared_statements")]


def test_a_statement_is_prepared_once_and_run_by_name(app: Flask, ann: Caller) -> None:
    """In the message that needs it first. Other users' values do not stay."""
    ids = [ann.add(title=title)["id"] for title in ("tea", "100 % cocoa's")]

    titles = [ann.get(f"/v1/tasks/{id_}").get_json()["title"] for id_ in (*ids, *ids)]

    assert titles == ["tea", "100 % cocoa's"] * 2
    # The very first creation was rejected, because the user did not exist.
    assert sorted(runs_by_name(app)) == [3, 4]


def test_a_prepared_statement_shows_each_user_their_own_rows(app: Flask, ann: Caller, bob: Caller) -> None:
    """Only the plan is kept, not the user."""
    task = ann.add()
    for _ in range(7):
        # After five runs, PostgreSQL may choose a plan for all values.
        assert ann.get(f"/v1/tasks/{task['id']}").status_code == 200
        assert bob.get(f"/v1/tasks/{task['id']}").status_code == 404

    assert max(runs_by_name(app)) == 14


@pytest.mark.parametrize("taken", [False, True], ids=["forgotten", "taken by another"])
def test_another_session_gets_the_whole_statement(app: Flask, ann: Caller, taken: bool) -> None:
    """As behind a transaction pooler: no request fails or is done twice, and preparing stops."""
    path = f"/v1/tasks/{ann.add()['id']}/toggle"
    if taken:
        # Another client of the pooler has prepared the name in this session.
        ann.post(path)
        connections = services_of(app).database.connections
        connection = connections.take()
        connection.driver_connection.prepared.clear()
        connections.give_back(connection)
    else:
        in_session(app, FORGET)

    answers = [ann.add(title="another"), ann.add(title="once more")]
    in_session(app, FORGET)
    toggled = ann.post(path)

    assert toggled.status_code == 200
    assert [answer["title"] for answer in answers] == ["another", "once more"]
    assert len(ann.get("/v1/tasks").get_json()["items"]) == 3
    assert toggled.get_json()["completed"] is (not taken)
    assert runs_by_name(app) == []


def test_a_rejected_statement_stays_prepared(app: Flask) -> None:
    """A new user's first task is rejected because the user does not exist, and sent again."""
    stranger = Caller(app, new_user_id())
    assert stranger.get("/v1/tasks").status_code == 200

    with messages(app) as sent:
        stranger.add()
        stranger.add()

    assert [text.partition(" ")[0] for text in sent] == ["PREPARE", "INSERT", "EXECUTE", "EXECUTE"]
    assert _Connection.has_own_session


def test_a_session_has_few_prepared_statements(app: Flask, ann: Caller, monkeypatch: pytest.MonkeyPatch) -> None:
    """Others are sent whole."""
    monkeypatch.setattr(statements, "PREPARED_STATEMENTS", 1)
    task = ann.add()

    assert ann.get(f"/v1/tasks/{task['id']}").get_json() == task
    assert len(runs_by_name(app)) == 1


def test_a_transaction_uses_no_prepared_statements(app: Flask, ann: Caller) -> None:
    """An unknown name would roll back the statements before it."""
    task = ann.add()

    with messages(app) as sent:
        answer = ann.call("POST", "/v1/tasks", json={"title": "tea"}, headers={"Idempotency-Key": "k"})

    assert answer.get_json()["id"] != task["id"]
    assert not [text for text in sent if text.startswith(("EXECUTE", "PREPARE"))]
