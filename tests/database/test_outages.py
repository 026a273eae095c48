"""While the database is down, requests get 503 with `Retry-After`; afterwards it is used again."""

from contextlib import ExitStack, closing
from pathlib import Path

import psycopg2
import pytest
from flask import Flask
from werkzeug.test import TestResponse

from app.database import engines, sqlite
from app.services import services_of
from tests.conftest import Caller, NewDatabase, migrate, new_user_id
from tests.database.conftest import NewApp
from tests.postgres import Server
from tests.process.conftest import free_port

A_TASK = "/v1/tasks/0199b1f2-7c3e-7a41-9d5b-2f6c8e0a4b17"


def is_unavailable(answer: TestResponse) -> bool:
    assert answer.status_code == 503, answer.text
    assert answer.content_type == "application/problem+json"
    assert answer.json["code"] == "database_unavailable"
    return int(answer.headers["Retry-After"]) > 0


@pytest.fixture(params=["closed port", "no socket", "missing folder", "a folder", "no folder", "no database"])
def unreachable(request: pytest.FixtureRequest, tmp_path: Path, new_app: NewApp) -> Flask:
    """An app whose database cannot be reached."""
    (tmp_path / "letter.txt").write_text("Dear Ann,\n" * 1_000)
    return new_app(
        {
            "closed port": f"postgresql://tasks:tasks@127.0.0.1:{free_port()}/tasks",
            "no socket": f"postgresql://tasks@/tasks?host={tmp_path}",
            "missing folder": f"sqlite:///{tmp_path}/missing/tasks.db",
            "a folder": f"sqlite:///{tmp_path}",
            "no folder": "sqlite:////dev/null/tasks.db",
            "no database": f"sqlite:///{tmp_path}/letter.txt",
        }[request.param]
    )


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("GET", "/v1/tasks", None),
        ("POST", "/v1/tasks", {"title": "tea"}),
        ("GET", A_TASK, None),
        ("PATCH", A_TASK, {"title": "tea"}),
        ("DELETE", A_TASK, None),
        ("GET", "/v1/auth/me", None),
        ("POST", "/v1/auth/register", {"email": "ann@example.com", "password": "correct horse battery"}),
        ("POST", "/v1/auth/login", {"email": "ann@example.com", "password": "correct horse battery"}),
        ("GET", "/readyz", None),
    ],
)
def test_an_unreachable_database_is_503(
    unreachable: Flask, method: str, path: str, body: dict[str, str] | None
) -> None:
    """Never 500, and with `Retry-After`."""
    assert is_unavailable(Caller(unreachable, new_user_id()).call(method, path, json=body))


@pytest.mark.parametrize("path", ["/healthz", "/", "/docs", "/openapi.json"])
def test_the_health_check_works_without_a_database(unreachable: Flask, path: str) -> None:
    """The process lives, and a restart would not help."""
    assert Caller(unreachable).get(path).status_code == 200


def test_the_503_shows_nothing_of_the_driver(unreachable: Flask) -> None:
    """No host, path or SQL."""
    answer = Caller(unreachable, new_user_id()).get("/v1/tasks")

    assert is_unavailable(answer)
    shown = [word for word in ("127.0.0.1", "psycopg", "sqlite", "SELECT", "tmp", "refused") if word in answer.text]
    assert shown == []


@pytest.fixture
def own_app(new_app: NewApp, new_database: NewDatabase, monkeypatch: pytest.MonkeyPatch) -> Flask:
    """An app on its own database with short waits."""
    monkeypatch.setattr(engines, "POOL_WAIT_SECONDS", 0.05)
    return new_app(new_database(), THREADS="1")


def test_an_exhausted_pool_is_503(own_app: Flask) -> None:
    """Until a connection comes back."""
    ann = Caller(own_app, new_user_id())
    with ExitStack() as held:
        for _ in range(2):
            held.enter_context(services_of(own_app).engine.connect())
        assert is_unavailable(ann.get("/v1/tasks"))

    assert ann.get("/v1/tasks").status_code == 200


def test_a_locked_sqlite_file_is_503_only_for_writers(
    tmp_path: Path, new_app: NewApp, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Reads work during a writer that does not end."""
    monkeypatch.setattr(sqlite, "SQLITE_BUSY_SECONDS", 0.05)
    url = f"sqlite:///{tmp_path / 'tasks.db'}"
    migrate(url)
    app = new_app(url)
    ann = Caller(app, new_user_id())
    task = ann.add()
    with services_of(app).engine.connect() as other:
        other.exec_driver_sql("BEGIN IMMEDIATE")
        assert is_unavailable(ann.post("/v1/tasks", json={"title": "tea"}))
        assert ann.get("/v1/tasks").json["items"] == [task]
        other.exec_driver_sql("ROLLBACK")

    assert ann.post("/v1/tasks", json={"title": "tea"}).status_code == 201


class Outage:
    """A database on PostgreSQL that an operator can take away and give back."""

    def __init__(self, server: Server, name: str, app: Flask) -> None:
        self.server, self.name, self.app = server, name, app
        self.caller = Caller(app, new_user_id())

    def alter(self, change: str) -> None:
        self.server.sql(f"ALTER DATABASE {self.name} {change}")
        self.end_connections()

    def end_connections(self) -> None:
        self.server.sql(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{self.name}'")


@pytest.fixture
def outage(postgresql: Server, postgresql_database: str, new_app: NewApp) -> Outage:
    return Outage(postgresql, postgresql_database, new_app(postgresql.url(postgresql_database)))


@pytest.mark.parametrize(
    ("away", "back"),
    [("ALLOW_CONNECTIONS false", "ALLOW_CONNECTIONS true"), ("CONNECTION LIMIT 0", "CONNECTION LIMIT -1")],
)
def test_a_server_without_connections_is_503_until_it_accepts_them(outage: Outage, away: str, back: str) -> None:
    """The service needs no restart."""
    task = outage.caller.add()
    outage.alter(away)
    for _ in range(4):
        assert is_unavailable(outage.caller.get("/v1/tasks"))
    outage.alter(back)

    assert outage.caller.get("/v1/tasks").json["items"] == [task]


def test_a_read_on_a_stale_connection_is_repeated(outage: Outage) -> None:
    """After a restart of the server, reads do not fail."""
    task = outage.caller.add()
    outage.end_connections()

    assert outage.caller.get(f"/v1/tasks/{task['id']}").json == task


def test_a_write_on_a_stale_connection_is_503_at_most_once(outage: Outage) -> None:
    """The service does not repeat it, because it may have been done. Then all stale connections are gone."""
    outage.caller.add()
    outage.end_connections()

    first = outage.caller.post("/v1/tasks", json={"title": "tea"})
    second = outage.caller.post("/v1/tasks", json={"title": "tea"})

    assert first.status_code == 201 or is_unavailable(first)
    assert second.status_code == 201


def test_a_write_whose_connection_breaks_is_tried_once(outage: Outage) -> None:
    """The server ends the connection in the middle of it. A sequence counts on, whatever is rolled back."""
    outage.caller.add()
    end = "BEGIN PERFORM nextval('tries'); PERFORM pg_terminate_backend(pg_backend_pid()); RETURN NEW; END"
    outage.server.sql("CREATE SEQUENCE tries", outage.name)
    definer = "LANGUAGE plpgsql SECURITY DEFINER"
    outage.server.sql(f"CREATE FUNCTION fail() RETURNS trigger {definer} AS $$ {end} $$", outage.name)
    outage.server.sql("CREATE TRIGGER failing BEFORE INSERT ON tasks EXECUTE FUNCTION fail()", outage.name)

    assert is_unavailable(outage.caller.post("/v1/tasks", json={"title": "tea"}))
    assert outage.server.sql("SELECT last_value FROM tries", outage.name) == [(1,)]


def test_a_read_only_server_is_503_only_for_writers(outage: Outage) -> None:
    """As during a failover: reads work."""
    outage.caller.add()
    outage.alter("SET default_transaction_read_only = on")
    ann = Caller(outage.app, outage.caller.user_id)

    answers = [ann.get("/v1/tasks").status_code for _ in range(3)]

    assert answers[-1] == 200
    assert is_unavailable(ann.post("/v1/tasks", json={"title": "tea"}))


def fail_updates(outage: Outage, code: str, message: str) -> None:
    """Make the database reject every change of a task."""
    fail = f"BEGIN RAISE EXCEPTION '{message}' USING ERRCODE = '{code}'; END"
    outage.server.sql(f"CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS $$ {fail} $$", outage.name)
    outage.server.sql("CREATE TRIGGER failing BEFORE UPDATE ON tasks EXECUTE FUNCTION fail()", outage.name)


TEMPORARY = dict.fromkeys(["40P01", "40001", "53100", "53200", "57014", "58030", "55P03", "25006"], "failing")
# Citus's words for a machine that is lost.
LOST = [
    "failure on connection marked as essential: 192.0.2.1:5432",
    "could not commit transaction for shard 102459 on at least one active node",
]


@pytest.mark.parametrize(("code", "message"), [*TEMPORARY.items(), *(("XX000", message) for message in LOST)])
def test_a_temporary_failure_is_503(outage: Outage, code: str, message: str) -> None:
    """A deadlock, a serialization conflict, a full disk or memory, a lost machine: the request may succeed later."""
    task = outage.caller.add()
    fail_updates(outage, code, message)

    assert is_unavailable(outage.caller.patch(f"/v1/tasks/{task['id']}", json={"title": "late"}))
    outage.server.sql("DROP TRIGGER failing ON tasks", outage.name)
    assert outage.caller.post(f"/v1/tasks/{task['id']}/toggle").status_code == 200


def test_a_fault_of_the_database_is_not_503(outage: Outage) -> None:
    """A repeated request would fail again."""
    task = outage.caller.add()
    fail_updates(outage, "XX000", "cache lookup failed for type 16401")

    assert outage.caller.patch(f"/v1/tasks/{task['id']}", json={"title": "late"}).status_code == 500


def test_a_row_locked_for_too_long_is_503(outage: Outage) -> None:
    """The database ends the waiting statement, and nothing is written."""
    task = outage.caller.add()
    url = outage.server.admin.set(database=outage.name).render_as_string(hide_password=False)
    with closing(psycopg2.connect(url)) as other:
        other.cursor().execute("SELECT 1 FROM tasks FOR UPDATE")
        assert is_unavailable(outage.caller.patch(f"/v1/tasks/{task['id']}", json={"title": "late"}))

    assert outage.caller.get(f"/v1/tasks/{task['id']}").json == task
