"""HTTP over sockets: in pieces, byte by byte, pipelined, broken or incomplete."""

import contextlib
import http.client
import json
import socket
import sqlite3
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from email.message import Message
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import pytest

from app.settings import PROJECT
from tests.conftest import migrate, new_user_id, settings_for, shared_token
from tests.process.conftest import Service, Start, starting
from tests.waiting import LONGEST_WAIT_SECONDS

THREADS = 2
# The kernel's states of a connection that the server has closed and the client has not.
FIN_WAIT = ("04", "05")

TASK = b'{"title": "tea"}'
CHUNK = b"10\r\n" + TASK + b"\r\n"
CHUNKED = CHUNK + b"0\r\n\r\n"
BROKEN = {
    "size is no number": b"zz\r\n" + TASK + b"\r\n0\r\n\r\n",
    "negative size": b"-5\r\n" + TASK + b"\r\n0\r\n\r\n",
    "no line end after a chunk": CHUNK[:-2] + b"0\r\n\r\n",
    "70 kB of size": b"0" * 70_000 + CHUNKED,
    "70 kB of extension": b"10;" + b"a" * 70_000 + CHUNKED[2:],
    "trailer without a colon": CHUNKED[:-2] + b"no trailer\r\n\r\n",
}
CUT_SHORT = {
    "in a chunk": CHUNK[:10],
    "behind a chunk": CHUNK[:-2],
    "before the last chunk": CHUNK,
    "in the last chunk": CHUNK + b"0\r\n",
    "in a size": b"1",
    "before all chunks": b"",
}
LOGIN = b"POST /v1/auth/login HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n"
PARTS_OF_A_REQUEST = [
    b"G",
    b"GET /healthz HT",
    b"GET /healthz HTTP/1.1\r\nHost: a\r\n",
    LOGIN + b"Content-Length: 99\r\n\r\n{",
    LOGIN + b"Transfer-Encoding: chunked\r\n\r\n10\r\n{",
]


class Answer(NamedTuple):
    status: int
    headers: Message
    body: bytes


class Client:
    """A connection to the service."""

    def __init__(self, sock: socket.socket) -> None:
        self.socket = sock
        self.stream: BinaryIO = sock.makefile("rb")

    def send(self, *pieces: bytes) -> "Client":
        """Send each piece in its own packet, after the one before has been read."""
        for number, piece in enumerate(pieces):
            if number:
                time.sleep(0.1)
            self.socket.sendall(piece)
        return self

    def end(self) -> "Client":
        """Send no more, and go on reading."""
        self.socket.shutdown(socket.SHUT_WR)
        return self

    def answer(self, has_body: bool = True) -> Answer:
        """Read the next response."""
        _, status, _ = self.stream.readline().split(maxsplit=2)
        headers = http.client.parse_headers(self.stream)
        return Answer(int(status), headers, self.stream.read(int(headers.get("Content-Length", 0)) * has_body))

    def is_closed(self) -> bool:
        """Wait for the end, and return whether nothing came before it."""
        return self.stream.read() == b""


@contextmanager
def connected(service: Service) -> Iterator[Client]:
    with contextlib.closing(socket.create_connection(("127.0.0.1", service.port), LONGEST_WAIT_SECONDS)) as sock:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        client = Client(sock)
        with client.stream:
            yield client


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """One worker for all tests of this file."""
    folder = tmp_path_factory.mktemp("http")
    url = f"sqlite:///{folder / 'tasks.db'}"
    migrate(url)
    with starting(folder) as start:
        yield start(**settings_for(url, THREADS=str(THREADS)))


@pytest.fixture
def client(service: Service) -> Iterator[Client]:
    with connected(service) as client:
        yield client


@pytest.fixture
def token() -> str:
    return shared_token(new_user_id())


def titles(service: Service, token: str) -> list[str]:
    answer = service.call("GET", "/v1/tasks", token)
    assert answer.status == 200
    return [task["title"] for task in answer.body["items"]]


def head(method: str, path: str, token: str | None = None, **headers: Any) -> bytes:
    """Return a request up to its body."""
    lines = [f"{method} {path} HTTP/1.1", "Host: a"]
    if token:
        lines += [f"Authorization: Bearer {token}", "Content-Type: application/json"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode()


def chunked(token: str, body: bytes = CHUNKED) -> bytes:
    return head("POST", "/v1/tasks", token, Transfer_Encoding="chunked") + body


def sized(token: str, body: bytes = TASK, **headers: Any) -> bytes:
    return head("POST", "/v1/tasks", token, Content_Length=len(TASK), **headers) + body


def test_a_chunked_body_is_read(service: Service, client: Client, token: str) -> None:
    """Chunks of any size, with an extension and a trailer."""
    chunks = b'1\r\n{\r\n0f;a=b\r\n"title": "tea"}\r\n0\r\nX-Sum: 1\r\n\r\n'

    assert client.send(chunked(token, chunks)).answer().status == 201
    assert titles(service, token) == ["tea"]


@pytest.mark.parametrize("body", BROKEN.values(), ids=list(BROKEN))
def test_a_broken_chunked_body_is_a_bad_request(service: Service, client: Client, token: str, body: bytes) -> None:
    """No task is created, and nothing after it is read as a request."""
    client.send(chunked(token, body))

    assert client.answer().status == 400
    assert client.is_closed()
    assert titles(service, token) == []


@pytest.mark.parametrize("body", CUT_SHORT.values(), ids=list(CUT_SHORT))
def test_a_truncated_chunked_body_is_a_bad_request(service: Service, client: Client, token: str, body: bytes) -> None:
    """Even if the JSON is complete, because the last chunk is missing."""
    client.send(chunked(token, body)).end()

    assert client.answer().status == 400
    assert client.is_closed()
    assert titles(service, token) == []


@pytest.mark.parametrize(
    "body", [BROKEN["size is no number"], CUT_SHORT["behind a chunk"]], ids=["broken", "cut short"]
)
def test_an_unused_chunked_body_must_be_whole(service: Service, client: Client, token: str, body: bytes) -> None:
    """A request that is cut short deletes nothing."""
    task = service.call("POST", "/v1/tasks", token, {"title": "tea"}).body
    client.send(head("DELETE", f"/v1/tasks/{task['id']}", token, Transfer_Encoding="chunked") + body).end()

    assert client.answer().status == 400
    assert client.is_closed()
    assert titles(service, token) == ["tea"]


def test_a_truncated_sized_body_is_a_bad_request(service: Service, client: Client, token: str) -> None:
    """Like a chunked one."""
    client.send(sized(token, TASK[:-1])).end()

    assert client.answer().status == 400
    assert client.is_closed()
    assert titles(service, token) == []


@pytest.mark.parametrize(
    ("request_head", "status"),
    [
        (b"GET /v1/tasks HTTP/0\r\n\r\n", 400),
        (head("GET", f"/v1/tasks?q={'x' * 9_000}"), 414),
        (head("POST", "/v1/tasks", Content_Length=1, Expect="tea"), 417),
        (head("GET", "/v1/tasks", X_Long="x" * 9_000), 431),
        (head("POST", "/v1/tasks", Transfer_Encoding="tea"), 501),
    ],
    ids=["no HTTP", "long path", "expectation", "long header", "unknown coding"],
)
def test_the_servers_own_rejections_are_documented(client: Client, request_head: bytes, status: int) -> None:
    """They have a page that the API's description mentions once for all operations."""
    answer = client.send(request_head).answer()
    document = json.loads((PROJECT / "docs" / "openapi.json").read_text())

    assert (answer.status, answer.headers["Content-Type"]) == (status, "text/html")
    assert f"| {status} |" in document["info"]["description"]


def test_a_half_closed_connection_gets_its_response(service: Service, client: Client, token: str) -> None:
    """A client may close its side after its last request."""
    client.send(chunked(token) + sized(token)).end()

    assert [client.answer().status, client.answer().status] == [201, 201]
    assert client.is_closed()
    assert titles(service, token) == ["tea", "tea"]


def test_an_incomplete_request_times_out(service: Service) -> None:
    """408 and the end, wherever it stopped. Others are served meanwhile."""
    with ExitStack() as stack:
        clients = [stack.enter_context(connected(service)).send(part) for part in PARTS_OF_A_REQUEST]
        assert service.call("GET", "/healthz").status == 200

        assert [client.answer().status for client in clients] == [408] * len(clients)
        assert [client.is_closed() for client in clients] == [True] * len(clients)


def still_held(service: Service) -> int:
    """Return the number of clients that got their last response and have not closed."""
    lines = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    # A connection that the service has closed has no inode.
    of_service = [line for line in lines if line[1].endswith(f":{service.port:04X}") and line[3] in FIN_WAIT]
    return sum(line[9] != "0" for line in of_service)


def test_clients_that_never_close_do_not_delay_others(service: Service) -> None:
    """Although the service waits for more of them than it has threads."""
    with ExitStack() as stack:
        for _ in range(30):
            client = stack.enter_context(connected(service)).send(head("GET", "/healthz", Connection="close"))
            assert client.answer().status == 200
            assert client.is_closed()
        assert service.call("GET", "/healthz").status == 200

        assert still_held(service) > THREADS


@pytest.mark.parametrize(
    "sent",
    [
        [head("GET", "/healthz"), head("GET", "/nothing")],
        [head("GET", "/nothing"), head("GET", "/healthz"), head("GET", "/nothing")],
        [chunked("{token}"), sized("{token}"), head("GET", "/healthz")],
        [sized("{token}"), chunked("{token}"), head("GET", "/nothing")],
        [sized("{token}"), chunked("{token}"), sized("{token}")],
    ],
    ids=["two", "three", "chunked first", "chunked second", "a body at the end"],
)
@pytest.mark.parametrize("packets", ["one packet", "a packet each"])
def test_pipelined_requests_are_answered_in_order(client: Client, token: str, sent: list[bytes], packets: str) -> None:
    """In any packets."""
    requests = [request.replace(b"{token}", token.encode()) for request in sent]
    client.send(*([b"".join(requests)] if packets == "one packet" else requests))

    expected = [{b"/healthz": 200, b"/nothing": 404}.get(request.split()[1], 201) for request in requests]
    assert [client.answer().status for _ in requests] == expected


def test_a_request_may_come_with_the_beginning_of_the_next(client: Client, token: str) -> None:
    """The first gets its response before the second has arrived."""
    for first, status in ((sized(token), 201), (chunked(token), 201), (head("GET", "/v1/tasks", token), 200)):
        client.send(first + b"GET /healthz HTTP/1.1\r\n")
        assert client.answer().status == status
        client.send(b"Host: a\r\n\r\n")
        assert json.loads(client.answer().body) == {"status": "ok"}


@pytest.mark.parametrize("first", [1, 15, 40, -30])
def test_a_request_in_three_pieces_is_answered(service: Service, client: Client, token: str, first: int) -> None:
    """Wherever it is split. The connection can be used again."""
    for request in (sized(token), chunked(token)):
        client.send(request[:first], request[first:-1], request[-1:])
        assert client.answer().status == 201

    assert titles(service, token) == ["tea", "tea"]


@pytest.mark.parametrize("is_chunked", [False, True], ids=["sized", "chunked"])
def test_a_client_that_expects_100_continue_gets_it(client: Client, token: str, is_chunked: bool) -> None:
    """Once, before it sends the body (RFC 9110, section 10.1.1)."""
    framing = {"Transfer_Encoding": "chunked"} if is_chunked else {"Content_Length": len(TASK)}
    client.send(head("POST", "/v1/tasks", token, Expect="100-continue", **framing))
    assert client.answer().status == 100

    client.send(CHUNKED if is_chunked else TASK)

    assert client.answer().status == 201


def test_a_client_that_repeats_its_headers_gets_100_continue_each_time(client: Client, token: str) -> None:
    """Although equal headers are parsed only once."""
    for _ in range(3):
        client.send(head("POST", "/v1/tasks", token, Expect="100-continue", Content_Length=len(TASK)))
        assert client.answer().status == 100
        assert client.send(TASK).answer().status == 201


def test_each_request_of_a_connection_has_its_own_headers(service: Service, client: Client) -> None:
    """A proxy sends those of many users: repeated, changed by a letter, longer, shorter, invalid."""
    users = [new_user_id() for _ in range(2)]
    tokens = [shared_token(user) for user in users]
    for user, of_user in zip(users, tokens, strict=True):
        client.send(head("POST", f"/api/{user}/tasks", of_user, Content_Length=len(TASK)) + TASK)
        assert client.answer().status == 201
    turns = [0, 0, 1, 1, 0, 1]
    client.send(*[b"".join(head("GET", f"/api/{users[turn]}/tasks", tokens[turn]) for turn in turns)])
    assert [json.loads(client.answer().body)[0]["user_id"] for _ in turns] == [users[turn] for turn in turns]

    for changed, status in ((tokens[0], 403), (tokens[1], 200), (tokens[1][:-1], 401), (tokens[1], 200), ("", 401)):
        assert client.send(head("GET", f"/api/{users[1]}/tasks", changed)).answer().status == status
    # The same headers with another body, in another framing, and a trailer with the name of a header.
    trailer = CHUNKED[:-2] + b"X-Request-ID: trailer\r\n\r\n"
    post = head("POST", "/v1/tasks", tokens[1], X_Request_ID="mine", Transfer_Encoding="chunked")
    for body in (CHUNKED, trailer, CHUNKED):
        answer = client.send(post + body).answer()
        assert (answer.status, answer.headers["X-Request-ID"]) == (201, "mine")


@pytest.mark.parametrize("path", ["/healthz", "/v1/tasks", "/nothing"])
def test_a_response_to_head_has_no_body(client: Client, token: str, path: str) -> None:
    """Its length is that of GET's body, and the next response follows directly."""
    client.send(head("HEAD", path, token) + head("GET", path, token))
    to_head, to_get = client.answer(has_body=False), client.answer()

    assert to_head.status == to_get.status
    assert to_head.headers["Content-Length"] == to_get.headers["Content-Length"] == str(len(to_get.body))
    assert int(to_head.headers["Content-Length"]) > 0


@pytest.mark.parametrize("version", ["1.1", "1.9"])
def test_a_response_has_the_services_http_version(client: Client, version: str) -> None:
    """RFC 9110, section 6.2: whatever minor version the client uses."""
    client.send(f"GET /healthz HTTP/{version}\r\nHost: a\r\n\r\n".encode())

    assert client.stream.readline() == b"HTTP/1.1 200 OK\r\n"


@pytest.mark.parametrize(
    "host", ["", "Host: a b\r\n", "Host: a/b\r\n", "Host: [::1\r\n", "Host: a:80x\r\n", "Host: u@a\r\n"]
)
def test_a_request_without_a_valid_host_is_a_bad_request(client: Client, host: str) -> None:
    """RFC 9112, section 3.2."""
    client.send(f"GET /healthz HTTP/1.1\r\n{host}\r\n".encode())

    assert client.answer().status == 400
    assert client.is_closed()


@pytest.mark.parametrize("host", ["a.example", "127.0.0.1:8000", "[::1]:8000", "[::1]", "xn--mnchen-3ya.example:", ""])
def test_a_valid_host_is_accepted(client: Client, host: str) -> None:
    """A name or an address, with or without a port, or an empty value (RFC 9110, section 7.2)."""
    client.send(f"GET /healthz HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())

    assert client.answer().status == 200


def test_a_connection_stays_usable_after_an_unread_body(client: Client) -> None:
    """So a rejected request costs a browser no new connection."""
    refused = b"POST /v1/tasks HTTP/1.1\r\nHost: a\r\nContent-Length: 16\r\n\r\n" + TASK

    for _ in range(3):
        assert client.send(refused).answer().status == 401
    assert client.send(head("GET", "/healthz")).answer().status == 200


@pytest.mark.parametrize("framing", ["Content-Length: 200000", "Transfer-Encoding: chunked"])
def test_a_rejected_body_is_never_read_as_a_request(service: Service, client: Client, token: str, framing: str) -> None:
    """It contains what looks like one. The connection ends after the one response."""
    client.send(f"POST /v1/tasks HTTP/1.1\r\nHost: a\r\n{framing}\r\n\r\n".encode(), sized(token))

    assert client.answer().status == 401
    assert client.is_closed()
    assert titles(service, token) == []


def test_no_header_changes_the_path(serve: Start, sqlite_url: str, token: str) -> None:
    """Even if gunicorn trusts everybody's forwarded addresses."""
    service = serve(sqlite_url, FORWARDED_ALLOW_IPS="*")
    with connected(service) as client:
        client.send(sized(token).replace(b"Host: a", b"Host: a\r\nSCRIPT_NAME: /v1\r\nPATH_INFO: /healthz"))
        answer = client.answer()

    assert (answer.status, answer.headers["Location"][:10]) == (201, "/v1/tasks/")


def test_a_stopped_service_leaves_one_complete_sqlite_file(serve: Start, sqlite_url: str, token: str) -> None:
    """So a copy of that file alone has every task."""
    service = serve(sqlite_url)
    with connected(service) as client:
        assert client.send(sized(token)).answer().status == 201
    assert service.stop() == 0

    file = Path(sqlite_url.removeprefix("sqlite:///"))
    assert [path.name for path in file.parent.glob(f"{file.name}*")] == [file.name]
    with contextlib.closing(sqlite3.connect(f"file:{file}?immutable=1", uri=True)) as connection:
        assert connection.execute("SELECT title FROM tasks").fetchall() == [("tea",)]
