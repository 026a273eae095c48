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

CHECKS = ["settings", "secrets", "database", "migrations", "isolation", "pooler", "clock", "letters", "keys"]
RANDOM_SECRETS = {
    "AUTH_SECRET": "kq3Vh0Yc2Jt9mZrXw8LsPd5nBf7GgTea",
    "BETTER_AUTH_SECRET": "1f9c0b7ad4e2835660b1c8f7e49a2d3c",
}


def findings(app: Flask) -> dict[str, dict[str, Any]]:
    """What each check found; of several findings the worst."""
    with app.app_context():
        found = list(command._findings(services_of(app).settings))
    order = list(command.COLOURS)
    return {one.check: {"status": one.status, "message": one.message, "fix": one.fix}
            for one in sorted(found, key=lambda one: order.index(one.status))}  # fmt: skip


@contextmanager
def healthy_app(app: Flask, **changes: str) -> Iterator[Flask]:
    with another_app(app, **{**RANDOM_SECRETS, **changes}) as healthy:
        yield healthy


def test_all_is_well(app: Flask) -> None:
    """One line for each check, and exit status 0."""
    with healthy_app(app) as healthy:
        lines = succeed(healthy, "doctor").splitlines()
        told = record(healthy, "doctor")

    assert [line.split()[:2] for line in lines] == [["ok", name] for name in CHECKS]
    assert told["status"] == "ok"
    assert [(check["check"], check["status"], check["fix"]) for check in told["checks"]] == [
        (name, "ok", None) for name in CHECKS
    ]


def test_warnings_are_no_failure(app: Flask) -> None:
    """Exit status 0; the fix stands beside."""
    with healthy_app(app, BETTER_AUTH_SECRET=SHARED_SECRET) as warned:
        result = run(warned, "doctor")

    [line] = [line for line in result.stdout.splitlines() if line.startswith("warning")]
    assert result.exit_code == 0
    assert "BETTER_AUTH_SECRET does not look random" in line
    assert " Fix: " in line
    assert SHARED_SECRET not in result.output


def test_no_secret_is_printed(app: Flask) -> None:
    """Nor the database's password, for people or for programs."""
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
def test_a_placeholder_is_no_secret(secret: str, guessable: bool) -> None:
    """What is long enough may still be guessed."""
    assert looks_guessable(secret) is guessable


def test_one_secret_for_both_is_a_warning(app: Flask) -> None:
    """Whoever shares the second could make tokens of accounts."""
    with healthy_app(app, BETTER_AUTH_SECRET=RANDOM_SECRETS["AUTH_SECRET"]) as app_:
        found = findings(app_)["secrets"]

    assert found["status"] == "warning"
    assert "the same" in found["message"]


@pytest.mark.parametrize(("mode", "status"), [(0o600, "ok"), (0o640, "warning"), (0o604, "warning")])
def test_a_secret_that_others_can_read_is_a_warning(
    app: Flask, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mode: int, status: str
) -> None:
    """The file where settings stand."""
    monkeypatch.setattr(checks, "PROJECT", tmp_path)
    monkeypatch.setattr(checks, "INSTANCE", tmp_path / "none")
    (tmp_path / ".env").touch()
    (tmp_path / ".env").chmod(mode)

    found = findings(app)["settings"]

    assert found["status"] == status
    assert (found["fix"] == f"chmod 600 {tmp_path / '.env'}") is (status == "warning")
    assert stat.S_IMODE((tmp_path / ".env").stat().st_mode) == mode


def test_keys_over_an_open_line_are_a_warning(app: Flask) -> None:
    """Unless the line is within this machine."""
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
    """The rest of the database's are left out, the others are made."""
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
def test_every_command_tells_an_unreachable_database_in_one_line(tmp_path: Path, command: str, engine: int) -> None:
    """On standard error, with exit status 1: no traceback."""
    with another_app(unreachable_urls(tmp_path)[engine], LOG_LEVEL="debug") as app:
        assert_unavailable(fail(app, *command.split(), stdin=b"title\ntea\n"))


@pytest.mark.parametrize(
    ("command", "engine"),
    [("db upgrade", 0), ("db upgrade", 1), ("db downgrade", 0), ("db current", 0), ("db check", 1), ("users list", 1)],
)
def test_a_process_with_an_unreachable_database_says_one_line(tmp_path: Path, command: str, engine: int) -> None:
    """And nothing of what a library writes by itself, whatever is logged."""
    done = run_process(unreachable_urls(tmp_path)[engine], *command.split(), LOG_LEVEL="debug")

    assert (done.returncode, done.stdout) == (1, "")
    [line] = done.stderr.splitlines()
    assert_unavailable(line)


def assert_unavailable(line: str) -> None:
    assert line.startswith("Error: The database is unavailable: ")
    assert "DATABASE_URL" in line
    assert "geheim" not in line


@pytest.mark.parametrize("command", ["seed", "users list", "purge", "tasks export --user ann --format csv"])
def test_a_database_without_tables_is_one_line(new_database: NewDatabase, command: str) -> None:
    """That says what to run."""
    with another_app(new_database(migrated=False)) as app:
        assert "flask db upgrade" in fail(app, *command.split())


def test_a_role_that_may_make_no_tables_is_one_line(postgresql: Server) -> None:
    """As on a new PostgreSQL, whose public schema belongs to somebody else."""
    name = f"{postgresql.role}_foreign"
    postgresql.sql(f"CREATE DATABASE {name}")
    postgresql.databases.append(name)
    postgresql.sql("REVOKE CREATE ON SCHEMA public FROM public", name)

    done = run_process(postgresql.url(name), "db", "upgrade")

    assert (done.returncode, done.stdout) == (1, "")
    [line] = done.stderr.splitlines()
    assert "permission denied" in line
    assert "must own its database" in line


def test_a_role_that_may_not_read_is_one_line(postgresql: Server) -> None:
    """The tables are there, and somebody else's."""
    role, name = f"{postgresql.role}_other", postgresql.create_database()
    migrate(postgresql.url(name))
    postgresql.sql(f"CREATE ROLE {role} LOGIN PASSWORD 'tasks'")
    try:
        with another_app(postgresql.url(name).replace(f"//{postgresql.role}:", f"//{role}:")) as app:
            assert "permission denied for table users" in fail(app, "users", "list")
            assert "use the role that owns them" in findings(app)["migrations"]["message"]
    finally:
        postgresql.sql(f"DROP ROLE {role}")


def test_a_database_that_is_not_migrated_fails(new_database: NewDatabase) -> None:
    """With the command to run."""
    with another_app(new_database(migrated=False), **RANDOM_SECRETS) as app:
        result = run(app, "doctor")

    assert result.exit_code == 1
    [line] = [line for line in result.stdout.splitlines() if line.startswith("failed")]
    # Of SQLite there is no file yet.
    assert line.split()[1] == ("database" if services_of(app).engine.dialect.name == "sqlite" else "migrations")
    assert "flask db upgrade" in line
    assert "isolation" not in result.stdout


def test_the_probe_leaves_nothing_behind(app: Flask) -> None:
    """Neither users nor tasks, seen with nobody's rights or everybody's."""
    Caller(app, "probes-neighbour").add()
    before = sql(app, "SELECT count(*) FROM users")

    assert findings(app)["isolation"]["status"] == "ok"

    assert sql(app, "SELECT count(*) FROM users") == before
    assert sql(app, "SELECT count(*) FROM users WHERE id LIKE 'probe-%'")[0][0] == 0


def test_a_superuser_fails(postgresql: Server, app: Flask) -> None:
    """Row-level security does not hold it."""
    if services_of(app).engine.dialect.name == "sqlite":
        pytest.skip("SQLite has no roles")
    name = services_of(app).settings.database_url.database
    with another_app(postgresql.admin.set(database=name).render_as_string(hide_password=False)) as as_admin:
        found = findings(as_admin)["isolation"]

    assert found["status"] == "failed"
    assert "superuser" in found["message"]


def test_the_probe_sees_what_the_catalogue_does_not_tell(
    postgresql: Server, new_database: NewDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without the policies a user's task is seen by another, whatever else is said of them."""
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
def test_a_clock_that_differs_is_told(app: Flask, monkeypatch: pytest.MonkeyPatch, seconds: float, status: str) -> None:
    """Logouts and tokens are judged by two clocks."""
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


def test_a_locale_that_knows_ascii_alone_is_a_warning(postgresql: Server, app: Flask) -> None:
    """There lower('Ä') is not 'ä'."""
    if services_of(app).engine.dialect.name == "sqlite" or PGBOUNCER in os.environ:
        pytest.skip("SQLite folds with a function of the service's")
    name = f"{postgresql.role}_ascii"
    postgresql.sql(f"CREATE DATABASE {name} OWNER {postgresql.role} TEMPLATE template0 LOCALE 'C' ENCODING 'UTF8'")
    postgresql.databases.append(name)
    migrate(postgresql.url(name))
    with another_app(postgresql.url(name)) as ascii_only:
        found = findings(ascii_only)["letters"]

    assert found["status"] == "warning"
    assert "locale" in found["fix"]


def test_a_pooler_is_noticed(app: Flask) -> None:
    """With PgBouncer in between, in transaction mode; without one, none."""
    found = findings(app)["pooler"]

    assert found["status"] == "ok"
    assert ("shares sessions by transaction" in found["message"]) is (PGBOUNCER in os.environ)


def test_a_pooler_gives_its_own_number(app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    """The server's number of a session is not what the connection was told; who shares it is found by trying."""
    if services_of(app).engine.dialect.name == "sqlite" or PGBOUNCER in os.environ:
        pytest.skip("needs a PostgreSQL without a pooler")
    for sessions, words in (([7, 7, 7], "shares sessions"), ([7, 8, 7], "leaves each"), ([7, 8, 9], "shares sessions")):
        told = iter(sessions)
        monkeypatch.setattr(database_checks, "_session", lambda _, told=told: next(told))
        assert words in findings(app)["pooler"]["message"]


def test_published_keys_are_listed(app: Flask) -> None:
    """With kid and alg; and those that are not used, with the reason."""
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
def test_keys_that_cannot_be_fetched_fail(app: Flask, answering: Callable, words: str) -> None:
    """With what the issuer answered."""
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
def test_wrong_arguments_are_status_2(app: Flask, arguments: tuple[str, ...]) -> None:
    """And a token among them is not repeated."""
    result = run(app, "doctor", *arguments)

    assert (result.exit_code, result.stdout) == (2, "")
    assert "eyJ" not in result.output
