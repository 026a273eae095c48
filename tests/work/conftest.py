"""Shared by the tests of the outbox: an app of each test's own, because a worker works for all users."""

import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import text

from app import work
from app.auth.queries import add_outside_user
from app.database import scope
from app.outbox.delivery import Done, Handler, Outcome
from app.outbox.queue import Message, enqueue
from app.services import services_of
from app.work import work_of
from tests.conftest import NewDatabase, make_app, new_user_id

KIND = "test"


class Receiver:
    """A handler that notes what it was given, and does with it what the test wants."""

    def __init__(self) -> None:
        self.got: list[Any] = []
        self.answer: Callable[[Any], Outcome] = lambda message: Done()
        self._noting = threading.Lock()

    def __call__(self, message: Any) -> Outcome:
        with self._noting:
            self.got.append(message)
        return self.answer(message)

    @property
    def bodies(self) -> list[str]:
        return [message.body for message in self.got]


@pytest.fixture
def url(new_database: NewDatabase) -> str:
    return new_database()


@pytest.fixture
def receiver() -> Receiver:
    return Receiver()


@pytest.fixture
def app(url: str, receiver: Receiver) -> Iterator[Flask]:
    """An app that sends messages of one kind to the receiver."""
    app = make_app(url)
    work.init_app(app, {KIND: Handler(receiver, at_once=8)})
    with app.app_context():
        yield app
        work_of(app).stop(10)
        services_of(app).engine.dispose()


@pytest.fixture
def user(app: Flask) -> str:
    """A user who has a row."""
    user_id = new_user_id()
    add_outside_user(user_id)
    return user_id


def send(user_id: str, body: str = "tea", key: str = "", delay: float = 0) -> str:
    """Write a message; return its id."""
    message = Message(KIND, key, body, delay)
    with scope(user_id):
        enqueue(user_id, [message])
    return message.id


def run_once(app: Flask) -> None:
    work_of(app).run_once()


def rows(app: Flask, user_id: str, columns: str = "*") -> list[Any]:
    """Return a user's messages as the database has them, in the order of their making."""
    query = text(f"SELECT {columns} FROM outbox WHERE user_id = :user ORDER BY id")
    with scope(user_id), services_of(app).engine.connect() as connection:
        return list(connection.execute(query, {"user": user_id}))


def change(app: Flask, user_id: str, assignments: str, **values: Any) -> None:
    """Change a user's messages directly, as time would."""
    query = text(f"UPDATE outbox SET {assignments} WHERE user_id = :user")
    with scope(user_id), services_of(app).engine.connect() as connection:
        assert connection.execute(query, {"user": user_id, **values}).rowcount
