"""The fixtures that every room shares: both engines, an app on each, and people who call it."""

import gc
import os
import secrets
import sqlite3
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import flask_migrate
import jwt
import pytest
from flask import Flask
from werkzeug.test import TestResponse

from app import create_app
from app.services import services_of
from app.settings import read_settings
from tests.postgres import CITUS, PGBOUNCER, Cluster, Server, postgres_server

# Behind a pooler, and in a cluster, there is only one.
ENGINES = ("postgresql",) if {PGBOUNCER, CITUS} & os.environ.keys() else ("sqlite", "postgresql")
SHARED_SECRET = "a secret that only tests share: 0123456789"
OWN_SECRET = "a secret that only this service has: 0123456789"

engines_used: dict[str, str] = {}


@pytest.fixture(scope="session")
def postgresql() -> Iterator[Server]:
    """A real server, with nothing in it but what this run makes."""
    with postgres_server() as server:
        pooler = " behind PgBouncer" if PGBOUNCER in os.environ else " with Citus" if CITUS in os.environ else ""
        engines_used["postgresql"] = server.sql("SHOW server_version")[0][0] + pooler
        yield server


@pytest.fixture(scope="session", params=ENGINES)
def engine(request: pytest.FixtureRequest) -> str:
    """Which database: every test that uses it, directly or not, runs on both, but for those marked `one_engine`."""
    return str(request.param)


@pytest.hookimpl(tryfirst=True)
def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """A test marked `one_engine` runs on the first engine only, unless it is marked `both_engines` itself."""
    test = metafunc.definition
    marked = test.get_closest_marker("one_engine") and not test.get_closest_marker("both_engines")
    if marked and "engine" in metafunc.fixturenames:
        test.add_marker(pytest.mark.parametrize("engine", ENGINES[:1], indirect=True, scope="session"))


NewDatabase = Callable[..., str]


@pytest.fixture(scope="session")
def new_database(engine: str, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> NewDatabase:
    """Makes a database of this test's own, migrated or with `migrated=False` empty; its URL."""
    if engine == "sqlite":
        engines_used["sqlite"] = sqlite3.sqlite_version
        template = tmp_path_factory.mktemp("template") / "tasks.db"
        migrate(f"sqlite:///{template}")

        def make(migrated: bool = True) -> str:
            path = tmp_path_factory.mktemp("database") / "tasks.db"
            if migrated:
                path.write_bytes(template.read_bytes())
            return f"sqlite:///{path}"

    else:
        server: Server = request.getfixturevalue("postgresql")
        if isinstance(server, Cluster):
            return partial(_make_on_cluster, server)
        filled = server.create_database()
        migrate(server.url(filled))

        def make(migrated: bool = True) -> str:
            return server.url(server.create_database(template=filled if migrated else None))

    return make


def _make_on_cluster(cluster: Cluster, migrated: bool = True) -> str:
    url = cluster.url(cluster.create_database())
    if migrated:
        owner = make_app(migrate(cluster.owners_url(url)))
        for arguments in (["grant", cluster.service_role], ["distribute", "--shards", "4"]):
            result = owner.test_cli_runner().invoke(args=["db", *arguments])
            assert result.exit_code == 0, result.output
    return url


def settings_for(url: str, **changes: str | None) -> dict[str, str]:
    """An environment for a service on this database that knows both kinds of HS256 issuers. None takes one out."""
    environment = {
        "AUTH_RATE_LIMIT": "1000000",
        "DATABASE_URL": url,
        "AUTH_SECRET": OWN_SECRET,
        "BETTER_AUTH_SECRET": SHARED_SECRET,
        "LOG_LEVEL": "error",
    }
    return {name: value for name, value in {**environment, **changes}.items() if value is not None}


def make_app(url: str, **changes: str | None) -> Flask:
    """An app in this process. Some tests call on fifty threads at once, each of which needs a connection."""
    settings = read_settings(settings_for(url, **{"THREADS": "50", **changes}), Path("/nonexistent"))
    if not any(name.startswith("ARGON2") for name in changes):
        # Far less than the settings allow, or a seventh of all tests' time went into passwords.
        settings = replace(settings, argon2_memory_kib=8, argon2_passes=1)
    return create_app(settings)


def migrate(url: str) -> str:
    app = make_app(url)
    with app.app_context():
        flask_migrate.upgrade()
        services_of(app).engine.dispose()
    return url


@pytest.fixture
def sqlite_url(tmp_path: Path) -> str:
    """A migrated file, for what is the same on both engines."""
    url = f"sqlite:///{tmp_path / 'tasks.db'}"
    migrate(url)
    return url


@pytest.fixture(scope="session")
def app(new_database: NewDatabase) -> Iterator[Flask]:
    """One app on each engine, for all tests: they keep apart by their users, as in real life."""
    app = make_app(new_database())
    yield app
    services_of(app).engine.dispose()


class Caller:
    """Somebody with a token, or without one, in front of the service."""

    def __init__(self, app: Flask, user_id: str | None = None, token: str | None = None) -> None:
        self.client = app.test_client()
        self.user_id = user_id
        self.headers = {"Authorization": f"Bearer {token or shared_token(user_id)}"} if user_id else {}

    def call(self, method: str, path: str, headers: dict[str, str] | None = None, **options: Any) -> TestResponse:
        return self.client.open(path, method=method, headers={**self.headers, **(headers or {})}, **options)

    def get(self, path: str, **options: Any) -> TestResponse:
        return self.call("GET", path, **options)

    def post(self, path: str, **options: Any) -> TestResponse:
        return self.call("POST", path, **options)

    def put(self, path: str, **options: Any) -> TestResponse:
        return self.call("PUT", path, **options)

    def patch(self, path: str, **options: Any) -> TestResponse:
        return self.call("PATCH", path, **options)

    def delete(self, path: str, **options: Any) -> TestResponse:
        return self.call("DELETE", path, **options)

    def add(self, **task: Any) -> dict[str, Any]:
        """Create a task through /v1; what the service answered."""
        answer = self.post("/v1/tasks", json={"title": "tea", **task})
        assert answer.status_code == 201, answer.text
        return dict(answer.json)


def shared_token(
    user_id: str | None, secret: str = SHARED_SECRET, headers: dict[str, Any] | None = None, **claims: Any
) -> str:
    """A token of a front end that shares a secret. A claim given as None is left out."""
    payload = {"sub": user_id, "iat": int(time.time()), "exp": int(time.time()) + 600, **claims}
    return jwt.encode(
        {name: value for name, value in payload.items() if value is not None}, secret, "HS256", headers=headers
    )


def new_user_id() -> str:
    """What Better Auth makes: 32 letters and digits."""
    return secrets.token_hex(16)


@pytest.fixture
def ann(app: Flask) -> Caller:
    return Caller(app, new_user_id())


@pytest.fixture
def bob(app: Flask) -> Caller:
    return Caller(app, new_user_id())


@pytest.fixture
def anonymous(app: Flask) -> Caller:
    return Caller(app)


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Iterator[None]:
    """Thousands of tests are a million objects that stay to the end: looking for garbage among them takes seconds."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.enable()


class FailuresAtOnce:
    """Names each test that fails while the others run; what it said comes minutes later, at the end."""

    def __init__(self, terminal: pytest.TerminalReporter) -> None:
        self._terminal = terminal

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed:
            outcome = "FAILED" if report.when == "call" else "ERROR"
            # The line is full of dots.
            self._terminal.write(f"\n{outcome} {report.nodeid}\n", flush=True, red=True)


@pytest.hookimpl(trylast=True)
def pytest_configure(config: pytest.Config) -> None:
    """Of processes side by side, only the one that prints has a terminal: the others report to it."""
    if terminal := config.pluginmanager.get_plugin("terminalreporter"):
        config.pluginmanager.register(FailuresAtOnce(terminal))


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Tests that run side by side run in processes of their own, which report to the one that prints."""
    if hasattr(session.config, "workeroutput"):
        session.config.workeroutput["engines"] = engines_used


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    engines_used.update(getattr(node, "workeroutput", {}).get("engines", {}))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    ran = ", ".join(f"{name} {version}" for name, version in sorted(engines_used.items()))
    terminalreporter.write_line(f"engines: {ran or 'none'}")
