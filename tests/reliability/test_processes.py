"""Processes are stopped, replaced and killed under load, and slow clients do not delay others."""

import contextlib
import os
import signal
import socket
import sqlite3
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from app.server.connection import RECEIVE_SECONDS, SEND_SECONDS
from app.server.sharing import SLACK
from tests.process.conftest import Service, paused, thread_states
from tests.reliability.audit import audit, sqlite_query
from tests.reliability.conftest import Launch
from tests.reliability.faults import MARGIN_SECONDS
from tests.reliability.load import Client, Load, User
from tests.waiting import until

THREADS = 2
WORKERS = 2
SLOW_CLIENTS = 24
NOTICED_SECONDS = 2
MANY_TASKS = """
WITH RECURSIVE numbers(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < 900)
INSERT INTO tasks (user_id, id, title, details, created_at, updated_at, version)
SELECT ?, printf('0199b1f2-7c3e-7a41-9d5b-%012d', n), 'tea', ?,
    '2026-03-14T09:26:53.589793Z', '2026-03-14T09:26:53.589793Z', 1
FROM numbers
"""


@pytest.fixture
def service(launch: Launch, sqlite_file: Path) -> Service:
    return launch(f"sqlite:///{sqlite_file}", THREADS=str(THREADS)).wait_until_ready()


@contextlib.contextmanager
def locked(file: Path):
    """Writers run until the end."""
    with contextlib.closing(sqlite3.connect(file, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        yield


def test_a_stopping_service_answers_accepted_requests(service: Service, sqlite_file: Path) -> None:
    """On any number of connections. Then the process exits with 0."""
    clients = [Client(service.port, User().token, kept=bool(number % 2)) for number in range(THREADS * WORKERS * 2)]
    with ThreadPoolExecutor(len(clients)) as threads:
        with locked(sqlite_file):
            replies = [threads.submit(client.call, "POST", "/v1/tasks", {"title": "tea"}) for client in clients]
            # Each worker listens on one more.
            until(lambda: sum(map(sockets, service.workers())) == len(clients) + WORKERS, "all connections")
            service.process.send_signal(signal.SIGTERM)
            time.sleep(1)
        statuses = [reply.result().status for reply in replies]
    for client in clients:
        client.close()

    assert statuses == [201] * len(clients)
    assert service.process.wait(20) == 0


def test_stopping_under_load_loses_nothing(launch: Launch, service: Service, sqlite_file: Path) -> None:
    """Each request is answered until connections are refused, and all acknowledged writes are there."""
    load = Load(service.port)
    with load.running():
        time.sleep(1)
        assert service.stop() == 0
        until(lambda: load.of_status(-1), "a client that is refused")

    load.port = launch(f"sqlite:///{sqlite_file}").wait_until_ready().port
    assert [reply for reply in load.failures() if reply.status != -1] == []
    assert not (findings := audit(load, sqlite_query(sqlite_file))), findings


def test_a_reload_under_load_fails_no_request(service: Service, sqlite_file: Path) -> None:
    """Twice, each time with all new workers."""
    load = Load(service.port)
    with load.running():
        for _ in range(2):
            time.sleep(0.5)
            before = set(service.workers())
            service.process.send_signal(signal.SIGHUP)
            until(lambda before=before: len(set(service.workers()) - before) >= WORKERS, "new workers")
            until(lambda before=before: not before & set(service.workers()), "the old workers' end")

    assert load.failures() == []
    assert load.of_status(503) == []
    assert not (findings := audit(load, sqlite_query(sqlite_file))), findings


def test_a_killed_worker_fails_only_its_own_requests(service: Service, sqlite_file: Path) -> None:
    """Each client loses at most the one response that it waited for, and a new worker starts."""
    load = Load(service.port)
    with load.running():
        time.sleep(1)
        killed = service.workers()[0]
        os.kill(killed, signal.SIGKILL)
        at = time.monotonic()
        until(lambda: len(set(service.workers()) - {killed}) == WORKERS, "a new worker")
        time.sleep(1)

    lost = load.failures()
    assert len(lost) <= load.writers
    assert [reply for reply in lost if reply.status != 0 or abs(reply.began - at) > MARGIN_SECONDS] == []
    assert not (findings := audit(load, sqlite_query(sqlite_file))), findings


def test_new_connections_go_to_the_worker_with_fewer(service: Service) -> None:
    """A frozen worker gets none. When it continues, it gets more until it has as many."""
    one, other = until(lambda: service.workers()[1:] and service.workers(), "both workers")
    # The connection that asked whether they are ready may still be closing.
    until(lambda: sockets(one) == sockets(other), "workers without clients")
    without = {process: sockets(process) for process in (one, other)}
    with contextlib.ExitStack() as clients:

        def connect() -> None:
            client = clients.enter_context(contextlib.closing(Client(service.port, User().token, kept=True)))
            assert client.call("GET", "/healthz").status == 200

        def behind() -> int:
            return sockets(one) - without[one] - (sockets(other) - without[other])

        with paused(other):
            for _ in range(20):
                connect()
            assert behind() == 20
        until(lambda: "T" not in thread_states(other), "a process that goes on")
        for _ in range(200):
            connect()
            if behind() <= SLACK:
                break

        assert behind() <= SLACK


def sockets(process: int) -> int:
    found = 0
    for entry in Path(f"/proc/{process}/fd").iterdir():
        # It may be closed by now.
        with contextlib.suppress(FileNotFoundError):
            found += os.readlink(entry).startswith("socket:")
    return found


def test_replacing_workers_by_max_requests_fails_no_request(launch: Launch, sqlite_file: Path) -> None:
    """Here after 60 to 100 requests each, so that it happens often."""
    options = ("--max-requests", "60", "--max-requests-jitter", "40")
    service = launch(f"sqlite:///{sqlite_file}", *options).wait_until_ready()
    load, seen = Load(service.port), set()
    with load.running():
        until(lambda: seen.update(service.workers()) or len(seen) > 2 * WORKERS, "new workers")

    assert load.failures() == []
    assert not (findings := audit(load, sqlite_query(sqlite_file))), findings


class SlowClient:
    """Sends a byte at a time, or does not read its response, until the connection is closed."""

    def __init__(self, service: Service, at_once: bytes, slowly: bytes = b"") -> None:
        self.socket = socket.socket()
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        self.socket.connect(("127.0.0.1", service.port))
        self.socket.sendall(at_once)
        self.slowly = slowly
        self.thread = threading.Thread(target=self.drip)
        self.thread.start()

    def drip(self) -> None:
        with contextlib.suppress(OSError):
            for byte in self.slowly:
                self.socket.sendall(bytes([byte]))
                time.sleep(1)

    def end(self) -> None:
        self.socket.close()
        self.thread.join()


def longest_wait(service: Service, seconds: float) -> float:
    """Return the longest time that others waited for a response."""
    client, waits = Client(service.port, "", kept=False), [0.0]
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        reply = client.call("GET", "/healthz")
        assert reply.status == 200
        waits.append(reply.ended - reply.began)
        time.sleep(0.05)
    return max(waits)


def test_clients_that_send_a_byte_a_second_do_not_delay_others(service: Service) -> None:
    """In headers or body, with many more of them than threads: each finally gets 408."""
    start = f"POST /v1/tasks HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {User().token}\r\n"
    head = f"{start}Content-Type: application/json\r\nContent-Length: 99\r\n"
    headers = (head.encode(), b"X-Slow: " + 60 * b"a")
    body = (f"{head}\r\n".encode(), b'{"title": "' + 60 * b"a")
    slow = [SlowClient(service, *request) for request in [headers, body] * (SLOW_CLIENTS // 2)]

    assert longest_wait(service, RECEIVE_SECONDS + MARGIN_SECONDS) < NOTICED_SECONDS
    for client in slow:
        assert client.socket.recv(1000).startswith(b"HTTP/1.1 408 ")
        client.end()


def test_clients_that_do_not_read_do_not_delay_others(service: Service, sqlite_file: Path) -> None:
    """With a response larger than the kernel's buffers, the service closes the connection."""
    user = User()
    assert Client(service.port, user.token, kept=False).call("POST", "/v1/tasks", {"title": "tea"}).status == 201
    with contextlib.closing(sqlite3.connect(sqlite_file)) as connection, connection:
        connection.execute(MANY_TASKS, (user.id, 10_000 * "茶"))
    request = f"GET /api/{user.id}/tasks HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {user.token}\r\n\r\n"
    without = sum(map(sockets, service.workers()))

    slow = [SlowClient(service, request.encode()) for _ in range(SLOW_CLIENTS)]
    waited = longest_wait(service, SEND_SECONDS)
    until(lambda: sum(map(sockets, service.workers())) <= without, "the end of those who do not read")
    for client in slow:
        client.end()

    assert waited < NOTICED_SECONDS
