"""Around every request, as WSGI: its id, the headers that every answer has, and its line in the log."""

import logging
import re
import time
from collections.abc import Callable, Iterable
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

import uuid_utils
from flask import Flask, request

from app.settings import Settings

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

# Of an answer: the environment of its request, its status line, and the seconds that it took.
Count = Callable[["WSGIEnvironment", str, float], None]

# The id of the request that statements are sent for.
current_request: ContextVar[str | None] = ContextVar("current_request", default=None)

logger = logging.getLogger("tasks.request")

# Keys of the WSGI environment.
REQUEST_ID = "tasks.request_id"
PROBLEM = "tasks.problem"

# Visible ASCII: it goes into headers and log lines as it is.
_FIT = re.compile(r"[!-~]{1,128}")
_NO_STORE = ("Cache-Control", "no-store")
# Tasks are private, and a client must ask before it reuses an answer (RFC 9111, section 5.2.2).
_ASK_FIRST = ("Cache-Control", "private, no-cache")
# No browser takes JSON or a file for a page, whatever a user wrote into it.
_NO_SNIFFING = ("X-Content-Type-Options", "nosniff")
# A cache must keep the answers to each origin apart, and those to none (Fetch, section 3.3.6).
_BY_ORIGIN = ("Vary", "Origin")


def init_app(app: Flask, settings: Settings) -> None:
    app.wsgi_app = Requests(app.wsgi_app, depends_on_origin=bool(settings.cors_origins))  # type: ignore[method-assign]


def tell(app: Flask, count: Count) -> None:
    """From now on, have each answer counted."""
    around = app.wsgi_app
    assert isinstance(around, Requests)
    around.count = count


def request_id() -> str:
    """This request's id: the caller's, where it is fit to be logged, else a new one."""
    return str(request.environ[REQUEST_ID])


def note_problem(code: str) -> None:
    """Have the log's line of this request say how it failed."""
    request.environ[PROBLEM] = code


class Requests:
    """Outside of Flask, whose own hooks for this took as long as reading a task."""

    count: "Count | None" = None

    def __init__(self, app: "WSGIApplication", depends_on_origin: bool) -> None:
        self._app = app
        self._always = [_NO_SNIFFING, _BY_ORIGIN] if depends_on_origin else [_NO_SNIFFING]

    def __call__(self, environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        began_at = time.perf_counter()
        given = environ.get("HTTP_X_REQUEST_ID", "")
        environ[REQUEST_ID] = given if _FIT.fullmatch(given) else str(uuid_utils.uuid7())
        # Until this thread's next request: an answer that is streamed goes on reading.
        current_request.set(environ[REQUEST_ID])

        def start(status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Any:
            if _NO_STORE not in headers:
                headers = [header for header in headers if header[0] != "Cache-Control"]
                headers.append(_ASK_FIRST)
            headers += (*self._always, ("X-Request-ID", environ[REQUEST_ID]))
            if self.count is not None:
                self.count(environ, status, time.perf_counter() - began_at)
            if logger.isEnabledFor(logging.INFO):
                _log(environ, status, began_at)
            return start_response(status, headers, exc_info)

        return self._app(environ, start)


def _log(environ: "WSGIEnvironment", status: str, began_at: float) -> None:
    line = {
        "request_id": environ[REQUEST_ID],
        "method": environ["REQUEST_METHOD"],
        "path": environ["PATH_INFO"].encode("latin-1").decode(errors="replace"),
        "status": int(status[:3]),
        "milliseconds": round((time.perf_counter() - began_at) * 1000, 1),
    }
    if PROBLEM in environ:
        line["code"] = environ[PROBLEM]
    # Not logger.info(), which would look for the line of code that called it.
    logger.handle(logger.makeRecord(logger.name, logging.INFO, "", 0, "request", (), None, extra=line))
