"""No secret is in the log or in a command's output."""

import hashlib
import json
import time
from typing import Any

import jwt
import pytest

from tests.commands.calling import run_process
from tests.conftest import OWN_SECRET, SHARED_SECRET, migrate, new_user_id, shared_token
from tests.postgres import PASSWORD, Server
from tests.process.conftest import Service, Start

PASSWORDS = ("an old staple of her own", "a new staple, quite long", "wrong horse battery", "set by an operator")
EMAIL = "ann@example.com"


class Secrets(set[str]):
    """All secrets of the tests."""

    def note(self, *secrets: str) -> None:
        """Return each secret, and each secret part of a token."""
        self.update(secrets)
        self.update(part for secret in secrets if secret.count(".") == 2 for part in secret.split(".")[1:])

    def seen_in(self, text: str) -> list[str]:
        """Return the secrets in a text, raw or as JSON, a URL or Python encodes them."""
        return sorted(secret for secret in self if secret in text or json.dumps(secret)[1:-1] in text)


@pytest.fixture
def database(postgresql: Server) -> str:
    name = postgresql.create_database()
    migrate(postgresql.url(name))
    return name


@pytest.mark.parametrize("form", ["text", "json"])
def test_no_secret_is_logged(serve: Start, postgresql: Server, database: str, form: str) -> None:
    """For accounts, valid and invalid tokens, broken requests, a failed statement, and a database that is down."""
    # With this server's rules any password works.
    url = postgresql.url(database).replace(f":{PASSWORD}@", ":hunter2-of-the-database@")
    secrets = Secrets({"hunter2-of-the-database", OWN_SECRET, SHARED_SECRET, *PASSWORDS})
    service = serve(url, LOG_LEVEL="debug", LOG_FORMAT=form, METRICS="on")

    token = live_with_an_account(service, secrets)
    send_tokens(service, secrets)
    send_nonsense(service, secrets)
    fail_in_the_database(service, postgresql, database, token, secrets)
    assert service.stop() == 0

    assert "internal_error" in service.log
    assert "database unavailable" in service.log
    assert secrets.seen_in(service.log) == []
    assert len(secrets) > 20


def live_with_an_account(service: Service, secrets: Secrets) -> str:
    """Register, log in (also wrongly), refresh, reuse a token, change the password, log out; return a valid token."""
    first, second, wrong, _ = PASSWORDS
    tokens = expect(service, 201, "/v1/auth/register", {"email": EMAIL, "password": first, "name": "Ann"})
    expect(service, 409, "/v1/auth/register", {"email": EMAIL, "password": second})
    expect(service, 422, "/v1/auth/register", {"email": "bob", "password": second, "passwort": wrong})
    expect(service, 401, "/v1/auth/login", {"email": EMAIL, "password": wrong})
    login = expect(service, 200, "/v1/auth/login", {"email": EMAIL, "password": first})
    renewed = expect(service, 200, "/v1/auth/refresh", {"refresh_token": login["refresh_token"]})
    expect(service, 401, "/v1/auth/refresh", {"refresh_token": login["refresh_token"]})
    change = {"password": first, "new_password": second}
    assert service.call("PATCH", "/v1/auth/me", tokens["access_token"], change).status == 200
    use_personal_tokens(service, str(tokens["access_token"]), secrets)
    last = expect(service, 200, "/v1/auth/login", {"email": EMAIL, "password": second})
    assert service.call("POST", "/v1/auth/logout", last["access_token"]).status == 204
    assert service.call("GET", "/v1/auth/me", last["access_token"]).status == 401
    for answer in (tokens, login, renewed, last):
        secrets.note(answer["access_token"], answer["refresh_token"])
    return str(tokens["access_token"])


def use_personal_tokens(service: Service, access_token: str, secrets: Secrets) -> None:
    """Make one, use it for what it may and may not do, end it, and send it with a typing error."""
    wanted = {"name": "script", "scopes": ["tasks:read"]}
    made = service.call("POST", "/v1/auth/tokens", access_token, wanted)
    assert made.status == 201
    token, mistyped = made.body["token"], made.body["token"][:-1] + "-"
    # Without the characters that are shown.
    secrets.note(token[16:], mistyped[16:], hashlib.sha256(token.encode()).hexdigest())
    assert service.call("GET", "/v1/tasks", token).status == 200
    assert service.call("POST", "/v1/tasks", token, {"title": "tea"}).status == 403
    assert service.call("GET", "/v1/tasks", mistyped).status == 401
    assert service.call("DELETE", f"/v1/auth/tokens/{made.body['id']}", access_token).status == 204
    assert service.call("GET", "/v1/tasks", token).status == 401


def expect(service: Service, status: int, path: str, body: Any) -> dict[str, Any]:
    answer = service.call("POST", path, body=body)
    assert answer.status == status, answer
    return dict(answer.body)


def send_tokens(service: Service, secrets: Secrets) -> None:
    """Send a valid one, and an invalid one for each reason."""
    good = shared_token(new_user_id())
    head, payload, signature = good.split(".")
    refused = [
        shared_token(new_user_id(), exp=int(time.time()) - 60),
        shared_token(new_user_id(), secret="another secret, which nobody has: 0123456789"),
        shared_token(new_user_id(), nbf=int(time.time()) + 600),
        shared_token("usr_somebody"),
        shared_token(None, jti="without a subject"),
        jwt.encode({"sub": "ann", "exp": time.time() + 60}, OWN_SECRET * 2, "HS512"),
        f"{head}.{payload}.{signature[::-1]}",
        f"{head}.{payload}",
        "not-a-token-but-a-password-by-mistake",
    ]
    assert service.call("GET", "/v1/tasks", good).status == 200
    assert {service.call("GET", "/v1/tasks", token).status for token in refused} == {401}
    secrets.note(good, *refused)


def send_nonsense(service: Service, secrets: Secrets) -> None:
    """Send secrets in wrong places, except the path, which is logged."""
    secrets.note("secret-in-a-query-0123", "secret-in-a-body-0123")
    assert service.call("GET", "/v1/tasks?token=secret-in-a-query-0123", shared_token("ann")).status == 422
    assert service.call("POST", "/v1/auth/login", body=["secret-in-a-body-0123"]).status == 422
    assert service.call("POST", "/v1/tasks", shared_token("ann"), {"secret-in-a-body-0123": "x"}).status == 422


def fail_in_the_database(service: Service, postgresql: Server, database: str, token: str, secrets: Secrets) -> None:
    """Send a statement that is rejected with its values; then let the database reject all connections."""
    secrets.note("a title that only its owner may read")
    task = {"title": "a title that only its owner may read"}
    body = {"email": "carol@example.com", "password": PASSWORDS[0]}
    for table in ("tasks", "user_emails"):
        for status, there, back in (
            (503, f"ALTER TABLE {table} RENAME TO gone", f"ALTER TABLE gone RENAME TO {table}"),
            (
                500,
                f"ALTER TABLE {table} ADD CONSTRAINT never CHECK (false) NOT VALID",
                f"ALTER TABLE {table} DROP CONSTRAINT never",
            ),
        ):
            postgresql.sql(there, database)
            statuses = [
                service.call("POST", "/v1/tasks", token, task).status,
                service.call("POST", "/v1/auth/register", body=body).status,
            ]
            assert status in statuses
            postgresql.sql(back, database)
    postgresql.sql(f"ALTER DATABASE {database} ALLOW_CONNECTIONS false")
    postgresql.sql(f"SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = '{database}'")
    assert service.call("POST", "/v1/tasks", token, task).status == 503
    assert service.call("POST", "/v1/auth/login", body={"email": EMAIL, "password": PASSWORDS[1]}).status == 503
    assert service.call("GET", "/readyz").status == 503


def test_commands_print_no_secret(postgresql: Server, database: str) -> None:
    """Except the one that prints a token. Also with a database that is down."""
    url = postgresql.url(database).replace(f":{PASSWORD}@", ":hunter2-of-the-database@")
    nowhere = "postgresql://tasks:hunter2-of-the-database@127.0.0.1:1/tasks"
    secrets = Secrets({"hunter2-of-the-database", OWN_SECRET, SHARED_SECRET, *PASSWORDS})
    calls = [
        (url, 0, ("users", "create", EMAIL), PASSWORDS[0]),
        (url, 1, ("users", "create", EMAIL), PASSWORDS[1]),
        (url, 0, ("users", "set-password", EMAIL), PASSWORDS[3]),
        (url, 0, ("users", "show", EMAIL, "--json"), ""),
        (nowhere, 1, ("users", "create", EMAIL), PASSWORDS[0]),
        (nowhere, 1, ("db", "upgrade"), ""),
    ]
    for where, status, arguments, stdin in calls:
        done = run_process(where, *arguments, stdin=stdin, LOG_LEVEL="debug")

        assert done.returncode == status, done
        assert secrets.seen_in(done.stdout + done.stderr) == [], arguments
