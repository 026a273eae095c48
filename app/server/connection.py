"""One client's connection: what it has sent, and until when it is waited for."""

import os
import re
import socket
import threading
import time
from contextlib import suppress
from typing import Any

from gunicorn.config import Config
from gunicorn.http import get_parser
from gunicorn.http.body import LengthReader
from gunicorn.http.errors import InvalidChunkSize
from gunicorn.http.unreader import Unreader

# From a request's first byte until it has been received whole.
RECEIVE_SECONDS = 5
# For each piece of an answer to be taken.
SEND_SECONDS = 10
# From the last answer until the client closes too, which tells that it has got it.
LINGER_SECONDS = 2
# More than this of one request is waited for by a thread: clients that send much must not fill the memory.
BUFFERED_BYTES = 128 * 1024
READ_BYTES = 64 * 1024
# Of the line before a chunk; gunicorn's own bound is only for what it waits for itself.
CHUNK_LINE_BYTES = 8190

# Also where lines end with LF alone, for gunicorn to refuse.
_HEAD_END = re.compile(rb"\n\r?\n")
_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
_TIMED_OUT = b"HTTP/1.1 408 Request Timeout\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"


class Connection(Unreader):
    """What gunicorn's parser reads from: memory, and the client itself only for what was too much to be kept there.

    One thread at a time has it. Times are of time.monotonic().
    """

    def __init__(self, sock: socket.socket, peer: Any, cfg: Config) -> None:
        super().__init__()
        # Not `sock`: twice a request gunicorn's parser would set the time-out of what it finds by that name.
        self.client, self.peer, self.server = sock, peer, sock.getsockname()
        # For the parser a peer without an address, so that none may set the scheme or the path's prefix by a header.
        self._parser = get_parser(cfg, sock, ("", 0))
        self._parser.unreader = self
        self._idle_seconds = cfg.keepalive
        # A request whose body is not here yet.
        self._request: Any = None
        # How far the head, and the chunks of the body, have been looked through.
        self._searched = self._chunks_until = 0
        self._is_sending = self._is_closing = False
        # Until when it is waited for the rest of a request. While a thread works, how long is left is kept instead.
        self._due: float | None = None
        self._seconds_left = float(RECEIVE_SECONDS)
        # When it is cut off; None while nobody waits for the client.
        self.deadline: float | None = None
        self.is_whole = True
        # Between looking up a socket's descriptor and shutting it down, it must not become another client's.
        self._ending = threading.Lock()
        self.become_idle(self._idle_seconds)

    @property
    def is_idle(self) -> bool:
        """Whether nothing of a next request is here."""
        return self._due is None and not self._is_closing and self.deadline is not None

    def become_idle(self, seconds: float) -> None:
        """Wait for a request's first byte."""
        self._due, self.deadline = None, time.monotonic() + min(seconds, self._idle_seconds)

    def receive(self) -> bool:
        """Take in what has arrived; False if that was the end."""
        piece = self.client.recv(READ_BYTES, socket.MSG_DONTWAIT)
        if self._is_closing or not piece:
            if self._due is not None and time.monotonic() > self._due:
                with suppress(OSError):
                    self.client.send(_TIMED_OUT, socket.MSG_DONTWAIT)
                raise TimeoutError("a request came too slowly")
            return bool(piece)
        self._keep(piece)
        return True

    def next_request(self, at_end: bool = False) -> Any:
        """A request that is here, or that is too large to wait for without a thread; None if there is none yet."""
        if self._request is None:
            if not self._head_is_here():
                return None
            self._stop_waiting()
            self._request = next(self._parser)
        reader = self._request.body.reader
        with self.buf.getbuffer() as arrived:
            size = arrived.nbytes
        is_sized = isinstance(reader, LengthReader)
        self.is_whole = size >= reader.length if is_sized else self._last_chunk_is_here()
        if not self.is_whole and not at_end and max(size, reader.length if is_sized else 0) <= BUFFERED_BYTES:
            self._wait_for_body()
            return None
        self._stop_waiting()
        request, self._request = self._request, None
        self._searched = self._chunks_until = 0
        return request

    def forget_body(self) -> bool:
        """Pass over what a request's view did not read; False if nobody knows where the next request begins."""
        return self.is_whole and bool(self._parser.finish_body())

    def chunk(self, size_hint: int | None = None) -> bytes:
        """Wait for the client. The time in which nobody reads does not count."""
        began_at = time.monotonic()
        self.deadline = began_at + self._seconds_left
        try:
            return self.client.recv(READ_BYTES)
        finally:
            self._seconds_left -= time.monotonic() - began_at
            self.deadline = None

    def send(self, data: bytes) -> None:
        """Send it all, or raise OSError once the client has not taken it in time."""
        self._is_sending, self.deadline = True, time.monotonic() + SEND_SECONDS
        try:
            self.client.sendall(data)
        finally:
            self._is_sending, self.deadline = False, None

    def say_goodbye(self) -> None:
        """Send no more, and wait for the client to close: to close first could take the last answer from it."""
        self._is_closing, self._due, self.deadline = True, None, time.monotonic() + LINGER_SECONDS
        with suppress(OSError):
            self.client.shutdown(socket.SHUT_WR)

    def cut_off(self) -> None:
        """End what is being waited for. Whoever has the connection, or gets it next, reads its end and closes it."""
        with self._ending, suppress(OSError):
            self.client.shutdown(socket.SHUT_RDWR if self._is_sending else socket.SHUT_RD)

    def close(self) -> None:
        """Close it for good."""
        with self._ending:
            self.client.close()

    def _keep(self, piece: bytes) -> None:
        if self._due is None:
            self._due = self.deadline = time.monotonic() + RECEIVE_SECONDS
        self.buf.seek(0, os.SEEK_END)
        self.buf.write(piece)

    def _head_is_here(self) -> bool:
        with self.buf.getbuffer() as arrived:
            found = _HEAD_END.search(arrived, self._searched) is not None or arrived.nbytes > BUFFERED_BYTES
            self._searched = max(0, arrived.nbytes - 2)
        return found

    def _last_chunk_is_here(self) -> bool:
        """Whether a body in chunks (RFC 9112, section 7.1) has arrived whole, or what gunicorn will refuse as one."""
        with self.buf.getbuffer() as everything:
            arrived = bytes(everything[self._chunks_until :])
        at = 0
        while (end := arrived.find(b"\r\n", at)) >= 0:
            if end - at > CHUNK_LINE_BYTES:
                raise InvalidChunkSize(arrived[at : at + 20])
            try:
                size = int(arrived[at:end].partition(b";")[0], 16)
            except ValueError:
                return True
            if size <= 0:
                return size < 0 or arrived.startswith(b"\r\n", end + 2) or arrived.find(b"\r\n\r\n", end + 2) >= 0
            following = end + 2 + size + 2
            if len(arrived) < following:
                break
            at = following
        self._chunks_until += at
        return False

    def _stop_waiting(self) -> None:
        now = time.monotonic()
        # It has none where it came together with the request before.
        self._due = self._due or now + RECEIVE_SECONDS
        self._seconds_left, self.deadline = self._due - now, None

    def _wait_for_body(self) -> None:
        if self._request._expected_100_continue:
            self._request._expected_100_continue = False
            self.send(_CONTINUE)
        self.deadline = self._due
