"""WSGI middleware around every request: its id, the headers of every response, and its log line."""

import logging
import re
import time
from collections.abc import Callable, Collection, Iterable
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

import uuid_utils
from flask import Flask, Request, request

from app.settings import Settings
from app.turns import WAITED

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

# Arguments: the request's environment, the response's status line, and the seconds that it took, except for a wait.
Count = Callable[["WSGIEnvironment", str, float], None]

# The id of the request that the current statements belong to.
current_request: ContextVar[str | None] = ContextVar("current_request", default=None)

logger = logging.getLogger("tasks.request")
# It has the handlers of all loggers of the service.
_parent = logging.getLogger("tasks")
MESSAGE = "request"

# Keys of the WSGI environment.
REQUEST_ID = "tasks.request_id"
PROBLEM = "tasks.problem"
REASON = "tasks.reason"
USER = "tasks.user"
REFUSED_ORIGIN = "tasks.refused_origin"

# What a line has where it is known. The address is that of the client, behind trusted proxies too.
_PERHAPS = (
    ("client", "REMOTE_ADDR"),
    ("user", USER),
    ("code", PROBLEM),
    ("reason", REASON),
    ("refused_origin", REFUSED_ORIGIN),
    ("waited", WAITED),
)
REASON_CHARACTERS = 400

# Visible ASCII, because it goes into headers and log lines unchanged.
_FIT = re.compile(r"[!-~]{1,128}")
_NO_STORE = ("Cache-Control", "no-store")
# Tasks are private, and a client must ask before it reuses a response (RFC 9111, section 5.2.2).
_ASK_FIRST = ("Cache-Control", "private, no-cache")
# A browser must not show JSON or a file as a page, whatever a user wrote into it.
_NO_SNIFFING = ("X-Content-Type-Options", "nosniff")
# A cache must keep the responses to each origin apart, and those to no origin (Fetch, section 3.3.6).
_BY_ORIGIN = ("Vary", "Origin")


def init_app(app: Flask, settings: Settings) -> None:
    app.wsgi_app = Requests(app.wsgi_app, settings.cors_origins)  # type: ignore[method-assign]


def set_counter(app: Flask, count: Count) -> None:
    """Call `count` for each response from now on."""
    around = app.wsgi_app
    assert isinstance(around, Requests)
    around.count = count


def request_id() -> str:
    """Return this request's id: the client's if it can be logged safely, otherwise a new one."""
    return str(request.environ[REQUEST_ID])


def note_user(req: Request, user_id: str) -> None:
    """Name the caller in a request's line in the log."""
    req.environ[USER] = user_id


def note_problem(code: str, reason: str | None) -> None:
    """Note the problem's code for this request's log line, and a reason that a client may not know."""
    request.environ[PROBLEM] = code
    if reason:
        request.environ[REASON] = reason[:REASON_CHARACTERS]


class Requests:
    """The middleware. Flask's own hooks for this took as long as reading a task."""

    count: "Count | None" = None

    def __init__(self, app: "WSGIApplication", origins: Collection[str]) -> None:
        self._app = app
        self._origins = frozenset(origins)
        self._always = [_NO_SNIFFING, _BY_ORIGIN] if origins else [_NO_SNIFFING]

    def __call__(self, environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        began_at = time.perf_counter()
        given = environ.get("HTTP_X_REQUEST_ID", "")
        if "HTTP_ORIGIN" in environ:
            self._note_refused_origin(environ)
        environ[REQUEST_ID] = given if _FIT.fullmatch(given) else str(uuid_utils.uuid7())
        # Kept until this thread's next request, because a streamed response still reads.
        current_request.set(environ[REQUEST_ID])

        def start(status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Any:
            if _NO_STORE not in headers:
                headers = [header for header in headers if header[0] != "Cache-Control"]
                headers.append(_ASK_FIRST)
            headers += (*self._always, ("X-Request-ID", environ[REQUEST_ID]))
            seconds = time.perf_counter() - began_at - environ.get(WAITED, 0)
            if self.count is not None:
                self.count(environ, status, seconds)
            if logger.isEnabledFor(logging.INFO):
                _log(environ, status, seconds)
            return start_response(status, headers, exc_info)

        return self._app(environ, start)

    def _note_refused_origin(self, environ: "WSGIEnvironment") -> None:
        """A browser hides from its user which origin may not read a response: the log's line names it."""
        origin = environ["HTTP_ORIGIN"]
        if origin not in self._origins and origin.partition("://")[2] != environ.get("HTTP_HOST"):
            environ[REFUSED_ORIGIN] = origin


def _log(environ: "WSGIEnvironment", status: str, seconds: float) -> None:
    line = {
        "request_id": environ[REQUEST_ID],
        "method": environ["REQUEST_METHOD"],
        "path": environ["PATH_INFO"].encode("latin-1").decode(errors="replace"),
        "status": int(status[:3]),
        "milliseconds": round(seconds * 1000, 1),
    }
    for name, key in _PERHAPS:
        if value := environ.get(key):
            line[name] = value
    if len(_parent.handlers) == 1 and hasattr(handler := _parent.handlers[0], "write_line"):
        handler.write_line(logger.name, MESSAGE, line)
        return
    # Not logger.info(), which would search for the line of code that called it.
    logger.handle(logger.makeRecord(logger.name, logging.INFO, "", 0, MESSAGE, (), None, extra=line))
