"""Fixtures for all folders: both engines, an app on each, and callers."""

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
from flask.testing import FlaskClient
from werkzeug.test import TestResponse, run_wsgi_app

from app import create_app
from app.services import services_of
from app.settings import read_settings
from tests.failures import pytest_configure
from tests.memory import use_memory
from tests.postgres import CITUS, PGBOUNCER, Cluster, Server, postgres_server

__all__ = ["pytest_configure"]

# Behind a pooler, and in a cluster, there is only one.
ENGINES = ("postgresql",) if {PGBOUNCER, CITUS} & os.environ.keys() else ("sqlite", "postgresql")
SHARED_SECRET = "a secret that only tests share: 0123456789"
OWN_SECRET = "a secret that only this service has: 0123456789"

# With these a service has the routes that need mails; nothing listens there.
MAIL_SETTINGS = {"SMTP_URL": "smtp://localhost:9", "MAIL_FROM": "tasks@example.com"}

engines_used: dict[str, str] = {}
use_memory()


@pytest.fixture(scope="session")
def postgresql() -> Iterator[Server]:
    """A real server that has only what this run creates."""
    with postgres_server() as server:
        pooler = " behind PgBouncer" if PGBOUNCER in os.environ else " with Citus" if CITUS in os.environ else ""
        engines_used["postgresql"] = server.sql("SHOW server_version")[0][0] + pooler
        yield server


@pytest.fixture(scope="session")
def postgresql_template(postgresql: Server) -> str:
    """The name of a migrated empty database to copy."""
    name = postgresql.create_database()
    migrate(postgresql.url(name))
    return name


@pytest.fixture
def postgresql_database(postgresql: Server, postgresql_template: str) -> str:
    """The name of a migrated database for this test only."""
    return postgresql.create_database(template=postgresql_template)


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A migrated empty file to copy."""
    path = tmp_path_factory.mktemp("template") / "tasks.db"
    migrate(f"sqlite:///{path}")
    return path.read_bytes()


@pytest.fixture(scope="session", params=ENGINES)
def engine(request: pytest.FixtureRequest) -> str:
    """The engine. Every test that uses it, also indirectly, runs on both, except those marked `one_engine`."""
    return str(request.param)


@pytest.hookimpl(tryfirst=True)
def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Return whether a test runs only on the first engine: `one_engine`, unless it is marked `both_engines` itself."""
    test = metafunc.definition
    marked = test.get_closest_marker("one_engine") and not test.get_closest_marker("both_engines")
    if marked and "engine" in metafunc.fixturenames:
        test.add_marker(pytest.mark.parametrize("engine", ENGINES[:1], indirect=True, scope="session"))


NewDatabase = Callable[..., str]


@pytest.fixture(scope="session")
def new_database(engine: str, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> NewDatabase:
    """Return a function that creates a database and returns its URL; with `migrated=False` it is empty."""
    if engine == "sqlite":
        engines_used["sqlite"] = sqlite3.sqlite_version
        template: bytes = request.getfixturevalue("sqlite_template")

        def make(migrated: bool = True) -> str:
            path = tmp_path_factory.mktemp("database") / "tasks.db"
            if migrated:
                path.write_bytes(template)
            return f"sqlite:///{path}"

    else:
        server: Server = request.getfixturevalue("postgresql")
        if isinstance(server, Cluster):
            return partial(new_postgresql_url, server)
        filled: str = request.getfixturevalue("postgresql_template")

        def make(migrated: bool = True) -> str:
            return server.url(server.create_database(template=filled if migrated else None))

    return make


def new_postgresql_url(server: Server, migrated: bool = True) -> str:
    """Create a database, distributed if on a cluster, and return the service's URL of it."""
    url = server.url(server.create_database())
    if migrated:
        migrate(server.owners_url(url))
        if isinstance(server, Cluster):
            distribute(server, url)
    return url


def distribute(cluster: Cluster, url: str) -> None:
    """Distribute a migrated database, in few shards, because each takes a while to create."""
    owner = make_app(cluster.owners_url(url))
    for arguments in (["grant", cluster.service_role], ["distribute", "--shards", "4"]):
        result = owner.test_cli_runner().invoke(args=["db", *arguments])
        assert result.exit_code == 0, result.output
    services_of(owner).engine.dispose()


def settings_for(url: str, **changes: str | None) -> dict[str, str]:
    """Return an environment for a service on this database with both kinds of HS256 issuers. None removes a setting."""
    environment = {
        "AUTH_RATE_LIMIT": "1000000",
        "DATABASE_URL": url,
        "AUTH_SECRET": OWN_SECRET,
        "BETTER_AUTH_SECRET": SHARED_SECRET,
        "LOG_LEVEL": "error",
    }
    return {name: value for name, value in {**environment, **changes}.items() if value is not None}


def make_app(url: str, **changes: str | None) -> Flask:
    """Return an app in this process. Some tests use fifty threads at once, and each needs a connection."""
    settings = read_settings(settings_for(url, **{"THREADS": "50", **changes}), Path("/nonexistent"))
    if not any(name.startswith("ARGON2") for name in changes):
        # Far cheaper than the settings allow; otherwise passwords would take a seventh of all tests' time.
        settings = replace(settings, argon2_memory_kib=8, argon2_passes=1)
    return create_app(settings)


def migrate(url: str) -> str:
    app = make_app(url)
    with app.app_context():
        flask_migrate.upgrade()
        services_of(app).engine.dispose()
    return url


@pytest.fixture
def sqlite_url(tmp_path: Path, sqlite_template: bytes) -> str:
    """A migrated file, for tests that are the same on both engines."""
    (tmp_path / "tasks.db").write_bytes(sqlite_template)
    return f"sqlite:///{tmp_path / 'tasks.db'}"


@pytest.fixture(scope="session")
def apps() -> Iterator[dict[str, Flask]]:
    """The app on each engine; each file goes from one engine to the other."""
    apps: dict[str, Flask] = {}
    yield apps
    for app in apps.values():
        services_of(app).engine.dispose()


@pytest.fixture(scope="session")
def app(engine: str, new_database: NewDatabase, apps: dict[str, Flask]) -> Flask:
    """One app on each engine, shared by all tests: different users keep them apart, as in real life."""
    if engine not in apps:
        apps[engine] = make_app(new_database())
    return apps[engine]


class Client(FlaskClient):
    """The service sends no cookies, and looking for them takes a tenth of a request."""

    def run_wsgi_app(self, environ: dict[str, Any], buffered: bool = False) -> Any:
        return run_wsgi_app(self.application, environ, buffered)


class Caller:
    """A caller of the service, with or without a token."""

    def __init__(self, app: Flask, user_id: str | None = None, token: str | None = None) -> None:
        self.client = Client(app)
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
        """Create a task through /v1, and return the response's JSON."""
        answer = self.post("/v1/tasks", json={"title": "tea", **task})
        assert answer.status_code == 201, answer.text
        return dict(answer.json)


def shared_token(
    user_id: str | None, secret: str = SHARED_SECRET, headers: dict[str, Any] | None = None, **claims: Any
) -> str:
    """Return a token of a front end that shares a secret. A claim given as None is left out."""
    payload = {"sub": user_id, "iat": int(time.time()), "exp": int(time.time()) + 600, **claims}
    return jwt.encode(
        {name: value for name, value in payload.items() if value is not None}, secret, "HS256", headers=headers
    )


def new_user_id() -> str:
    """Return a user id like Better Auth's: 32 letters and digits."""
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


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with what runs programs: at the end, one process would wait for them while the others have nothing."""
    items.sort(key=lambda item: item.path.parent.name not in ("process", "deploy", "commands", "reliability"))


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Iterator[None]:
    """Keep the garbage collector from the million objects of the collected tests: it takes a sixth of all time."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        # As in the service.
        gc.set_threshold(10_000)
        gc.enable()


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Send the engines that were used to the process that prints."""
    # Libraries that are loaded from here on may ask the collector for all objects.
    gc.unfreeze()
    if hasattr(session.config, "workeroutput"):
        session.config.workeroutput["engines"] = engines_used


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    engines_used.update(getattr(node, "workeroutput", {}).get("engines", {}))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    ran = ", ".join(f"{name} {version}" for name, version in sorted(engines_used.items()))
    terminalreporter.write_line(f"engines: {ran or 'none'}")
