"""gunicorn's threaded worker, with deadlines for slow clients: a thread is too dear to wait for a byte a second."""

import socket
from contextlib import suppress
from typing import Any

from gunicorn.workers.gthread import _DEFER, DEFAULT_WORKER_DATA_TIMEOUT, TConn, ThreadWorker

from app.watchdog import Watchdog

# From a request's first byte until it has been received whole.
RECEIVE_SECONDS = 5
# For what is left of a body that was refused unread; gunicorn's own bound begins anew with each byte.
LEFTOVER_SECONDS = 2
# For each piece of the answer.
SEND_SECONDS = 10


def _shut_down(client: socket.socket) -> None:
    with suppress(OSError):  # Closed in this very moment.
        client.shutdown(socket.SHUT_RDWR)


_received = Watchdog("request watchdog", RECEIVE_SECONDS, _shut_down)
_leftovers = Watchdog("leftovers watchdog", LEFTOVER_SECONDS, _shut_down)


class Worker(ThreadWorker):
    """Takes a connection into a thread once there is something to read, and not for longer than the deadlines."""

    def init_process(self) -> None:
        _received.start()
        _leftovers.start()
        super().init_process()

    def handle(self, conn: TConn) -> Any:
        patience = 0 if self.alive else DEFAULT_WORKER_DATA_TIMEOUT
        if not conn.initialized and not conn.wait_for_data(patience):
            return _DEFER
        _received.begin(conn.sock)
        try:
            return super().handle(conn)
        finally:
            _received.end(conn.sock)

    def handle_request(self, req: Any, conn: TConn) -> Any:
        # sendall() takes it for the whole of what it sends, recv() for each piece.
        conn.sock.settimeout(SEND_SECONDS)
        return super().handle_request(req, conn)

    def _keepalive_after(self, conn: TConn, keepalive: bool) -> bool:
        _leftovers.begin(conn.sock)
        try:
            return bool(super()._keepalive_after(conn, keepalive))
        finally:
            _leftovers.end(conn.sock)

    def set_accept_enabled(self, enabled: bool) -> None:
        super().set_accept_enabled(enabled)
        if not enabled and not self.alive:
            self._take_last_connections()

    def _cap_keepalive(self, deadline: float) -> None:
        super()._cap_keepalive(deadline)
        # Nor is a connection waited for on which nothing was sent yet: browsers open some in advance.
        for conn in self.pending_conns:
            conn.timeout = min(conn.timeout, deadline)

    def _take_last_connections(self) -> None:
        """Take whom the kernel has accepted already: they would be reset once nobody listens any more."""
        for listener in self.sockets:
            before = -1
            while before != self.nr_conns:
                before = self.nr_conns
                self.accept(listener)
            listener.close()

    def load_wsgi(self) -> None:
        super().load_wsgi()
        application: Any = self.wsgi

        def answer(environ: dict[str, Any], start_response: Any) -> Any:
            client = environ["gunicorn.socket"]
            # From here on the client is not waited for, but for its body.
            environ["wsgi.input"] = _Body(environ["wsgi.input"], client, _received.end(client))
            return application(environ, start_response)

        self.wsgi: Any = answer


class _Body:
    """A body that must have come before the deadline; the time in which nobody reads does not count."""

    def __init__(self, body: Any, client: socket.socket, spent: float) -> None:
        self._body, self._client, self._spent = body, client, spent

    def read(self, *size: int) -> bytes:
        _received.begin(self._client, self._spent)
        try:
            return bytes(self._body.read(*size))
        finally:
            self._spent = _received.end(self._client) or self._spent

    def __getattr__(self, name: str) -> Any:
        return getattr(self._body, name)
