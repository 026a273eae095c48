"""Headers that a connection's client repeats are parsed once."""

import socket
from collections.abc import Iterator
from typing import Any

import pytest
from gunicorn.config import Config
from gunicorn.http.message import Request

from app.server.connection import Connection
from app.server.request import KEPT_HEAD_BYTES, Parser


class Parsing:
    """A connection's parser, and the headers that it has parsed in full."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.client, self.server = socket.socketpair()
        self._parser = Parser(Config(), self.server, ("127.0.0.1", 80))
        self._parser.unreader = Connection(self.server, {})
        self.parsed: list[bytes] = []
        whole = Request.parse_headers

        def parse(request: Request, data: bytes, from_trailer: bool = False) -> Any:
            self.parsed.append(data)
            return whole(request, data, from_trailer)

        monkeypatch.setattr(Request, "parse_headers", parse)

    def headers(self, *lines: str) -> list[tuple[str, str]]:
        """Return the headers of the next request, which has these lines."""
        self._parser.unreader.expect_request(5)
        self.client.sendall("\r\n".join(["GET / HTTP/1.1", *lines, "", ""]).encode())
        found: list[tuple[str, str]] = next(self._parser).headers
        return found


@pytest.fixture
def parsing(monkeypatch: pytest.MonkeyPatch) -> Iterator[Parsing]:
    made = Parsing(monkeypatch)
    with made.client, made.server:
        yield made


def test_repeated_headers_are_parsed_once(parsing: Parsing) -> None:
    """As long as they stay the same to the byte."""
    first = parsing.headers("Host: a", "X-Tea: green")

    assert parsing.headers("Host: a", "X-Tea: green") == first == [("HOST", "a"), ("X-TEA", "green")]
    assert len(parsing.parsed) == 1
    assert parsing.headers("Host: a", "X-Tea: black") == [("HOST", "a"), ("X-TEA", "black")]
    assert parsing.headers("Host: a", "X-Tea: green") == first
    assert len(parsing.parsed) == 3


def test_a_request_cannot_change_the_headers_of_the_next(parsing: Parsing) -> None:
    """Each has a list of its own."""
    parsing.headers("Host: a").clear()
    assert parsing.headers("Host: a") == [("HOST", "a")]

    parsing.headers("Host: a").append(("X-TEA", "green"))
    assert parsing.headers("Host: a") == [("HOST", "a")]


@pytest.mark.parametrize("line", ["Expect: 100-continue", "EXPECT: 100-Continue"])
def test_expect_is_parsed_each_time(parsing: Parsing, line: str) -> None:
    """Parsing it asks for the interim response."""
    for _ in range(2):
        parsing.headers("Host: a", line)

    assert len(parsing.parsed) == 2


def test_long_headers_are_not_kept(parsing: Parsing) -> None:
    """Idle connections would fill the memory."""
    for spare in (0, 1):
        line = f"X-Tea: {'a' * (KEPT_HEAD_BYTES - len('X-Tea: ') + spare)}"
        assert parsing.headers(line) == parsing.headers(line)

    assert len(parsing.parsed) == 3
