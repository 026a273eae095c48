"""gunicorn's gevent worker, with a time limit for every wait that a client can cause.

gunicorn parses requests and writes responses; gevent waits for thousands of clients in one thread. This worker adds
deadlines (connection.py), and sends one response for each request, whatever its body does. If there are too many
connections, it closes the one that has waited longest. On shutdown it loses no accepted request.
"""

import errno
import socket
import time
from functools import lru_cache, partial
from typing import Any

import gevent
from gevent.pool import Pool
from gevent.socket import wait_read
from gunicorn.config import Config
from gunicorn.errors import ConfigError
from gunicorn.http import wsgi
from gunicorn.http.errors import NoMoreData
from gunicorn.workers.ggevent import GeventWorker

from app.server.connection import SEND_BYTES, Connection, Waiting
from app.server.request import Body, Parser, TooSlow, require_host
from app.server.response import Response
from app.server.sharing import sharing
from app.server.sleep import Sleep
from app.turns import SLEEP, give_way

# A stopping worker keeps idle connections this long, because their clients may already be sending a request.
STOP_SECONDS = 2
# How often the worker tells gunicorn that it is alive.
NOTIFY_SECONDS = 0.5
# Pause after a failed accept: without a free descriptor, the next attempt would fail at once.
ACCEPT_AGAIN_SECONDS = 0.1
# New connections accepted before the open ones have their turn: accepted one by one, a new one would wait for many
# turns.
NEW_IN_A_TURN = 64
# How long a worker with more connections than others lets them accept first; the second value is for a full worker.
GIVE_WAY_SECONDS = 0.0005
FULL_GIVE_WAY_SECONDS = 0.05

# One wrapper for all requests, because making it took 5 µs of each.
wsgi.WSGIErrorsWrapper = lru_cache(maxsize=1)(wsgi.WSGIErrorsWrapper)


class Worker(GeventWorker):
    """Serves HTTP/1.1 without TLS, which is left to a proxy in front."""

    _is_quitting = False

    @classmethod
    def check_config(cls, cfg: Config, _log: Any) -> None:
        if cfg.is_ssl:
            raise ConfigError("this service does not support TLS: terminate TLS at a proxy in front of it")

    def run(self) -> None:
        # Every request reads settings; as plain attributes they need no lookup by gunicorn.
        self.cfg.__dict__.update({name: setting.get() for name, setting in self.cfg.settings.items()})
        self._waiting: Waiting = {}
        self._connections = Pool(self.worker_connections)
        sharing.note(self.age, 0)
        for listener in self.sockets:
            listener.setblocking(False)
            # Connections inherit it: a list of 100 tasks is sent in one system call, and no more is buffered.
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BYTES)
        accepting = [gevent.spawn(self._accept, listener) for listener in self.sockets]
        for greenlet in accepting:
            # A worker that can no longer accept exits, so that a new one replaces it.
            greenlet.link_exception(lambda _: self.handle_exit(0, None))
        while self.alive:
            self.notify()
            gevent.sleep(NOTIFY_SECONDS)
        gevent.killall(accepting)
        if not self._is_quitting:
            self._stop()

    def handle_quit(self, _signal: int, _frame: Any) -> None:
        """End without waiting for any client."""
        self._is_quitting, self.alive = True, False

    def _is_stopping(self) -> bool:
        return not self.alive

    def _stop(self) -> None:
        """Finish all accepted connections, also those accepted only by the kernel, which closing would reset."""
        for listener in self.sockets:
            while self._accept_one(listener):
                pass
            listener.close()
        ends_at = time.monotonic() + self.cfg.graceful_timeout
        self._connections.join(STOP_SECONDS)
        for connection in [connection for connection in self._waiting if connection.is_idle]:
            connection.cut_off()
        while self._connections and time.monotonic() < ends_at:
            self.notify()
            self._connections.join(NOTIFY_SECONDS)

    def _accept(self, listener: Any) -> None:
        while True:
            wait_read(listener.fileno())
            if sharing.has_more_than_others(len(self._connections)):
                gevent.sleep(FULL_GIVE_WAY_SECONDS if self._connections.full() else GIVE_WAY_SECONDS)
            for _ in range(NEW_IN_A_TURN):
                if not self._accept_one(listener) or sharing.has_more_than_others(len(self._connections)):
                    break

    def _accept_one(self, listener: Any) -> bool:
        """Accept a new connection; return False if there is none."""
        if self._connections.full():
            self._make_room()
            self._connections.wait_available()
        try:
            client, peer = listener.accept()
        except BlockingIOError:
            return False
        except OSError as error:
            # The client has already gone, or there is no free descriptor.
            self.log.warning("a connection was not accepted: %s", error)
            if error.errno in (errno.EMFILE, errno.ENFILE):
                self._make_room()
            gevent.sleep(ACCEPT_AGAIN_SECONDS)
            return False
        self._connections.spawn(self._serve, client, peer)
        sharing.note(self.age, len(self._connections))
        return True

    def _make_room(self) -> None:
        """Close the connection that has waited longest for its client."""
        if connection := next(iter(self._waiting), None):
            connection.cut_off()

    def _serve(self, client: Any, peer: Any) -> None:
        """Serve one client until it leaves, is too slow, or sends something other than HTTP."""
        connection = Connection(client, self._waiting)
        parser = Parser(self.cfg, client, peer)
        parser.unreader = connection
        try:
            server = client.getsockname()
            while (request := self._next_request(connection, parser)) is not None:
                if not self._respond(connection, parser, request, client, peer, server):
                    break
                # The parser has no more to read of this request.
                parser.mesg = None
                # A client that sends many requests at once must not keep the others waiting.
                give_way()
        except TooSlow:
            connection.say_too_slow()
        except OSError as error:
            self.log.debug("a client has left: %s", error)
        except Exception as error:  # noqa: BLE001 - handle_error() responds to it or logs it.
            # gunicorn's own page answers input that is not HTTP.
            self.handle_error(None, client, peer, error)
        finally:
            connection.close()
            sharing.note(self.age, len(self._connections) - 1)

    def _next_request(self, connection: Connection, parser: Any) -> Any:
        """Return the next request once its head has arrived, or None."""
        connection.expect_request(self.cfg.keepalive if self.alive else STOP_SECONDS)
        try:
            request = next(parser)
        except TimeoutError:
            connection.say_too_slow()
            return None
        except (NoMoreData, StopIteration):
            return None
        require_host(request)
        return request

    def _respond(self, connection: Connection, parser: Any, request: Any, client: Any, peer: Any, server: Any) -> bool:
        """Run the application for one request, and return whether another may follow."""
        response, environ = wsgi.create(request, client, peer, server, self.cfg, Response, (connection, parser))
        environ["wsgi.input"] = Body(request.body)
        environ[SLEEP] = partial(Sleep, client, environ, self._is_stopping)
        self.nr += 1
        if self.nr >= self.max_requests:
            self.alive = False
        if not self.alive:
            response.force_close()
        pieces = self.wsgi(environ, response.start_response)
        try:
            for piece in pieces:
                response.write(piece)
            response.close()
        except Exception as error:
            if not response.has_begun or isinstance(error, OSError):
                raise
            self.log.exception("a response broke off")
            raise ConnectionAbortedError("a response broke off") from error
        finally:
            if hasattr(pieces, "close"):
                pieces.close()
        return not response.should_close()
