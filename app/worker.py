"""gunicorn's threaded worker, with deadlines for slow clients: a thread is too dear to wait for a byte a second."""

import socket
from contextlib import suppress
from functools import partial
from typing import Any

from gunicorn.workers.gthread import _DEFER, DEFAULT_WORKER_DATA_TIMEOUT, TConn, ThreadWorker

from app.parsing import RECEIVED
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

    def load_wsgi(self) -> None:
        super().load_wsgi()
        application: Any = self.wsgi

        def answer(environ: dict[str, Any], start_response: Any) -> Any:
            # Whoever reads the body says when it is there.
            environ[RECEIVED] = partial(_received.end, environ["gunicorn.socket"])
            if "CONTENT_LENGTH" not in environ and "HTTP_TRANSFER_ENCODING" not in environ:
                environ[RECEIVED]()
            try:
                return application(environ, start_response)
            finally:
                environ[RECEIVED]()

        self.wsgi: Any = answer
