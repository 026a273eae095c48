"""gunicorn's worker for this service: a thread has a request only once it has arrived whole.

The threads share one epoll. Whichever is free takes the next connection with something to read, adds it to what came
before, and answers once that is a request; else the connection waits on. So nothing is handed from thread to thread,
and clients that are slow, idle or about to close hold none. Parsing and writing HTTP is gunicorn's.
"""

import os
import select
import socket
import threading
import time
from contextlib import suppress
from typing import Any

from gunicorn.config import Config
from gunicorn.errors import ConfigError
from gunicorn.http import wsgi
from gunicorn.http.errors import NoMoreData, ParseException
from gunicorn.workers import base
from werkzeug.exceptions import BadRequest

from app.server.connection import Connection
from app.server.response import Response

# A stopping worker keeps idle connections for so long: their clients may be sending a request already.
STOP_SECONDS = 2
# How often deadlines are looked at, and gunicorn is told that this worker lives.
LOOK_SECONDS = 0.5

# Without a free descriptor, the next attempt would fail at once.
ACCEPT_AGAIN_SECONDS = 0.1

# How long a worker lets others take a new connection first, for each that it has itself: else one of them, awake
# already, takes all that a client opens at once.
GIVE_WAY_SECONDS = 50e-6
GIVE_WAY_AT_MOST = 10

# After each event a connection is silent until it is asked for again: one thread has it at a time.
ONCE = select.EPOLLIN | select.EPOLLONESHOT


class Worker(base.Worker):
    """Serves HTTP/1.1 without TLS, which a proxy in front ends."""

    @classmethod
    def check_config(cls, cfg: Config, _log: Any) -> None:
        if cfg.is_ssl:
            raise ConfigError("this service speaks no TLS: let a proxy in front of it end it")

    def run(self) -> None:
        # Each is asked for at every request, where gunicorn would look it up anew.
        self.cfg.__dict__.update({name: setting.get() for name, setting in self.cfg.settings.items()})
        self._epoll = select.epoll()
        self._connections: dict[int, Connection] = {}
        self._listeners = {listener.fileno(): listener for listener in self.sockets}
        self._accepting = False
        for listener in self.sockets:
            listener.setblocking(False)
        for number in range(self.cfg.threads):
            threading.Thread(target=self._work, name=f"requests-{number}", daemon=True).start()
        while self.alive and self.ppid == os.getppid():
            self._accept_more(len(self._connections) < self.cfg.worker_connections)
            self._look_after_connections()
        self._stop()

    def _stop(self) -> None:
        """Finish what was accepted, by the kernel too: it would be reset once nobody listens any more."""
        self.alive = False
        self._accept_more(False)
        for listener in self.sockets:
            while self._accept(listener):
                pass
            listener.close()
        for connection in list(self._connections.values()):
            if connection.is_idle:
                connection.become_idle(STOP_SECONDS)
        end = time.monotonic() + self.cfg.graceful_timeout
        while self._connections and time.monotonic() < end:
            self._look_after_connections()

    def _look_after_connections(self) -> None:
        """Cut off whoever was waited for too long; then sleep until it is time again, or a signal comes."""
        self.notify()
        now = time.monotonic()
        for connection in list(self._connections.values()):
            deadline = connection.deadline
            if deadline is not None and now > deadline:
                connection.cut_off()
        # With nothing to do but to stop, it is time sooner.
        ready, _, _ = select.select([self.PIPE[0]], [], [], LOOK_SECONDS if self.alive else LOOK_SECONDS / 10)
        if ready:
            os.read(self.PIPE[0], 1024)

    def _accept_more(self, wanted: bool) -> None:
        if wanted != self._accepting:
            self._accepting = wanted
            for listener in self.sockets:
                if wanted:
                    self._epoll.register(listener, ONCE)
                else:
                    self._epoll.unregister(listener)

    def _work(self) -> None:
        """What each thread does for as long as the process lives."""
        while True:
            for descriptor, _ in self._epoll.poll(maxevents=1):
                try:
                    if descriptor in self._listeners:
                        self._accept_fairly(self._listeners[descriptor])
                    else:
                        self._serve(self._connections[descriptor])
                except Exception:
                    # A thread that ended would be missing from now on.
                    self.log.exception("a connection was lost")

    def _accept_fairly(self, listener: socket.socket) -> None:
        """Take a new connection later the more there are: then the workers get about the same number."""
        if self.cfg.workers > 1:
            time.sleep(GIVE_WAY_SECONDS * min(len(self._connections), GIVE_WAY_AT_MOST))
        if self._accepting:
            self._accept(listener)
            # It may have been taken out meanwhile, or closed.
            with suppress(FileNotFoundError, ValueError):
                self._epoll.modify(listener, ONCE)

    def _accept(self, listener: socket.socket) -> bool:
        """Take a new connection; False if there is none."""
        try:
            client, peer = listener.accept()
        except BlockingIOError:
            return False
        except OSError as error:
            # The client is gone already, or there is no descriptor left for it.
            self.log.warning("a connection was not accepted: %s", error)
            time.sleep(ACCEPT_AGAIN_SECONDS)
            return False
        client.setblocking(True)
        connection = Connection(client, peer, self.cfg)
        if not self.alive:
            connection.become_idle(STOP_SECONDS)
        self._connections[client.fileno()] = connection
        self._epoll.register(client, ONCE)
        return True

    def _serve(self, connection: Connection) -> None:
        """Answer what has arrived; then wait for more, or close."""
        try:
            is_open = connection.receive()
            while (request := connection.next_request(at_end=not is_open)) is not None:
                if not self._answer(connection, request):
                    connection.say_goodbye()
                    break
        except BlockingIOError:
            is_open = True
        except (NoMoreData, StopIteration, OSError) as error:
            self.log.debug("a client has left: %s", error)
            is_open = False
        except Exception as error:  # noqa: BLE001 - it is answered, or logged, by what it is.
            # What is no HTTP gets gunicorn's own page.
            self.handle_error(None, connection.client, connection.peer, error)
            connection.say_goodbye()
        if is_open:
            self._epoll.modify(connection.client, ONCE)
        else:
            del self._connections[connection.client.fileno()]
            connection.close()

    def _answer(self, connection: Connection, request: Any) -> bool:
        """Run the application for one request; whether another one may follow."""
        response, environ = wsgi.create(
            request, connection.client, connection.peer, connection.server, self.cfg, Response, (connection,)
        )
        environ["wsgi.multithread"] = self.cfg.threads > 1
        environ["wsgi.input"] = _Body(request.body)
        self.nr += 1
        if self.nr >= self.max_requests:
            self.alive = False
        if not (self.alive and connection.is_whole):
            response.force_close()
        pieces = self.wsgi(environ, response.start_response)
        try:
            for piece in pieces:
                response.write(piece)
            response.close()
        except Exception as error:
            if not response.has_begun or isinstance(error, OSError):
                raise
            self.log.exception("an answer broke off")
            raise ConnectionAbortedError("an answer broke off") from error
        finally:
            if hasattr(pieces, "close"):
                pieces.close()
        if response.should_close() or not connection.forget_body():
            return False
        connection.become_idle(self.cfg.keepalive if self.alive else STOP_SECONDS)
        return True


class _Body:
    """A request's body, whose faults are the client's."""

    def __init__(self, body: Any) -> None:
        self._body = body

    def read(self, *size: int) -> bytes:
        try:
            return bytes(self._body.read(*size))
        except (ParseException, OSError) as error:
            raise BadRequest from error

    def __getattr__(self, name: str) -> Any:
        return getattr(self._body, name)
