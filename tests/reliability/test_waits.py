"""Requests that wait for changes, while workers stop, are replaced and killed, and while the database is away."""

import contextlib
import http.client
import json
import os
import signal
import socket
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.conftest import new_user_id, shared_token
from tests.process.conftest import Service
from tests.reliability.conftest import Launch
from tests.reliability.faults import Site, frozen, restarted, stopped
from tests.waiting import LONGEST_WAIT_SECONDS, until

WAITS = 30
USERS = 10


class Waiter:
    """A request that waits, on a connection of its own."""

    def __init__(self, service: Service, since: str, token: str, seconds: int = 40, **query: str) -> None:
        self.service, self.token = service, token
        self.socket = socket.create_connection(("127.0.0.1", service.port), LONGEST_WAIT_SECONDS)
        asked = "&".join(f"{name}={value}" for name, value in {"since": since, "wait": seconds, **query}.items())
        head = f"GET /v1/tasks/changes?{asked} HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {token}\r\n\r\n"
        self.socket.sendall(head.encode())

    def answer(self) -> tuple[int, Any]:
        with contextlib.closing(self.socket):
            response = http.client.HTTPResponse(self.socket)
            response.begin()
            return response.status, json.loads(response.read())


def number_waiting(service: Service) -> float:
    """Return the number of requests that wait, in all workers, as of half a second ago."""
    connection = http.client.HTTPConnection("127.0.0.1", service.port, timeout=LONGEST_WAIT_SECONDS)
    with contextlib.closing(connection):
        connection.request("GET", "/metrics")
        families = text_string_to_metric_families(connection.getresponse().read().decode())
    return sum(sample.value for family in families if family.name == "tasks_waiting" for sample in family.samples)


def changes(service: Service, token: str, since: str | None = None) -> dict[str, Any]:
    answer = service.call("GET", "/v1/tasks/changes" + (f"?since={since}" if since else ""), token)
    assert answer.status == 200, answer
    return dict(answer.body)


@contextlib.contextmanager
def waiting(service: Service, count: int = WAITS) -> Iterator[list[Waiter]]:
    """Let several users wait."""
    tokens = [shared_token(new_user_id()) for _ in range(USERS)]
    since = {token: changes(service, token)["next"] for token in tokens}
    waiters = [Waiter(service, since[token], token) for token in (tokens * count)[:count]]
    until(lambda: number_waiting(service) == count, "requests that wait")
    yield waiters
    for waiter in waiters:
        waiter.socket.close()


@pytest.fixture
def service(launch: Launch, sqlite_file: Path) -> Service:
    return launch(f"sqlite:///{sqlite_file}", METRICS="on").wait_until_ready()


def assert_nothing_new(answer: tuple[int, Any]) -> None:
    status, body = answer
    assert (status, body["changed"], body["deleted"], body["has_more"]) == (200, [], [], False)


def test_a_stopping_service_answers_its_waits(service: Service) -> None:
    """With 200 and nothing new, not all at once. It exits with 0, in time."""

    def end(waiter: Waiter) -> float:
        assert_nothing_new(waiter.answer())
        return time.monotonic()

    with waiting(service) as waiters, ThreadPoolExecutor(len(waiters)) as readers:
        service.process.send_signal(signal.SIGTERM)
        ends = list(readers.map(end, waiters))

    assert max(ends) - min(ends) > 1
    assert service.process.wait(20) == 0


def test_a_reload_answers_the_waits_and_their_clients_wait_again(service: Service) -> None:
    """In the new workers, and with the tokens that they got."""
    with waiting(service) as waiters:
        service.process.send_signal(signal.SIGHUP)
        again = []
        for waiter in waiters:
            status, body = waiter.answer()
            assert_nothing_new((status, body))
            again.append(Waiter(service, body["next"], waiter.token))
        for token in {waiter.token for waiter in waiters}:
            assert service.call("POST", "/v1/tasks", token, {"title": "tea"}).status == 201

        assert [waiter.answer()[1]["changed"][0]["title"] for waiter in again] == ["tea"] * WAITS


def test_a_killed_workers_waits_end_and_others_go_on(service: Service) -> None:
    """Their clients see a closed connection, and can wait again at once."""
    with waiting(service) as waiters:
        killed = service.workers()[0]
        os.kill(killed, signal.SIGKILL)
        for token in {waiter.token for waiter in waiters}:
            assert service.call("POST", "/v1/tasks", token, {"title": "tea"}).status == 201
        found = []
        for waiter in waiters:
            with contextlib.suppress(OSError, http.client.HTTPException):
                found.append(waiter.answer())

    assert 0 < len(found) < WAITS
    assert {(status, body["changed"][0]["title"]) for status, body in found} == {(200, "tea")}


def test_a_write_ends_the_waits_of_every_worker(service: Service) -> None:
    """Of its user alone."""
    with waiting(service) as waiters:
        first = waiters[0]
        created = service.call("POST", "/v1/tasks", first.token, {"title": "tea"}).body
        answers = [waiter.answer()[1]["changed"] for waiter in waiters if waiter.token == first.token]

        assert answers == [[created]] * (WAITS // USERS)
        until(lambda: number_waiting(service) == WAITS - WAITS // USERS, "the others")


def test_a_client_that_leaves_waits_no_longer(service: Service) -> None:
    """Its place is free, however long it wanted to wait."""
    with waiting(service) as waiters:
        for waiter in waiters[: WAITS // 2]:
            waiter.socket.close()
        until(lambda: number_waiting(service) == WAITS - WAITS // 2, "the end of those who left")
        for waiter in waiters[WAITS // 2 :]:
            waiter.socket.shutdown(socket.SHUT_WR)
            assert_nothing_new(waiter.answer())

    until(lambda: number_waiting(service) == 0, "the end of all")


def test_a_wait_ends_with_the_next_request_on_its_connection(service: Service) -> None:
    """A client that sends one does not wait for this response any more. It gets both."""
    with waiting(service, 1) as [waiter]:
        waiter.socket.sendall(b"GET /healthz HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        received = b"".join(iter(lambda: waiter.socket.recv(10_000), b""))

    assert received.count(b"HTTP/1.1 200 OK") == 2


@pytest.fixture(scope="module")
def on_postgresql(launch: Launch, site: Site) -> Service:
    """One for all tests, and with few connections, because the server has few and a slow network in front."""
    return launch(site.url, METRICS="on", THREADS="3").wait_until_ready()


Fault = Callable[[Site], AbstractContextManager[None]]


@pytest.mark.parametrize("fault", [stopped, restarted, frozen], ids=lambda fault: fault.__name__)
def test_waits_outlive_an_outage_of_the_database(on_postgresql: Service, site: Site, fault: Fault) -> None:
    """They wait on quietly, and end with the first write after it."""
    with waiting(on_postgresql) as waiters:
        with fault(site):
            # Longer than the interval of looks.
            time.sleep(3)
            assert on_postgresql.call("GET", "/healthz").status == 200
        for token in {waiter.token for waiter in waiters}:
            until(lambda token=token: writes(on_postgresql, token), "the database")

        for waiter in waiters:
            status, body = waiter.answer()
            assert status == 200, body
            assert [task["title"] for task in body["changed"]] == ["tea"]


def writes(service: Service, token: str) -> bool:
    return service.call("POST", "/v1/tasks", token, {"title": "tea"}).status == 201


def test_a_wait_that_ends_in_an_outage_says_nothing_new(on_postgresql: Service, site: Site) -> None:
    """The client asks again, and then learns of the outage."""
    token = shared_token(new_user_id())
    since = changes(on_postgresql, token)["next"]
    waiter = Waiter(on_postgresql, since, token, 3)
    until(lambda: number_waiting(on_postgresql) == 1, "a request that waits")
    with stopped(site):
        status, body = waiter.answer()
        assert_nothing_new((status, body))
        refused, problem = Waiter(on_postgresql, body["next"], token, 3).answer()

    assert (refused, problem["code"]) == (503, "database_unavailable")
