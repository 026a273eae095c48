"""A token that one of several workers has revoked is rejected by all within a second."""

import sys
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

from tests.conftest import migrate
from tests.postgres import Server
from tests.process.conftest import Service, Start
from tests.waiting import until

WORKERS = 4
CLIENTS = 6
# Enough for each worker to get some.
ENOUGH = 10 * WORKERS
# The documented limit.
LATEST = 1.0


@pytest.fixture
def service(serve: Start, postgresql: Server) -> Service:
    """gunicorn with several workers, on PostgreSQL."""
    url = postgresql.url(postgresql.create_database())
    migrate(url)
    return serve(url, WEB_CONCURRENCY=str(WORKERS))


class Clients:
    """Threads that send a token without pause, each time on a new connection, which any worker may accept.

    `answers` tells when each request was started, and what it was answered.
    """

    def __init__(self, service: Service, token: str) -> None:
        self.answers: list[tuple[float, int, Any]] = []
        self._service, self._token, self._stopping = service, token, threading.Event()
        self._threads = [threading.Thread(target=self._call) for _ in range(CLIENTS)]

    def __enter__(self) -> "Clients":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopping.set()
        for thread in self._threads:
            thread.join()

    def statuses(self) -> list[int]:
        return [status for _, status, _ in self.answers]

    def _call(self) -> None:
        while not self._stopping.is_set():
            started = time.monotonic()
            self.answers.append((started, *self._service.call("GET", "/v1/tasks", self._token)))


Ending = tuple[str, str, str]


def session(_: Service, access_token: str) -> Ending:
    """Return a token, and the method and path of the request that ends it."""
    return access_token, "POST", "/v1/auth/logout"


def personal_token(service: Service, access_token: str) -> Ending:
    made = service.call("POST", "/v1/auth/tokens", access_token, {"name": "script", "scopes": ["tasks:read"]})
    assert made.status == 201
    return made.body["token"], "DELETE", f"/v1/auth/tokens/{made.body['id']}"


@pytest.mark.parametrize("kind", [session, personal_token], ids=lambda kind: kind.__name__)
def test_all_workers_know_of_an_end_within_a_second(
    service: Service, capsys: pytest.CaptureFixture, kind: Callable[[Service, str], Ending]
) -> None:
    """No request that starts later is accepted."""
    until(lambda: len(service.workers()) == WORKERS, "all workers")
    access_token = service.register()
    token, method, path = kind(service, access_token)
    with Clients(service, token) as clients:
        until(lambda: len(clients.answers) > ENOUGH, "requests that are served")
        assert set(clients.statuses()) == {200}
        assert service.call(method, path, access_token).status == 204
        logged_out = time.monotonic()
        time.sleep(2 * LATEST)
        # The start of a request matters; the number of requests by then depends on the machine.
        until(lambda: clients.statuses().count(401) > ENOUGH, "requests that are refused")

    served = [started - logged_out for started, status, _ in clients.answers if status == 200]
    refused = [body["code"] for _, status, body in clients.answers if status != 200]
    with capsys.disabled():
        counts = f"{len(served)} requests served, {len(refused)} refused"
        sys.stdout.write(
            f"\n{kind.__name__}: {counts}; the last served one started {max(served):+.3f} s from the answer\n"
        )
    assert set(refused) == {"token_revoked"}
    assert max(served) <= LATEST
