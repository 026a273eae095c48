"""A transaction is all or nothing, and concurrent writes are not lost."""

import sqlite3
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select

from app.auth.models import users
from app.auth.queries import add_outside_user, find_user
from app.database import IntegrityError, execute, fetch_one, transaction
from app.database.columns import now
from app.http.problems import DatabaseUnavailable
from app.services import services_of
from tests.conftest import Caller, new_user_id
from tests.database.conftest import NewApp

AT_ONCE = 8
DEADLOCK = "40P01"


def all_at_once(calls: list[Callable[[], Any]]) -> list[Any]:
    """Run the calls on a few threads that begin together, and return their results."""
    ready = threading.Barrier(AT_ONCE)
    with ThreadPoolExecutor(AT_ONCE, initializer=ready.wait) as pool:
        return [future.result() for future in [pool.submit(call) for call in calls]]


def exists_for_others(app: Flask, user_id: str) -> bool:
    """Return whether another connection sees this user."""
    with services_of(app).engine.connect() as connection:
        return connection.execute(select(users.c.id).where(users.c.id == user_id)).first() is not None


def test_a_transaction_is_invisible_before_its_end(app: Flask) -> None:
    """Others see both rows or none; the transaction sees its own."""
    first, second = new_user_id(), new_user_id()
    with app.app_context():
        with transaction():
            add_outside_user(first)
            assert find_user(first)
            assert not exists_for_others(app, first)
            add_outside_user(second)

        assert exists_for_others(app, first)
        assert exists_for_others(app, second)


def write_and_fail(user_id: str, error: type[BaseException]) -> None:
    """A transaction that adds a user and then fails, by itself or by a constraint."""
    with transaction():
        add_outside_user(user_id)
        if error is IntegrityError:
            execute(users.insert().values(id=user_id, created_at=now()))
        raise error


@pytest.mark.parametrize(
    "error", [ValueError, KeyboardInterrupt, IntegrityError], ids=["a fault", "a signal", "a refusal"]
)
def test_a_failed_transaction_leaves_no_data(app: Flask, error: type[BaseException]) -> None:
    """After an exception, a signal, or the database's own rejection."""
    user_id = new_user_id()
    with app.app_context(), pytest.raises(error):
        write_and_fail(user_id, error)

    assert not exists_for_others(app, user_id)


def test_a_refusal_that_is_passed_over_is_no_success(postgresql_app: Flask) -> None:
    """PostgreSQL rolls back at COMMIT without an error: whoever has not noticed is told."""
    user_id = new_user_id()
    with postgresql_app.app_context(), pytest.raises(RuntimeError, match="rolled back"), transaction():
        add_outside_user(user_id)
        with suppress(*IntegrityError):
            execute(users.insert().values(id=user_id, created_at=now()))

    assert not exists_for_others(postgresql_app, user_id)


def test_after_a_failed_transaction_statements_commit_again(app: Flask) -> None:
    """The connection is back in autocommit."""
    ids = [new_user_id() for _ in range(5)]
    with app.app_context():
        with pytest.raises(ZeroDivisionError):
            write_and_fail(new_user_id(), ZeroDivisionError)
        for user_id in ids:
            add_outside_user(user_id)

    assert all(exists_for_others(app, user_id) for user_id in ids)


def test_concurrent_transactions_lose_no_write(app: Flask) -> None:
    """Each reads and then writes. On SQLite they wait for each other, and PostgreSQL locks the row."""
    user_id = new_user_id()
    with app.app_context():
        execute(users.insert().values(id=user_id, name="0", created_at=now()))

    def increment() -> None:
        with app.app_context(), transaction():
            row = fetch_one(select(users.c.name).where(users.c.id == user_id).with_for_update())
            execute(users.update().where(users.c.id == user_id).values(name=str(int(row.name) + 1)))

    all_at_once([increment] * 50)

    with app.app_context():
        assert find_user(user_id).name == "50"


def test_one_of_two_deadlocked_transactions_is_503(postgresql_app: Flask) -> None:
    """PostgreSQL ends one, whose client may try again, and the other succeeds."""
    ids, both_hold_one = [new_user_id(), new_user_id()], threading.Barrier(2)
    with postgresql_app.app_context():
        for user_id in ids:
            add_outside_user(user_id)

    def name_both(first: str, second: str) -> Any:
        try:
            with postgresql_app.app_context(), transaction():
                execute(users.update().where(users.c.id == first).values(name=first))
                both_hold_one.wait()
                execute(users.update().where(users.c.id == second).values(name=first))
        except DatabaseUnavailable as error:
            return error.__cause__
        return first

    with ThreadPoolExecutor(2) as pool:
        ended = list(pool.map(name_both, ids, reversed(ids)))

    done, refused = sorted(ended, key=lambda end: end not in ids)
    assert refused.pgcode == DEADLOCK
    with postgresql_app.app_context():
        assert [find_user(user_id).name for user_id in ids] == [done] * 2


def test_an_address_is_registered_only_once(app: Flask) -> None:
    """By concurrent requests in any spelling: one 201, the rest 409."""
    name = new_user_id()
    spellings = [f"{name}@example.com", f"{name.upper()}@Example.com"] * (AT_ONCE // 2)

    def register(email: str) -> tuple[int, str | None]:
        body = {"email": email, "password": "correct horse battery"}
        answer = Caller(app).post("/v1/auth/register", json=body)
        return answer.status_code, answer.json.get("code")

    answers = all_at_once([lambda email=email: register(email) for email in spellings])

    assert sorted(answers, key=str) == [(201, None), *[(409, "email_taken")] * (AT_ONCE - 1)]


def test_a_rejected_registration_leaves_no_user(app: Flask) -> None:
    """The address, the user and the session are written together."""
    body = {"email": f"{new_user_id()}@example.com", "password": "correct horse battery"}
    assert Caller(app).post("/v1/auth/register", json=body).status_code == 201
    assert Caller(app).post("/v1/auth/register", json=body).status_code == 409

    with services_of(app).engine.connect() as connection:
        assert len(connection.execute(select(users.c.id).where(users.c.email == body["email"])).all()) == 1


def test_concurrent_first_writes_of_a_user_all_succeed(app: Flask) -> None:
    """They race to create the user, and none of them loses its task."""
    user_id = new_user_id()

    answers = all_at_once([lambda: Caller(app, user_id).post("/v1/tasks", json={"title": "tea"})] * 16)

    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.json["id"] for answer in answers}) == 16
    assert len(Caller(app, user_id).get("/v1/tasks").json["items"]) == 16


@pytest.mark.parametrize(("flips", "completed"), [(100, False), (101, True)])
def test_concurrent_toggles_lose_nothing(app: Flask, ann: Caller, flips: int, completed: bool) -> None:
    """N toggles are N new versions."""
    task = ann.add()
    path = f"/v1/tasks/{task['id']}/toggle"

    answers = all_at_once([lambda: Caller(app, ann.user_id).post(path)] * flips)

    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.headers["ETag"] for answer in answers}) == flips
    assert ann.get(f"/v1/tasks/{task['id']}").json["completed"] is completed


def test_a_transaction_on_sqlite_is_the_writer_from_its_beginning(sqlite_url: str, new_app: NewApp) -> None:
    """Before its first statement: another process that wrote between its read and its write would make it fail."""
    path = sqlite_url.removeprefix("sqlite:///")

    with (
        new_app(sqlite_url).app_context(),
        transaction(),
        closing(sqlite3.connect(path, timeout=0)) as other,
        pytest.raises(sqlite3.OperationalError, match="locked"),
    ):
        other.execute("BEGIN IMMEDIATE")


@pytest.mark.parametrize(
    ("pragma", "value"), [("journal_mode", "wal"), ("synchronous", 2), ("foreign_keys", 1), ("busy_timeout", 0)]
)
def test_every_sqlite_connection_is_durable(sqlite_url: str, new_app: NewApp, pragma: str, value: object) -> None:
    """Acknowledged writes survive a power cut (FULL is 2), and foreign keys are enforced."""
    engine = services_of(new_app(sqlite_url)).engine

    with engine.connect() as one, engine.connect() as other:
        values = [connection.exec_driver_sql(f"PRAGMA {pragma}").scalar() for connection in (one, other)]

    assert values == [value, value]
