"""gunicorn's own collection of valid and invalid requests, over real sockets: each gets exactly one response."""

import contextlib
import http.client
import importlib.metadata
import json
import random
import re
import socket
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from gunicorn.config import Config

from tests.process.conftest import BIN, Service, free_port, starting
from tests.waiting import LONGEST_WAIT_SECONDS

CLOSING = b"GET /closing HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
PAIRS = 400


class Request(NamedTuple):
    """One file; if it is valid, with method and path of each request in it."""

    name: str
    data: bytes
    expected: list[list[str]] | None


class Response(NamedTuple):
    status: int
    closes: bool
    # Method, path and body of the request that reached the application, or None.
    seen: list[str] | None


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> list[Request]:
    """Return the files from the source distribution of the installed version."""
    folder = tmp_path_factory.mktemp("corpus")
    wanted = f"gunicorn=={importlib.metadata.version('gunicorn')}"
    download = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--no-binary", ":all:", wanted]
    done = subprocess.run([*download, "--dest", folder], capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"no source distribution of gunicorn can be had: {done.stderr[-200:]}")
    [archive] = folder.glob("*.tar.gz")
    with tarfile.open(archive) as files:
        files.extractall(folder, filter="data")
    [requests] = folder.glob("*/tests/requests")
    found = [_read(path) for path in sorted(requests.glob("*/*.http")) if not _needs_other_limits(path)]
    assert len(found) > 100
    return found


def _needs_other_limits(path: Path) -> bool:
    """Return whether a file is invalid only under settings that this service does not have."""
    return path.parent.name == "invalid" and "cfg.set(" in path.with_suffix(".py").read_text()


def _read(path: Path) -> Request:
    text = path.read_bytes().replace(b"\n", b"").replace(b"\\r\\n", b"\r\n")
    text = text.replace(b"\\0", b"\0").replace(b"\\n", b"\n").replace(b"\\t", b"\t")
    data = re.sub(rb"\\x([0-9A-Fa-f]{2})", lambda match: bytes.fromhex(match[1].decode()), text)
    if path.parent.name == "invalid":
        return Request(f"invalid/{path.stem}", data, None)
    names: dict[str, Any] = {"cfg": Config(), "uri": lambda raw: raw}
    exec(path.with_suffix(".py").read_text(), names)
    listed = names["request"] if isinstance(names["request"], list) else [names["request"]]
    return Request(f"valid/{path.stem}", data, [[request["method"], request["uri"]] for request in listed])


@pytest.fixture(scope="module", params=["reading", "ignoring"])
def service(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """An application that reads bodies and one that does not, behind the service's own worker."""
    port = free_port()
    options = ["--config", "/dev/null", "--worker-class", "app.server.worker.Worker", "--no-control-socket"]
    command = [str(BIN / "gunicorn"), *options, "--bind", f"127.0.0.1:{port}", f"tests.process.echo:{request.param}"]
    with starting(tmp_path_factory.mktemp("echo")) as start:
        yield start(*command, port=port)


def exchange(service: Service, data: bytes, bytewise: bool = False) -> list[Response]:
    """Send only this, and return all responses until the end."""
    with contextlib.closing(socket.create_connection(("127.0.0.1", service.port), LONGEST_WAIT_SECONDS)) as client:
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with contextlib.suppress(OSError):
            for piece in [data[at : at + 1] for at in range(len(data))] if bytewise else [data]:
                client.sendall(piece)
            client.shutdown(socket.SHUT_WR)
        with client.makefile("rb") as stream:
            return list(_responses(stream))


def _responses(stream: Any) -> Iterator[Response]:
    while line := stream.readline():
        status = int(line.split()[1])
        headers = http.client.parse_headers(stream)
        body = stream.read(int(headers.get("Content-Length", 0)))
        if status == 100:
            continue
        seen = json.loads(body) if status == 200 and body else None
        yield Response(status, headers.get("Connection", "").lower() == "close", seen)


def faults(sent: list[Request], responses: list[Response]) -> str | None:
    """Return the wrong responses to these files, one after the other."""
    if any(response.closes for response in responses[:-1]):
        return "something was done after Connection: close"
    if any(response.status >= 400 for response in responses[:-1]):
        return "something was done after a request that is not HTTP"
    expected: list[list[str]] = []
    for request in sent:
        if request.expected is None:
            # At most one response of any kind, because the request's end is unknown.
            return None if len(responses) <= len(expected) + 1 else "a second response to an invalid request"
        expected += request.expected
    if len(responses) > len(expected):
        return "more responses than requests"
    seen = [response.seen[:2] for response in responses if response.seen]
    return None if seen == expected[: len(seen)] else "a request reached the application that was not sent"


@pytest.mark.parametrize("bytewise", [False, True], ids=["whole", "byte by byte"])
def test_each_request_of_the_corpus_has_one_response(service: Service, corpus: list[Request], bytewise: bool) -> None:
    """An invalid one never gets two, such as the view's own and one for its body."""
    found = {}
    for request in corpus:
        responses = exchange(service, request.data, bytewise)
        if fault := faults([request], responses):
            found[request.name] = (fault, responses)

    assert found == {}


def test_two_requests_in_sequence_have_one_response_each(service: Service, corpus: list[Request]) -> None:
    """A request's body is never read as a request, and nothing is done after an invalid request."""
    found, chosen = {}, random.Random(7)
    for _ in range(PAIRS):
        pair = chosen.choices(corpus, k=2)
        responses = exchange(service, b"".join(request.data for request in pair))
        if fault := faults(pair, responses):
            found[" ".join(request.name for request in pair)] = (fault, responses)

    assert found == {}


def test_nothing_is_done_after_a_request_with_connection_close(service: Service, corpus: list[Request]) -> None:
    """RFC 9112, section 9.6: pipelined requests after it are discarded."""
    first = Request("closing", CLOSING, [["GET", "/closing"]])

    for request in corpus:
        [response] = exchange(service, CLOSING + request.data)
        assert (response.status, response.closes, faults([first], [response])) == (200, True, None), request.name
