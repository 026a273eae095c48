"""Revocations hold and are seen even if the machine's clock jumps."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from flask import Flask

from app.auth import rate_limits, revoked
from app.auth.queries import disable_user, enable_user
from app.database import sqlite
from tests.api.support.calls import assert_problem
from tests.auth.people import Member, another_app, assert_limited, log_in, make_copy_old, new_email, register
from tests.conftest import Caller, shared_token

HOUR = timedelta(hours=1)


class DatabaseClock:
    """SQLite's clock is this process's. The tokens' times stay."""

    def __init__(self) -> None:
        self.moved = timedelta(0)

    def now(self, zone: Any) -> datetime:
        return datetime.now(zone) + self.moved

    def __getattr__(self, name: str) -> Any:
        return getattr(datetime, name)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> DatabaseClock:
    clock = DatabaseClock()
    monkeypatch.setattr(sqlite, "datetime", clock)
    return clock


@pytest.fixture
def service(sqlite_url: str) -> Iterator[Flask]:
    with another_app(sqlite_url) as app:
        yield app


@pytest.fixture
def elsewhere(service: Flask) -> Iterator[Flask]:
    """A second process that read its copy before the clock moved."""
    with another_app(service) as other:
        assert Caller(other, "somebody").get("/v1/tasks").status_code == 200
        yield other


def answer_of(member: Member, app: Flask) -> int:
    """Return a process's response to a member after it has read again."""
    make_copy_old(app)
    return member.at(app).get("/v1/tasks").status_code


@pytest.mark.parametrize("moved", [-HOUR, HOUR, -timedelta(seconds=40), timedelta(days=400)], ids=str)
def test_disabling_and_enabling_are_seen_after_the_clock_has_moved(
    service: Flask, elsewhere: Flask, clock: DatabaseClock, moved: timedelta
) -> None:
    """Before each of them, in both orders, and when the clock is right again."""
    member = register(service)
    steps: list[tuple[timedelta, Callable[[str], revoked.Revoked], int]] = [
        (moved, disable_user, 401),
        (moved, enable_user, 200),
        (timedelta(0), disable_user, 401),
        (moved, enable_user, 200),
    ]
    for clock.moved, change, status in steps:
        with service.app_context():
            change(str(member.user_id))
        assert answer_of(member, elsewhere) == status


def test_a_logout_is_seen_after_the_clock_went_back(service: Flask, elsewhere: Flask, clock: DatabaseClock) -> None:
    """Of an account, and of a front end's user."""
    member, outside = register(service), Caller(service, "ann", shared_token("ann"))
    clock.moved = -HOUR
    for caller in (member, outside):
        assert caller.post("/v1/auth/logout").status_code == 204

    assert answer_of(member, elsewhere) == 401
    there = Caller(elsewhere, "ann", outside.headers["Authorization"].split()[1])
    assert_problem(there.get("/v1/tasks"), 401, "token_revoked")


def test_revocations_are_seen_after_the_clock_moved_during_a_pause(
    service: Flask, elsewhere: Flask, clock: DatabaseClock
) -> None:
    """After an hour without reading, a process reads everything."""
    member = register(service)
    clock.moved = -HOUR
    with service.app_context():
        disable_user(str(member.user_id))
    clock.moved = HOUR + timedelta(seconds=1)

    assert answer_of(member, elsewhere) == 401


def test_a_clock_that_goes_back_does_not_prolong_a_lock_out(service: Flask, clock: DatabaseClock) -> None:
    """A window that begins in the future is reset."""
    email = new_email()
    register(service, email)
    for _ in range(rate_limits.FAILURES):
        assert log_in(service, email, "wrong horse battery").status_code == 401
    assert assert_limited(log_in(service, email)) <= rate_limits.FAILURES_SECONDS
    clock.moved = -HOUR

    assert log_in(service, email).status_code == 200


def test_these_tests_move_the_databases_clock(service: Flask, clock: DatabaseClock) -> None:
    """Otherwise they would prove nothing."""
    clock.moved = -HOUR
    task = register(service).add()

    assert datetime.fromisoformat(task["created_at"]) < datetime.now(UTC) - HOUR / 2
