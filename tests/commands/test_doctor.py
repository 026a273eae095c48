"""`flask doctor`: find problems, and say how to fix them."""

import os
import socket
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from sqlalchemy.engine import make_url

from app.commands import doctor as command
from app.ops import checks, database_checks
from app.ops.checks import looks_guessable
from app.services import services_of
from tests.auth.issuer import Issuer, answer_with
from tests.auth.people import another_app, sql
from tests.auth.tokens import new_key
from tests.commands.calling import fail, record, run, run_process, succeed
from tests.conftest import OWN_SECRET, SHARED_SECRET, Caller, NewDatabase, migrate
from tests.postgres import PGBOUNCER, Server

CHECKS = ["settings", "secrets", "database", "migrations", "isolation", "cluster", "pooler"]
CHECKS += ["clock", "letters", "outbox", "keys"]
RANDOM_SECRETS = {
    "AUTH_SECRET": "kq3Vh0Yc2Jt9mZrXw8LsPd5nBf7GgTea",
    "BETTER_AUTH_SECRET": "1f9c0b7ad4e2835660b1c8f7e49a2d3c",
}


def findings(app: Flask) -> dict[str, dict[str, Any]]:
    """Return the result of each check; of several results the worst."""
    with app.app_context():
        found = list(command._findings(services_of(app).settings))
    order = list(command.COLOURS)
    return {one.check: {"status": one.status, "message": one.message, "fix": one.fix}
            for one in sorted(found, key=lambda one: order.index(one.status))}  # fmt: skip


@contextmanager
def healthy_app(app: Flask, **changes: str) -> Iterator[Flask]:
    with another_app(app, **{**RANDOM_SECRETS, **changes}) as healthy:
        yield healthy


def test_a_healthy_service_has_one_line_per_check(app: Flask) -> None:
    """And exit status 0."""
    with healthy_app(app) as healthy:
        lines = succeed(healthy, "doctor").splitlines()
        told = record(healthy, "doctor")

    assert [line.split()[:2] for line in lines] == [["ok", name] for name in CHECKS]
    assert told["status"] == "ok"
    assert [(check["check"], check["status"], check["fix"]) for check in told["checks"]] == [
        (name, "ok", None) for name in CHECKS
    ]


def test_warnings_do_not_fail(app: Flask) -> None:
    """Exit status 0; each has a fix next to it."""
    with healthy_app(app, BETTER_AUTH_SECRET=SHARED_SECRET) as warned:
        result = run(warned, "doctor")

    [line] = [line for line in result.stdout.splitlines() if line.startswith("warning")]
    assert result.exit_code == 0
    assert "BETTER_AUTH_SECRET does not look random" in line
    assert " Fix: " in line
    assert SHARED_SECRET not in result.output


def test_no_secret_is_printed(app: Flask) -> None:
    """Nor the database's password, in both forms of output."""
    for options in ((), ("--json",)):
        output = run(app, "doctor", *options).output
        for secret in (OWN_SECRET, SHARED_SECRET, ":tasks@"):
            assert secret not in output


@pytest.mark.parametrize(
    ("secret", "guessable"),
    [
        ("kq3Vh0Yc2Jt9mZrXw8LsPd5nBf7GgTea", False),
        ("1f9c0b7ad4e2835660b1c8f7e49a2d3c", False),
        ("8Jm2vQx7Rk4Tz0WnYb6Lc9Hd3Fg5Ps1AoUeIiKjXqV", False),
        (32 * "a", True),
        (16 * "ab", True),
        ("0123456789" * 4, True),
        ("please change this before you deploy it", True),
        ("better-auth-secret-12345678901234567890", True),
    ],
)
def test_a_guessable_secret_is_a_warning(secret: str, guessable: bool) -> None:
    """Even if it is long enough."""
    assert looks_guessable(secret) is guessable


def test_the_same_secret_for_both_issuers_is_a_warning(app: Flask) -> None:
    """The front end could make tokens of accounts."""
    with healthy_app(app, BETTER_AUTH_SECRET=RANDOM_SECRETS["AUTH_SECRET"]) as app_:
        found = findings(app_)["secrets"]

    assert found["status"] == "warning"
    assert "the same" in found["message"]


@pytest.mark.parametrize(("mode", "status"), [(0o600, "ok"), (0o640, "warning"), (0o604, "warning")])
def test_a_secret_readable_by_others_is_a_warning(
    app: Flask, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mode: int, status: str
) -> None:
    """Also in `.env`."""
    monkeypatch.setattr(checks, "PROJECT", tmp_path)
    monkeypatch.setattr(checks, "INSTANCE", tmp_path / "none")
    (tmp_path / ".env").touch()
    (tmp_path / ".env").chmod(mode)

    found = findings(app)["settings"]

    assert found["status"] == status
    assert (found["fix"] == f"chmod 600 {tmp_path / '.env'}") is (status == "warning")
    assert stat.S_IMODE((tmp_path / ".env").stat().st_mode) == mode


def test_keys_over_plain_http_are_a_warning(app: Flask) -> None:
    """Except on this machine."""
    with healthy_app(app, AUTH_JWKS_URL="http://keys.invalid/jwks") as open_line:
        assert findings(open_line)["settings"]["status"] == "warning"
    with healthy_app(app, AUTH_JWKS_URL="http://127.0.0.1:1/jwks") as local:
        assert findings(local)["settings"]["status"] == "ok"


def closed_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def unreachable_urls(tmp_path: Path) -> list[str]:
    return [f"postgresql://tasks:geheim@127.0.0.1:{closed_port()}/tasks", f"sqlite:///{tmp_path}/missing/tasks.db"]


def test_an_unreachable_database_is_one_failed_check(tmp_path: Path) -> None:
    """The database's other checks are left out, and all others run."""
    for url in unreachable_urls(tmp_path):
        with another_app(url, **RANDOM_SECRETS) as cut_off:
            done = run(cut_off, "doctor")

        assert (done.exit_code, done.stderr) == (1, "")
        lines = [line.split()[:2] for line in done.stdout.splitlines()]
        assert lines == [["ok", "settings"], ["ok", "secrets"], ["failed", "database"], ["ok", "keys"]]
        assert "geheim" not in done.stdout


@pytest.mark.parametrize("engine", [0, 1], ids=["PostgreSQL", "SQLite"])
@pytest.mark.parametrize(
    "command",
    ["seed", "users list", "users show ann", "users token usr_1", "purge", "tasks export --user ann --format csv",
     "tasks import --user ann --format csv -"],
)  # fmt: skip
def test_every_command_reports_an_unreachable_database_in_one_line(tmp_path: Path, command: str, engine: int) -> None:
    """On standard error, with exit status 1 and without a traceback."""
    with another_app(unreachable_urls(tmp_path)[engine], LOG_LEVEL="debug") as app:
        assert_unavailable(fail(app, *command.split(), stdin=b"title\ntea\n"))


@pytest.mark.parametrize(
    ("command", "engine"),
    [("db upgrade", 0), ("db upgrade", 1), ("db downgrade", 0), ("db current", 0), ("db check", 1), ("users list", 1)],
)
def test_a_process_with_an_unreachable_database_prints_one_line(tmp_path: Path, command: str, engine: int) -> None:
    """Libraries print nothing, at any log level."""
    done = run_process(unreachable_urls(tmp_path)[engine], *command.split(), LOG_LEVEL="debug")

    assert (done.returncode, done.stdout) == (1, "")
    [line] = done.stderr.splitlines()
    assert_unavailable(line)


def assert_unavailable(line: str) -> None:
    assert line.startswith("Error: The database is unavailable: ")
    assert "DATABASE_URL" in line
    assert "geheim" not in line


@pytest.mark.parametrize("command", ["seed", "users list", "purge", "tasks export --user ann --format csv"])
def test_commands_on_an_unmigrated_database_print_one_line(new_database: NewDatabase, command: str) -> None:
    """With the command to run."""
    with another_app(new_database(migrated=False)) as app:
        assert "flask db upgrade" in fail(app, *command.split())


def test_upgrading_with_a_role_that_may_not_create_tables_prints_one_line(postgresql: Server) -> None:
    """As on a new PostgreSQL, whose public schema belongs to another role."""
    name = f"{postgresql.role}_foreign"
    postgresql.sql(f"CREATE DATABASE {name}")
    postgresql.databases.append(name)
    postgresql.sql("REVOKE CREATE ON SCHEMA public FROM public", name)

    done = run_process(postgresql.url(name), "db", "upgrade")

    assert (done.returncode, done.stdout) == (1, "")
    [line] = done.stderr.splitlines()
    assert "permission denied" in line
    assert "must own its database" in line


def test_a_role_without_access_to_the_tables_prints_one_line(postgresql: Server) -> None:
    """The tables exist, but belong to another role."""
    role, url = f"{postgresql.role}_other", postgresql.url(postgresql.create_database())
    migrate(postgresql.owners_url(url))
    postgresql.sql(f"CREATE ROLE {role} LOGIN PASSWORD 'tasks'")
    try:
        with another_app(make_url(url).set(username=role).render_as_string(hide_password=False)) as app:
            assert "permission denied for table users" in fail(app, "users", "list")
            assert "use the role that owns them" in findings(app)["migrations"]["message"]
    finally:
        postgresql.sql(f"DROP ROLE {role}")


def test_an_unmigrated_database_is_a_failure(new_database: NewDatabase) -> None:
    """With the command to run."""
    with another_app(new_database(migrated=False), **RANDOM_SECRETS) as app:
        result = run(app, "doctor")

    assert result.exit_code == 1
    [line] = [line for line in result.stdout.splitlines() if line.startswith("failed")]
    # SQLite's file does not exist yet.
    assert line.split()[1] == ("database" if services_of(app).engine.dialect.name == "sqlite" else "migrations")
    assert "flask db upgrade" in line
    assert "isolation" not in result.stdout


def test_the_isolation_probe_leaves_no_rows(app: Flask) -> None:
    """Neither users nor tasks, in any role."""
    Caller(app, "probes-neighbour").add()
    before = sql(app, "SELECT count(*) FROM users")

    assert findings(app)["isolation"]["status"] == "ok"

    assert sql(app, "SELECT count(*) FROM users") == before
    assert sql(app, "SELECT count(*) FROM users WHERE id LIKE 'probe-%'")[0][0] == 0


def test_a_superuser_is_a_failure(postgresql: Server, app: Flask) -> None:
    """Row-level security does not apply to it."""
    if services_of(app).engine.dialect.name == "sqlite":
        pytest.skip("SQLite has no roles")
    name = services_of(app).settings.database_url.database
    with another_app(postgresql.admin.set(database=name).render_as_string(hide_password=False)) as as_admin:
        found = findings(as_admin)["isolation"]

    assert found["status"] == "failed"
    assert "superuser" in found["message"]


def test_the_isolation_probe_finds_missing_policies(
    postgresql: Server, new_database: NewDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It sees another user's task, whatever the catalogue says."""
    url = new_database()
    if not url.startswith("postgresql"):
        pytest.skip("SQLite has no policies")
    with another_app(url) as app:
        postgresql.sql("ALTER TABLE tasks DISABLE ROW LEVEL SECURITY", services_of(app).settings.database_url.database)
        monkeypatch.setattr(database_checks, "require_isolation", lambda: None)
        found = findings(app)["isolation"]

    assert found["status"] == "failed"
    assert found["message"] == "A statement that named a wrong user saw that user's task."


@pytest.mark.parametrize(("seconds", "status"), [(0, "ok"), (5, "warning"), (-5, "warning"), (60, "failed")])
def test_a_difference_of_clocks_is_reported(
    app: Flask, monkeypatch: pytest.MonkeyPatch, seconds: float, status: str
) -> None:
    """Logouts and tokens use both clocks."""
    if services_of(app).engine.dialect.name == "sqlite":
        pytest.skip("there is one clock")
    now = database_checks.time.time

    class Ahead:
        perf_counter = staticmethod(database_checks.time.perf_counter)

        @staticmethod
        def time() -> float:
            return now() + seconds

    monkeypatch.setattr(database_checks, "time", Ahead)

    assert findings(app)["clock"]["status"] == status


def test_a_locale_without_unicode_is_a_warning(postgresql: Server, app: Flask) -> None:
    """There lower('Ä') is not 'ä'."""
    if services_of(app).engine.dialect.name == "sqlite" or PGBOUNCER in os.environ:
        pytest.skip("SQLite folds with a function of the service's")
    name = f"{postgresql.role}_ascii"
    postgresql.sql(f"CREATE DATABASE {name} OWNER {postgresql.role} TEMPLATE template0 LOCALE 'C' ENCODING 'UTF8'")
    postgresql.databases.append(name)
    with another_app(migrate(postgresql.owners_url(postgresql.url(name)))) as ascii_only:
        found = findings(ascii_only)["letters"]

    assert found["status"] == "warning"
    assert "locale" in found["fix"]


def test_a_pooler_is_detected(app: Flask) -> None:
    """PgBouncer in transaction mode is; a direct connection is not."""
    found = findings(app)["pooler"]

    assert found["status"] == "ok"
    assert ("shares sessions by transaction" in found["message"]) is (PGBOUNCER in os.environ)


def test_a_pooler_with_its_own_numbers_is_detected(app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    """The server's number of a session differs from the connection's, and a probe finds shared sessions."""
    if services_of(app).engine.dialect.name == "sqlite" or PGBOUNCER in os.environ:
        pytest.skip("needs a PostgreSQL without a pooler")
    for sessions, words in (([7, 7, 7], "shares sessions"), ([7, 8, 7], "leaves each"), ([7, 8, 9], "shares sessions")):
        told = iter(sessions)
        monkeypatch.setattr(database_checks, "_session", lambda _, told=told: next(told))
        assert words in findings(app)["pooler"]["message"]


def test_published_keys_are_listed(app: Flask) -> None:
    """With kid and alg; unused ones with the reason."""
    good, twice = new_key("EdDSA"), new_key("ES256")
    with Issuer(good) as issuer:
        issuer.keys += [
            twice.jwk(kid="twice"),
            new_key("ES256").jwk(kid="twice"),
            new_key().jwk(kid="encrypts", use="enc"),
            {"kty": "oct", "k": "c2VjcmV0", "kid": "symmetric"},
            new_key().jwk(kid="liar", alg="RS256"),
        ]
        with healthy_app(app, AUTH_JWKS_URL=issuer.url) as trusting:
            lines = [line for line in succeed(trusting, "doctor").splitlines() if " keys " in line]

    assert lines[0].startswith("ok")
    assert f"{good.kid} (EdDSA)" in lines[0]
    reasons = {line.split("not used: ")[1].split(":")[0]: line for line in lines[1:]}
    assert set(reasons) == {"twice", "encrypts", "symmetric", "liar"}
    assert "same kid" in reasons["twice"]
    assert "use or key_ops" in reasons["encrypts"]
    assert "symmetric" in reasons["symmetric"]
    assert "does not fit" in reasons["liar"]


@pytest.mark.parametrize(
    ("answering", "words"),
    [
        (answer_with(404), "404"),
        (answer_with(302, Location="/elsewhere"), "302"),
        (answer_with(200, b"<html>"), "cannot be fetched"),
        (answer_with(200, b'{"keys": []}'), "no usable key"),
        (answer_with(200, b'{"keys": 7}'), "not a JWK Set"),
    ],
    ids=["gone", "moved", "no JSON", "no keys", "no set"],
)
def test_keys_that_cannot_be_fetched_are_a_failure(app: Flask, answering: Callable, words: str) -> None:
    """With the issuer's response."""
    with Issuer() as issuer:
        issuer.answering = answering
        with healthy_app(app, AUTH_JWKS_URL=issuer.url) as trusting:
            result = run(trusting, "doctor")

    [line] = [line for line in result.stdout.splitlines() if line.startswith("failed")]
    assert (result.exit_code, result.stderr) == (1, "")
    assert words in line
    assert " Fix: " in line


@pytest.mark.parametrize(
    "arguments", [("--unknown",), ("more",), ("--token",), ("--token", "eyJhbGciOiJub25lIn0.e30.")]
)
def test_wrong_arguments_have_status_2(app: Flask, arguments: tuple[str, ...]) -> None:
    """A token among them is not repeated."""
    result = run(app, "doctor", *arguments)

    assert (result.exit_code, result.stdout) == (2, "")
    assert "eyJ" not in result.output
