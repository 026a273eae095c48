"""An export over HTTP: in chunks, where only the last one says that the file is complete."""

import contextlib
import http.client
import json
import socket
from collections.abc import Callable, Iterator
from uuid import UUID

import pytest

from app.database import scope
from app.services import services_of
from app.tasks.bulk_queries import import_tasks
from app.tasks.file_schemas import ImportedTask
from tests.conftest import Caller, NewDatabase, make_app, new_user_id, shared_token
from tests.postgres import Server
from tests.process.conftest import Service, Start
from tests.waiting import LONGEST_WAIT_SECONDS

PATH = "/v1/tasks/export"
# More than the sockets of both sides hold, so that the service still reads after the client has read little.
MANY, DETAILS = 20_000, "x" * 1_000
SMALL_BUFFER = 4_096
FEW = 2_500

Open = Callable[..., http.client.HTTPResponse]


def fill(url: str, count: int) -> str:
    """Return a token of a user with this number of tasks."""
    app, caller = make_app(url), Caller(make_app(url), new_user_id())
    caller.add(title="the first")
    task = ImportedTask().load({"title": "tea", "details": DETAILS})
    with app.app_context(), scope(caller.user_id):
        for begin in range(1, count, 1_000):
            ids = [str(UUID(int=number)) for number in range(begin, min(begin + 1_000, count))]
            page = [{**task, "id": task_id, "position": ""} for task_id in ids]
            assert import_tasks(str(caller.user_id), page) == set(ids)
    for made in (app, caller.client.application):
        services_of(made).engine.dispose()
    return shared_token(caller.user_id)


@pytest.fixture
def slow_client() -> Iterator[Callable[[Service], http.client.HTTPConnection]]:
    """Connect to a service with small receive buffers."""
    with contextlib.ExitStack() as opened:

        def connect(service: Service) -> http.client.HTTPConnection:
            sock = socket.socket()
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, SMALL_BUFFER)
            sock.settimeout(LONGEST_WAIT_SECONDS)
            sock.connect(("127.0.0.1", service.port))
            connection = http.client.HTTPConnection("127.0.0.1", service.port)
            connection.sock = sock
            return opened.enter_context(contextlib.closing(connection))

        yield connect


def ask(connection: http.client.HTTPConnection, token: str, method: str = "GET") -> http.client.HTTPResponse:
    connection.request(method, PATH, headers={"Authorization": f"Bearer {token}"})
    response = connection.getresponse()
    assert response.status == 200
    assert response.headers["Content-Type"] == "application/jsonl"
    return response


def test_a_complete_file_ends_with_the_last_chunk(
    serve: Start, sqlite_url: str, slow_client: Callable[[Service], http.client.HTTPConnection]
) -> None:
    """The connection can be used again, also after HEAD, which has no body."""
    token = fill(sqlite_url, FEW)
    connection = slow_client(serve(sqlite_url))
    ask(connection, token, "HEAD").read()
    for _ in range(2):
        response = ask(connection, token)
        assert response.headers["Transfer-Encoding"] == "chunked"
        assert len({json.loads(line)["id"] for line in response.read().splitlines()}) == FEW


def test_an_aborted_response_has_no_last_chunk(
    serve: Start,
    postgresql: Server,
    postgresql_database: str,
    slow_client: Callable[[Service], http.client.HTTPConnection],
) -> None:
    """So that clients notice. The service continues when its database is back."""
    token = fill(postgresql.url(postgresql_database), MANY)
    service = serve(postgresql.url(postgresql_database))
    connection = slow_client(service)
    response = ask(connection, token)
    data = response.read(100_000)
    postgresql.sql(f"ALTER DATABASE {postgresql_database} CONNECTION LIMIT 0")
    postgresql.sql(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{postgresql_database}'")

    with pytest.raises(http.client.IncompleteRead) as broken:
        response.read()

    assert 0 < (data + broken.value.partial).count(b"\n") < MANY
    postgresql.sql(f"ALTER DATABASE {postgresql_database} CONNECTION LIMIT -1")
    assert len(ask(slow_client(service), token).read().splitlines()) == MANY


def test_a_client_that_leaves_does_not_delay_others(
    serve: Start, new_database: NewDatabase, slow_client: Callable[[Service], http.client.HTTPConnection]
) -> None:
    """The only thread continues with the next request."""
    url = new_database()
    token = fill(url, MANY)
    service = serve(url, THREADS="1")
    for _ in range(3):
        connection = slow_client(service)
        assert ask(connection, token).read(10_000)
        connection.close()
        assert service.call("GET", "/v1/tasks?limit=1", token).status == 200

    assert "Traceback" not in service.log
