"""A front end that publishes its keys over HTTP, as Better Auth's `jwt` plugin does, with real faults."""

import json
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

from tests.auth.tokens import Key, claims_of, new_key
from tests.waiting import LONGEST_WAIT_SECONDS

PATH = "/api/auth/jwks"

Answering = Callable[["Issuer", BaseHTTPRequestHandler], None]


class Issuer:
    """Serves a JWK Set on loopback. `answering` says how; `keys` are the members of the set."""

    def __init__(self, *keys: Key) -> None:
        self.keys: list[Any] = []
        self.signing = keys[0] if keys else new_key()
        self.publish(*(keys or (self.signing,)))
        self.answering: Answering = answer_keys
        self.requests: list[dict[str, str]] = []
        self.asked, self.released = threading.Event(), threading.Event()
        self.server = _Server(("127.0.0.1", 0), self._handler())
        self.origin = f"http://127.0.0.1:{self.server.server_port}"
        self.url = self.origin + PATH
        self._thread = threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True)
        self._thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def publish(self, *keys: Key) -> None:
        """Publish exactly these keys from now on."""
        self.keys = [key.jwk() for key in keys]

    def rotate(self) -> Key:
        """Sign with a new key, and publish it next to the old ones."""
        self.signing = new_key()
        self.keys = [*self.keys, self.signing.jwk()]
        return self.signing

    def withdraw(self, key: Key) -> None:
        self.keys = [jwk for jwk in self.keys if jwk["kid"] != key.kid]

    def token(self, key: Key | None = None, **changes: Any) -> str:
        """Return a token as Better Auth signs it."""
        return (key or self.signing).sign(claims_of("published", self.origin, **changes))

    def close(self) -> None:
        """Stop, so that connections are refused."""
        self.released.set()
        self.server.shutdown()
        self._thread.join()
        self.server.server_close()

    @property
    def document(self) -> bytes:
        return json.dumps({"keys": self.keys}).encode()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        issuer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                issuer.requests.append({"path": self.path, **self.headers})
                issuer.asked.set()
                # One response for each connection.
                self.close_connection = True
                issuer.answering(issuer, self)

            def log_message(self, *_: object) -> None:
                """Log nothing."""

        return Handler


class _Server(ThreadingHTTPServer):
    def handle_error(self, *_: object) -> None:
        """The service has closed the connection, as it should on some of these responses."""


def send(handler: BaseHTTPRequestHandler, status: int, body: bytes, **headers: str) -> None:
    handler.send_response(status)
    for name, value in {"Content-Length": str(len(body)), "Content-Type": "application/json", **headers}.items():
        handler.send_header(name, value)
    handler.end_headers()
    handler.wfile.write(body)


def answer_keys(issuer: Issuer, handler: BaseHTTPRequestHandler) -> None:
    send(handler, 200, issuer.document)


def answer_when_released(issuer: Issuer, handler: BaseHTTPRequestHandler) -> None:
    """Send nothing until the test says so."""
    issuer.released.wait(LONGEST_WAIT_SECONDS)
    answer_keys(issuer, handler)


def answer_with(status: int, body: bytes = b"", **headers: str) -> Answering:
    return lambda _issuer, handler: send(handler, status, body, **headers)


def answer_elsewhere(issuer: Issuer, handler: BaseHTTPRequestHandler) -> None:
    """Redirect to a place that has the keys."""
    if handler.path == PATH:
        send(handler, 302, b"", Location="/moved")
    else:
        answer_keys(issuer, handler)


def drip(*beginning: bytes, endless: bytes) -> Answering:
    """Send the beginning at once, and then a little at a time without end."""

    def answer(issuer: Issuer, handler: BaseHTTPRequestHandler) -> None:
        with suppress(OSError):
            handler.wfile.write(b"".join(beginning))
            while not issuer.released.wait(0.02):
                handler.wfile.write(endless)

    return answer


class Clock:
    """The `time` of a tested module, which a test can advance."""

    def __init__(self) -> None:
        self.passed = 0.0

    def __getattr__(self, name: str) -> Any:
        return getattr(time, name)

    def monotonic(self) -> float:
        return time.monotonic() + self.passed

    def let_pass(self, seconds: float) -> None:
        self.passed += seconds
