"""Hostile clients, with and without a token, do not prevent others from being served."""

import contextlib
import resource
import select
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.process.conftest import Service
from tests.reliability.conftest import Launch
from tests.reliability.load import User
from tests.waiting import LONGEST_WAIT_SECONDS

WORKERS = 2
CLIENTS = 60
# Per worker.
CONNECTIONS = 2_000
OTHERS = 20

HOST = "Host: a\r\n"
JSON = f"{HOST}Content-Type: application/json\r\n"
BEARER = f"{JSON}Authorization: Bearer {User().token}\r\n"
CHUNKS = 20_000 * "1\r\nx\r\n" + "0\r\n\r\n"
# The data each of them sends at once, without reading responses.
HOSTILE = {
    "100 Continue": 2_000 * f"POST /v1/tasks HTTP/1.1\r\n{HOST}Expect: 100-continue\r\nContent-Length: 0\r\n\r\n",
    "a refused body that goes on": f"POST /v1/tasks HTTP/1.1\r\n{HOST}Content-Length: 60000\r\n\r\n\n\n",
    "requests without pause": 500 * f"GET /readyz HTTP/1.1\r\n{HOST}\r\n",
    "long responses": 100 * f"GET /openapi.json HTTP/1.1\r\n{HOST}\r\n",
    "a batch that does not come": f"POST /v1/tasks/batch HTTP/1.1\r\n{BEARER}Content-Length: 900000\r\n\r\n",
    "chunks of one byte": 20 * f"POST /v1/auth/login HTTP/1.1\r\n{JSON}Transfer-Encoding: chunked\r\n\r\n{CHUNKS}",
    "half a request": f"GET /healthz HTTP/1.1\r\n{HOST}",
}


@pytest.fixture
def service(launch: Launch, sqlite_file: Path) -> Iterator[Service]:
    """Opens any number of connections, each only after the service has given up the clients before."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(8 * CONNECTIONS, before[1]), before[1]))
    yield launch(f"sqlite:///{sqlite_file}").wait_until_ready()
    resource.setrlimit(resource.RLIMIT_NOFILE, before)


@contextlib.contextmanager
def connected(service: Service, number: int) -> Iterator[list[socket.socket]]:
    """Clients that read little of their responses."""
    with contextlib.ExitStack() as stack:
        clients = []
        for _ in range(number):
            client = stack.enter_context(contextlib.closing(socket.socket()))
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            client.settimeout(LONGEST_WAIT_SECONDS)
            client.connect(("127.0.0.1", service.port))
            client.setblocking(False)
            clients.append(client)
        yield clients


def is_served(client: socket.socket) -> bool:
    """Return whether the service has given up a client: it sent what fits, or closed the connection."""
    poll = select.poll()
    poll.register(client, select.POLLRDHUP)
    return bool(poll.poll(0))


@pytest.mark.parametrize("sent", HOSTILE.values(), ids=list(HOSTILE))
def test_others_are_served_before_hostile_clients_are_given_up(service: Service, sent: str) -> None:
    """Sixty of them block neither the workers nor others' connections."""
    with connected(service, CLIENTS) as hostile:
        for client in hostile:
            # As much as the kernel accepts.
            with contextlib.suppress(BlockingIOError):
                client.send(sent.encode())
        statuses = [service.call("GET", "/healthz").status for _ in range(OTHERS)]

        assert statuses == [200] * OTHERS
        assert [is_served(client) for client in hostile] != [True] * CLIENTS


def test_a_connection_above_the_limit_is_served(service: Service) -> None:
    """It replaces only the client that was silent longest."""
    with connected(service, WORKERS * CONNECTIONS + CLIENTS) as idle:
        statuses = [service.call("GET", "/healthz").status for _ in range(OTHERS)]

        assert statuses == [200] * OTHERS
        assert sum(map(is_served, idle)) <= CLIENTS + OTHERS
