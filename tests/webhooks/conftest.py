"""Shared by the tests of webhooks: an app of each test's own that may send to this machine, and receivers."""

import json
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any, NamedTuple

import pytest
from flask import Flask
from sqlalchemy import text

from app.database import scope
from app.services import services_of
from app.work import work_of
from tests.conftest import Caller, NewDatabase, make_app, new_user_id

Answer = Callable[[socket.socket], None]


class Request(NamedTuple):
    line: str
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


def reply(status: int, *lines: str) -> Answer:
    head = "\r\n".join([f"HTTP/1.1 {status} Some words", "Content-Length: 0", *lines, "", ""]).encode()
    return lambda connection: connection.sendall(head)


class Receiver:
    """A server that reads each request, notes it, and does what the test wants."""

    def __init__(self, wrap: Callable[[socket.socket], socket.socket] = lambda connection: connection) -> None:
        self.got: list[Request] = []
        self.answer: Answer = reply(204)
        self._wrap = wrap
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/hook?of=ann"

    @property
    def events(self) -> list[tuple[str, Any]]:
        return [(each.json["type"], each.json["data"]) for each in self.got]

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, plain: socket.socket) -> None:
        with suppress(OSError), plain, self._wrap(plain) as connection:
            self.got.append(read_request(connection))
            self.answer(connection)

    def close(self) -> None:
        self._listener.close()


def read_request(connection: socket.socket) -> Request:
    received = b""
    while b"\r\n\r\n" not in received:
        received += (piece := connection.recv(65_536))
        if not piece:
            raise ConnectionError
    head, _, body = received.partition(b"\r\n\r\n")
    line, *lines = head.decode().split("\r\n")
    headers = dict(each.split(": ", 1) for each in lines)
    while len(body) < int(headers["Content-Length"]):
        body += connection.recv(65_536)
    return Request(line, headers, body)


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    receiver = Receiver()
    yield receiver
    receiver.close()


@pytest.fixture
def app(new_database: NewDatabase) -> Iterator[Flask]:
    """An app that may send to private addresses."""
    app = make_app(new_database(), WEBHOOKS_ALLOW_PRIVATE="on")
    yield app
    work_of(app).stop(20)
    services_of(app).engine.dispose()


class Ann(Caller):
    """A user with webhooks."""

    def hook(self, url: str, **more: Any) -> dict[str, Any]:
        answer = self.post("/v1/webhooks", json={"url": url, **more})
        assert answer.status_code == 201, answer.text
        return dict(answer.json)

    def deliveries(self, hook: dict[str, Any]) -> list[dict[str, Any]]:
        answer = self.get(f"/v1/webhooks/{hook['id']}/deliveries")
        assert answer.status_code == 200, answer.text
        return list(answer.json["items"])


@pytest.fixture
def ann(app: Flask) -> Ann:
    return Ann(app, new_user_id())


def work(app: Flask) -> None:
    """Send all that is due now."""
    work_of(app).run_once()


def make_due(app: Flask, user_id: str | None) -> None:
    """Let a user's messages be due, as time would."""
    query = text("UPDATE outbox SET due_at = :past WHERE user_id = :user AND finished_at IS NULL")
    with app.app_context(), scope(str(user_id)), services_of(app).engine.connect() as connection:
        connection.execute(query, {"user": user_id, "past": "2026-01-01T00:00:00.000000Z"})


def bodies(app: Flask, user_id: str | None) -> list[Any]:
    """Return what is to be sent for a user, in the order of its making."""
    query = text("SELECT body FROM outbox WHERE user_id = :user AND kind = 'webhook' ORDER BY id")
    with app.app_context(), scope(str(user_id)), services_of(app).engine.connect() as connection:
        return [json.loads(body) for (body,) in connection.execute(query, {"user": user_id})]
