"""One client's connection: how long the service waits for what it sends, and for it to take what it is sent."""

import socket
import time
from contextlib import suppress
from typing import Any

from gunicorn.http.unreader import SocketUnreader

from app.turns import Deadline, give_way

# From a request's first byte until it has arrived whole; a second more for each so many bytes that have come.
RECEIVE_SECONDS = 5
RECEIVE_RATE_BYTES = 32 * 1024
# For each so many bytes of a response to be taken.
SEND_SECONDS = 10
SEND_BYTES = 256 * 1024
# From the last response until the client closes too, which tells that it has got it.
LINGER_SECONDS = 2
# No more is read at a time, then others have a turn: to read as much in chunks of one byte takes some 3 ms.
READ_BYTES = 4 * 1024

_TIMED_OUT = b"HTTP/1.1 408 Request Timeout\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"

# All connections that wait for their client, the one that has waited longest first.
Waiting = dict["Connection", None]


class Connection(SocketUnreader):
    """What gunicorn's parser reads from, and its responses write to. Times are of time.monotonic()."""

    def __init__(self, client: Any, waiting: Waiting) -> None:
        super().__init__(client)
        self._waiting = waiting
        self._idle_seconds = 0.0
        # When the first byte of a request came; None until then.
        self._began_at: float | None = None
        # Until when the rest must have come, and how many bytes have.
        self._ends_at = 0.0
        self._received = 0
        # Whether the client sends nothing more: it need not be told that the service does not, either.
        self._is_over = False

    @property
    def is_idle(self) -> bool:
        """Whether it waits for a request of which nothing is here."""
        return self._began_at is None and self in self._waiting

    def expect_request(self, seconds: float) -> None:
        """Wait so long for a request's first byte, and then for the rest as long as a request may take."""
        self._idle_seconds, self._received = seconds, 0
        # Part of it may have come together with the request before.
        self._began_at = None
        if self.buf.tell():
            self._begin()

    def expect_rest(self, seconds: float) -> None:
        """Wait no longer than that for what is left of the request."""
        self._ends_at = min(self._ends_at, time.monotonic() + seconds)

    def chunk(self, size_hint: int | None = None) -> bytes:
        """Wait for the next piece; empty at the end. TimeoutError where the client is too slow."""
        if self._began_at is None:
            piece = self._receive(self._idle_seconds)
            self._begin()
        else:
            # A client that sends without pause is not waited for: let the others have their turn.
            give_way()
            piece = self._receive(self._ends_at + self._received / RECEIVE_RATE_BYTES - time.monotonic())
        self._received += len(piece)
        return piece

    def send(self, data: bytes) -> None:
        """Send it all; TimeoutError where the client does not take it."""
        try:
            # Most of them are short, and gone at once.
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
        """Answer a request that has begun and did not arrive in time."""
        if self._began_at is not None:
            with suppress(OSError):
                self.send(_TIMED_OUT)

    def close(self) -> None:
        """Wait until the client has got the last answer: closed with something unread, the kernel would drop it."""
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
