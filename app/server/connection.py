"""A client's connection, with time limits for receiving requests and sending responses."""

import socket
import time
from contextlib import suppress
from typing import Any

from gunicorn.http.unreader import SocketUnreader

from app.turns import Deadline, give_way

# Time limit from a request's first byte to its last, plus a second for each RECEIVE_RATE_BYTES received.
RECEIVE_SECONDS = 5
RECEIVE_RATE_BYTES = 32 * 1024
# Time limit for the client to accept each SEND_BYTES of a response.
SEND_SECONDS = 10
SEND_BYTES = 256 * 1024
# Time limit after the last response for the client to close, which shows that it has received it.
LINGER_SECONDS = 2
# Maximum bytes read before others have a turn: this much in chunks of one byte takes some 3 ms.
READ_BYTES = 4 * 1024

_TIMED_OUT = b"HTTP/1.1 408 Request Timeout\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"

# All connections that wait for their client, longest wait first.
Waiting = dict["Connection", None]


class Connection(SocketUnreader):
    """gunicorn's parser reads from this, and responses write to it. Times are by time.monotonic()."""

    def __init__(self, client: Any, waiting: Waiting) -> None:
        super().__init__(client)
        self._waiting = waiting
        self._idle_seconds = 0.0
        # The time of a request's first byte; None until then.
        self._began_at: float | None = None
        # Deadline for the rest of the request, and the number of bytes received.
        self._ends_at = 0.0
        self._received = 0
        # Whether the client has stopped sending; then there is no need to shut down our side first.
        self._is_over = False
        # A client mostly repeats its headers; for the parser, they and what it made of them.
        self.last_head: bytes | None = None
        self.last_headers: list[tuple[str, str]] = []

    @property
    def is_idle(self) -> bool:
        """Return whether it waits for a request that has not begun."""
        return self._began_at is None and self in self._waiting

    def expect_request(self, seconds: float) -> None:
        """Set the time limits of the next request: `seconds` for the first byte, then the usual limit for the rest."""
        self._idle_seconds, self._received = seconds, 0
        # Part of it may have arrived with the previous request.
        self._began_at = None
        if self.buf.tell():
            self._begin()

    def expect_rest(self, seconds: float) -> None:
        """Wait at most `seconds` more for the rest of the request."""
        self._ends_at = min(self._ends_at, time.monotonic() + seconds)

    def chunk(self, size_hint: int | None = None) -> bytes:
        """Return the next piece, empty at the end; raise TimeoutError if the client is too slow."""
        if self._began_at is None:
            piece = self._receive(self._idle_seconds)
            self._begin()
        else:
            # A client that sends without pause never makes us wait, so give the others a turn.
            give_way()
            piece = self._receive(self._ends_at + self._received / RECEIVE_RATE_BYTES - time.monotonic())
        self._received += len(piece)
        return piece

    def send(self, data: bytes) -> None:
        """Send all the data; raise TimeoutError if the client does not accept it."""
        try:
            # Most responses are short and sent at once.
            sent = self.sock.send(data, 0, 0.0)
        except BlockingIOError:
            sent = 0
        for start in range(sent, len(data), SEND_BYTES):
            self._waiting[self] = None
            try:
                with Deadline(SEND_SECONDS, TimeoutError):
                    self.sock.sendall(memoryview(data)[start : start + SEND_BYTES])
            finally:
                del self._waiting[self]

    def say_too_slow(self) -> None:
        """Send 408 if a request has begun but did not arrive in time."""
        if self._began_at is not None:
            with suppress(OSError):
                self.send(_TIMED_OUT)

    def close(self) -> None:
        """Close after the client has received the last response: if data is unread, the kernel would drop it."""
        with suppress(OSError):
            ends_at = time.monotonic() + LINGER_SECONDS
            if not self._is_over:
                self.sock.shutdown(socket.SHUT_WR)
            while not self._is_over:
                self._receive(ends_at - time.monotonic())
                give_way()
        self.sock.close()

    def cut_off(self) -> None:
        """End every wait for this client at once."""
        self._is_over = True
        with suppress(OSError):
            self.sock.shutdown(socket.SHUT_RDWR)

    def _begin(self) -> None:
        self._began_at = time.monotonic()
        self._ends_at = self._began_at + RECEIVE_SECONDS

    def _receive(self, seconds: float) -> bytes:
        if seconds <= 0:
            raise TimeoutError("the client is too slow")
        self._waiting[self] = None
        try:
            with Deadline(seconds, TimeoutError):
                piece: bytes = self.sock.recv(READ_BYTES)
        finally:
            del self._waiting[self]
        self._is_over = not piece
        return piece
