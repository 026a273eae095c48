"""Send one request to a stranger's server: to a checked address, without redirects, and within a time that is kept.

A library's time-out starts again with each byte, and in gevent's sockets within a TLS handshake. So TLS runs over
buffers here, and each wait for the socket gets what is left of the time.
"""

import email.utils
import http.client
import io
import re
import socket
import ssl
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import closing
from functools import cache, partial
from typing import NamedTuple, TypeVar

from app.webhooks.addresses import NotReachable, Target, addresses_of
from app.webhooks.lookup import SENDING

WHOLE_SECONDS = 15
LOOK_UP_SECONDS = 5
CONNECT_SECONDS = 5
ANSWER_BYTES = 4 * 1024
PIECE_BYTES = 16 * 1024
USER_AGENT = "tasks-api (webhooks)"

T = TypeVar("T")


class Answer(NamedTuple):
    """All that is kept of a receiver's response."""

    status: int
    # Of the header Retry-After, in seconds.
    retry_after: float | None


def post(target: Target, headers: Mapping[str, str], body: bytes, allow_private: bool) -> Answer:
    """Send a request, and return what its receiver said. Raise NotReachable with the reason if it said nothing."""
    ends_at = time.monotonic() + WHOLE_SECONDS
    addresses = addresses_of(target, allow_private, SENDING, LOOK_UP_SECONDS)
    try:
        with closing(_connect(addresses, target.port, ends_at)) as connection:
            stream = _Stream(connection, target, ends_at)
            stream.send(_request(target, headers, body))
            return _read_answer(stream)
    except TimeoutError as error:
        raise NotReachable(f"It took longer than {WHOLE_SECONDS} s.") from error
    except ssl.SSLCertVerificationError as error:
        raise NotReachable(f"Its certificate is not valid: {error.verify_message}.") from error
    except ssl.SSLError as error:
        raise NotReachable("It does not speak TLS as this service does.") from error
    except (http.client.HTTPException, ValueError) as error:
        raise NotReachable("It did not answer in HTTP.") from error
    except OSError as error:
        raise NotReachable(f"The connection failed: {error.strerror or 'it was closed'}.") from error


def _connect(addresses: Iterable[str], port: int, ends_at: float) -> socket.socket:
    """Connect to the first of the addresses that lets us."""
    failure: OSError = TimeoutError()
    for address in addresses:
        try:
            return _connect_to(address, port, ends_at)
        except OSError as error:
            failure = error
    raise failure


def _connect_to(address: str, port: int, ends_at: float) -> socket.socket:
    connection = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET)
    try:
        connection.settimeout(min(CONNECT_SECONDS, _left(ends_at)))
        connection.connect((address, port))
    except OSError:
        connection.close()
        raise
    return connection


def _left(ends_at: float) -> float:
    seconds = ends_at - time.monotonic()
    if seconds <= 0:
        raise TimeoutError
    return seconds


@cache
def _tls() -> ssl.SSLContext:
    return ssl.create_default_context()


class _Stream:
    """A connection, with TLS if the target has it, that ends in time."""

    def __init__(self, connection: socket.socket, target: Target, ends_at: float) -> None:
        self._connection, self._ends_at = connection, ends_at
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls: ssl.SSLObject | None = None
        if target.is_https:
            # The certificate must be one for the name, whatever the address is.
            self._tls = _tls().wrap_bio(self._incoming, self._outgoing, server_hostname=target.host)
            self._run(self._tls.do_handshake)

    def send(self, data: bytes) -> None:
        if self._tls:
            self._run(partial(self._tls.write, data))
            data = self._outgoing.read()
        self._write(data)

    def read(self) -> bytes:
        """Return what has come; nothing at the end."""
        if not self._tls:
            return self._receive()
        try:
            return self._run(partial(self._tls.read, PIECE_BYTES))
        except (ssl.SSLEOFError, ssl.SSLZeroReturnError):
            return b""

    def _run(self, operation: Callable[[], T]) -> T:
        """Run a step of TLS, and pass on what it has to send and to receive for it."""
        while True:
            try:
                return operation()
            except ssl.SSLWantReadError:
                self._write(self._outgoing.read())
                if data := self._receive():
                    self._incoming.write(data)
                else:
                    self._incoming.write_eof()

    def _write(self, data: bytes) -> None:
        rest = memoryview(data)
        while rest:
            self._connection.settimeout(_left(self._ends_at))
            rest = rest[self._connection.send(rest) :]

    def _receive(self) -> bytes:
        self._connection.settimeout(_left(self._ends_at))
        return self._connection.recv(PIECE_BYTES)


def _request(target: Target, headers: Mapping[str, str], body: bytes) -> bytes:
    own = {
        "Host": target.authority,
        "User-Agent": USER_AGENT,
        "Accept": "*/*",
        "Content-Type": "application/json",
        "Content-Length": str(len(body)),
        "Connection": "close",
    }
    lines = [f"POST {target.path} HTTP/1.1", *(f"{name}: {value}" for name, value in {**own, **headers}.items())]
    return "\r\n".join([*lines, "", ""]).encode("ascii") + body


# Responses before the response (RFC 9110, section 15.2).
_INTERIM = re.compile(rb"\A(HTTP/1\.[01] 1[0-9][0-9].*?\r\n\r\n)+", re.DOTALL)


def _is_whole(head: bytes) -> bool:
    return b"\r\n\r\n" in head


class _Buffer(io.BytesIO):
    """What http.client takes for a socket."""

    def makefile(self, *_: object, **__: object) -> "_Buffer":
        return self


def _read_answer(stream: _Stream) -> Answer:
    """Read the head of a response, but not more than so many bytes; the rest is left unread."""
    head, size = b"", 0
    while size < ANSWER_BYTES and not _is_whole(head) and (piece := stream.read()):
        head, size = _INTERIM.sub(b"", head + piece), size + len(piece)
    if not head:
        raise ConnectionError
    response = http.client.HTTPResponse(_Buffer(head[:ANSWER_BYTES]))  # type: ignore[arg-type]
    response.begin()
    return Answer(response.status, _seconds(response.headers.get("Retry-After", "")))


def _seconds(retry_after: str) -> float | None:
    """Return the seconds that a header Retry-After asks for, in either of its forms (RFC 9110, section 10.2.3)."""
    if retry_after.isascii() and retry_after.isdecimal():
        return float(retry_after)
    try:
        return max(0, email.utils.parsedate_to_datetime(retry_after).timestamp() - time.time())
    except ValueError:
        return None
