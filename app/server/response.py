"""gunicorn's responses, with the head and a short body sent together."""

import time
from functools import lru_cache
from typing import Any

from gunicorn import util
from gunicorn.config import Config
from gunicorn.http import wsgi
from gunicorn.http.errors import ParseException

from app.server.connection import Connection

# Maximum bytes read of a body that the application ignored, so that the client can reuse the connection.
UNREAD_BYTES = 64 * 1024
UNREAD_SECONDS = 1
# A longer piece is sent separately from the head, because copying 27 MB took 20 ms.
JOINED_BYTES = 64 * 1024


class Response(wsgi.Response):
    """Sends the head together with the first piece of the body: one packet and one system call."""

    def __init__(self, request: Any, client: Any, cfg: Config, connection: Connection, parser: Any) -> None:
        super().__init__(request, client, cfg)
        self.headers_sent = False
        self._connection, self._parser = connection, parser
        self._unsent = b""
        self._closes: bool | None = None

    @property
    def has_begun(self) -> bool:
        """Return whether a part has been sent already."""
        return bool(self.headers_sent and not self._unsent)

    def should_close(self) -> bool:
        """Return whether this is the connection's last response; decided once, before the head is sent."""
        if self._closes is None:
            self._closes = bool(super().should_close()) or not self._body_is_over()
        return self._closes

    def default_headers(self) -> list[str]:
        # gunicorn's own method formats the date each time, and repeats any version that the client sends.
        version = "1.0" if self.req.version < (1, 1) else "1.1"
        headers = [
            f"HTTP/{version} {self.status}\r\n",
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
        head, self._unsent = self._unsent, b""
        if not head and not data:
            return
        if len(data) > JOINED_BYTES:
            self._connection.send(head)
        else:
            data = head + data
        self._connection.send(data)

    def _body_is_over(self) -> bool:
        """Return whether the next request begins here. If not, it cannot be found: a body may look like a request."""
        left = getattr(self.req.body.reader, "length", None)
        if left == 0:
            # Most requests have no body.
            return True
        if left is not None and left > UNREAD_BYTES:
            return False
        self._connection.expect_rest(UNREAD_SECONDS)
        try:
            return bool(self._parser.finish_body(max_bytes=UNREAD_BYTES))
        except (ParseException, OSError):
            return False


@lru_cache(maxsize=1)
def _http_date(now: int) -> str:
    return str(util.http_date(now))
