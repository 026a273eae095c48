"""Shared by the tests of accounts: members with tokens, and access to the database."""

import secrets
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from threading import Barrier
from typing import Any, Self, TypeVar

import jwt
from flask import Flask
from sqlalchemy import Row, text
from werkzeug.test import TestResponse

from app.services import services_of
from app.times import rfc3339
from tests.api.support.calls import assert_problem
from tests.conftest import Caller, make_app
from tests.waiting import LONGEST_WAIT_SECONDS

PASSWORD = "correct horse battery"

Result = TypeVar("Result")


class Member(Caller):
    """A signed-in user with an account of this service."""

    def __init__(self, app: Flask, email: str, tokens: dict[str, Any], password: str = PASSWORD) -> None:
        self.access_token, self.refresh_token = tokens["access_token"], tokens["refresh_token"]
        claims = jwt.decode(self.access_token, options={"verify_signature": False})
        super().__init__(app, claims["sub"], self.access_token)
        self.app, self.email, self.password, self.session_id = app, email, password, claims["sid"]

    def sign_in(self) -> Self:
        """Sign in the same user on another device."""
        answer = log_in(self.app, self.email, self.password)
        assert answer.status_code == 200, answer.text
        return type(self)(self.app, self.email, answer.json, self.password)

    def refresh(self, token: str | None = None) -> TestResponse:
        """Send a refresh token: this session's own, or another."""
        return refresh(self.app, token or self.refresh_token)

    def renew(self) -> Self:
        """Return the same session with its next tokens."""
        answer = self.refresh()
        assert answer.status_code == 200, answer.text
        return type(self)(self.app, self.email, answer.json, self.password)

    def at(self, app: Flask) -> Self:
        """Return the same session as a caller of another process."""
        tokens = {"access_token": self.access_token, "refresh_token": self.refresh_token}
        return type(self)(app, self.email, tokens, self.password)


def new_email() -> str:
    return f"ann.{secrets.token_hex(8)}@example.com"


def sign_up(app: Flask, email: str, password: str = PASSWORD, **body: Any) -> TestResponse:
    return Caller(app).post("/v1/auth/register", json={"email": email, "password": password, **body})


def register(app: Flask, email: str | None = None, password: str = PASSWORD, **body: Any) -> Member:
    """Register a new member."""
    email = email or new_email()
    answer = sign_up(app, email, password, **body)
    assert answer.status_code == 201, answer.text
    return Member(app, email, answer.json, password)


def log_in(app: Flask, email: str, password: str = PASSWORD, **options: Any) -> TestResponse:
    return Caller(app).post("/v1/auth/login", json={"email": email, "password": password}, **options)


def refresh(app: Flask, token: str) -> TestResponse:
    return Caller(app).post("/v1/auth/refresh", json={"refresh_token": token})


def listed(member: Member) -> list[dict[str, Any]]:
    """Return the member's sessions, as the service lists them."""
    answer = member.get("/v1/auth/sessions")
    assert answer.status_code == 200, answer.text
    return list(answer.json["items"])


def lives(member: Member) -> bool:
    """Return whether a session's access and refresh tokens still work; both or neither must."""
    access, renewal = member.get("/v1/tasks"), member.refresh()
    if access.status_code == renewal.status_code == 200:
        return True
    for answer in (access, renewal):
        assert_problem(answer, 401, "token_revoked")
    return False


def assert_limited(answer: TestResponse) -> int:
    """Assert that the response is 429, and return the seconds to wait."""
    if answer.request.method != "HEAD":
        assert_problem(answer, 429, "rate_limited")
    assert answer.status_code == 429
    return int(answer.headers["Retry-After"])


def at_once(times: int, call: Callable[[], Result]) -> list[Result]:
    """Return the responses of this number of threads that call at the same moment."""
    barrier = Barrier(times)

    def wait_and_call(_: int) -> Result:
        barrier.wait()
        return call()

    with ThreadPoolExecutor(times) as threads:
        return list(threads.map(wait_and_call, range(times)))


@contextmanager
def another_app(database: Flask | str, **changes: str | None) -> Iterator[Flask]:
    """Open an app like another process, on an app's database or at a URL."""
    if isinstance(database, Flask):
        database = services_of(database).settings.database_url.render_as_string(hide_password=False)
    app = make_app(database, **changes)
    try:
        yield app
    finally:
        services_of(app).engine.dispose()


def sql(app: Flask, statement: str, **parameters: Any) -> Sequence[Row[Any]]:
    """Run a statement without the service."""
    with services_of(app).engine.connect() as connection:
        result = connection.execute(text(statement), parameters)
        return result.all() if result.returns_rows else []


def ago(seconds: float) -> str:
    """Return a moment in the past, in a form that both engines accept."""
    return rfc3339(datetime.now(UTC) - timedelta(seconds=seconds))


def password_hash(member: Member) -> str:
    """Return the stored hash of a password."""
    [row] = sql(member.app, "SELECT password_hash FROM users WHERE id = :id", id=member.user_id)
    return str(row.password_hash)


def make_copy_old(app: Flask) -> None:
    """Give an app's copy of the revocations the age at which a request waits for a new one."""
    _set_copy(app, float("-inf"))


def keep_copy(app: Flask) -> None:
    """Let an app's copy count as just read during a test."""
    _set_copy(app, time.monotonic() + 3_600)


def _set_copy(app: Flask, began_at: float) -> None:
    copy = services_of(app).revocations._copy
    # A read that an earlier request began would set its own time when it ends.
    while run := copy.under_way:
        assert run.done.wait(LONGEST_WAIT_SECONDS)
    copy.began_at = began_at
