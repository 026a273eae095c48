"""gunicorn's requests: which headers count, and whose fault a bad body is."""

import re
from typing import Any

from gunicorn.http.errors import InvalidHeader, ParseException
from gunicorn.http.message import Request
from gunicorn.http.parser import RequestParser
from werkzeug.exceptions import BadRequest

# A longer head is not kept for comparison with the next one: two thousand clients that wait must not fill the memory.
KEPT_HEAD_BYTES = 4 * 1024

# RFC 9110, section 7.2, and RFC 3986, section 3.2: a name, an IPv4 address or a bracketed one, and an optional port.
_HOST = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._~!$&'()*+,;=%-]*)(:[0-9]*)?")


class _Request(Request):
    """A request whose headers cannot change its scheme or path."""

    def _peer_is_trusted_proxy(self) -> bool:
        return False

    def parse_headers(self, data: bytes, from_trailer: bool = False) -> list[tuple[str, str]]:
        """Parse the headers, unless the connection's last request had exactly the same."""
        connection = self.unreader
        if data == connection.last_head and not from_trailer:
            return list(connection.last_headers)
        headers: list[tuple[str, str]] = super().parse_headers(data, from_trailer)
        # Parsing Expect has an effect, which must be repeated.
        if not from_trailer and not self._expected_100_continue and len(data) <= KEPT_HEAD_BYTES:
            connection.last_head, connection.last_headers = data, list(headers)
        return headers


class Parser(RequestParser):
    mesg_class = _Request


class TooSlow(BaseException):
    """A body did not arrive in time. The application does not catch it, like gevent's own time-out."""


class Body:
    """A request's body, whose errors are the client's fault."""

    def __init__(self, body: Any) -> None:
        self._body = body

    def read(self, *size: int) -> bytes:
        try:
            return bytes(self._body.read(*size))
        except TimeoutError as error:
            raise TooSlow from error
        except (ParseException, OSError) as error:
            raise BadRequest from error

    def __getattr__(self, name: str) -> Any:
        return getattr(self._body, name)


def require_host(request: Any) -> None:
    """Raise InvalidHeader if Host is missing or invalid, because RFC 9112, section 3.2, demands 400."""
    host = next((value for name, value in request.headers if name == "HOST"), None)
    if (host is None and request.version >= (1, 1)) or (host is not None and not _HOST.fullmatch(host)):
        raise InvalidHeader("HOST")
