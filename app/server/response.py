"""Answers as gunicorn writes them, in one piece where they are one."""

import time
from functools import lru_cache
from typing import Any

from gunicorn import util
from gunicorn.config import Config
from gunicorn.http import wsgi

from app.server.connection import Connection


class Response(wsgi.Response):
    """Keeps the head back until the first piece of the body: one packet, and one call of the system."""

    def __init__(self, request: Any, sock: Any, cfg: Config, connection: Connection) -> None:
        super().__init__(request, sock, cfg)
        self.headers_sent = False
        self._connection = connection
        self._unsent = b""

    @property
    def has_begun(self) -> bool:
        """Whether the client has got a part of it already."""
        return bool(self.headers_sent and not self._unsent)

    def should_close(self) -> bool:
        return bool(super().should_close() or self.req.body.failed)

    def default_headers(self) -> list[str]:
        # gunicorn's own makes the date anew each time.
        headers = [
            f"HTTP/{self.req.version[0]}.{self.req.version[1]} {self.status}\r\n",
            f"Server: {self.version}\r\n",
            f"Date: {_http_date(int(time.time()))}\r\n",
            f"Connection: {'close' if self.should_close() else 'keep-alive'}\r\n",
        ]
        return [*headers, "Transfer-Encoding: chunked\r\n"] if self.chunked else headers

    def send_headers(self) -> None:
        if not self.headers_sent:
            self.headers_sent = True
            lines = [*self.default_headers(), *[f"{name}: {value}\r\n" for name, value in self.headers], "\r\n"]
            self._unsent = "".join(lines).encode("latin-1")

    def close(self) -> None:
        self.send_headers()
        self._flush(b"0\r\n\r\n" if self.chunked else b"")

    def _emit_body(self, data: bytes) -> None:
        self._flush(b"%X\r\n%b\r\n" % (len(data), data) if self.chunked else data)

    def _flush(self, data: bytes) -> None:
        data, self._unsent = self._unsent + data, b""
        if data:
            self._connection.send(data)


@lru_cache(maxsize=1)
def _http_date(now: int) -> str:
    return str(util.http_date(now))
