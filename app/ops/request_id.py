"""One id for each request: the caller's, where it is fit to be logged, else a new one."""

import re

import uuid_utils
from flask import Flask, Response, g, request

HEADER = "X-Request-ID"

# Visible ASCII: it goes into headers and log lines as it is.
_FIT = re.compile(r"[!-~]{1,128}")


def request_id() -> str:
    """This request's id."""
    if "request_id" not in g:
        given = request.headers.get(HEADER, "")
        g.request_id = given if _FIT.fullmatch(given) else str(uuid_utils.uuid7())
    return str(g.request_id)


def init_app(app: Flask) -> None:
    app.after_request(_mark)


def _mark(response: Response) -> Response:
    response.headers[HEADER] = request_id()
    # Tasks are private, and a client must ask before it reuses an answer (RFC 9111, section 5.2.2).
    if response.headers.get("Cache-Control") != "no-store":
        response.headers["Cache-Control"] = "private, no-cache"
    return response
