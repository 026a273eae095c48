"""RFC 9457 errors: this module makes every error body of the service."""

import logging
from typing import Any, ClassVar
from urllib.parse import unquote_to_bytes

import orjson
from flask import Flask, Response, request
from werkzeug.exceptions import HTTPException

from app.http.requests import note_problem, request_id

CONTENT_TYPE = "application/problem+json"
ERRORS_PAGE = "/docs/errors"

logger = logging.getLogger("tasks.problems")

Errors = dict[str, list[str]]


class Problem(Exception):
    """An outcome that is not a success. A subclass is one `code`; its docstring says when it happens."""

    status: ClassVar[int]
    code: ClassVar[str]
    title: ClassVar[str]
    # The next step for the client. Never a stack trace, SQL, a token, or whether another user's data exists.
    detail: str
    # What only the log says: more than a client may know.
    reason: str | None = None

    def __init__(
        self, detail: str | None = None, *, errors: Errors | None = None, headers: dict[str, str] | None = None
    ) -> None:
        super().__init__(detail or self.detail)
        self.detail = detail or self.detail
        self.errors = errors
        self.headers = headers or {}

    def at(self, path: str) -> "Problem":
        """Return the same problem, blamed on one part of the request."""
        errors = {f"{path}.{name}": messages for name, messages in (self.errors or {}).items()}
        return type(self)(self.detail, errors=errors or {path: [self.detail]}, headers=self.headers)

    def response(self) -> Response:
        note_problem(self.code, self.reason)
        body: dict[str, Any] = {
            "type": f"{ERRORS_PAGE}#{self.code}",
            "title": self.title,
            "status": self.status,
            "detail": self.detail,
            "code": self.code,
            "request_id": request_id(),
        }
        if self.errors:
            body["errors"] = self.errors
        return Response(orjson.dumps(body), self.status, self.headers, content_type=CONTENT_TYPE)


class BadRequest(Problem):
    """The request is not valid HTTP, or not in a form that this service can read."""

    status, code, title = 400, "bad_request", "Bad request"
    detail = "The request could not be read. Check that it was sent whole and is well-formed HTTP."


class MalformedJson(Problem):
    """The body is not exactly one JSON text: empty, cut short, trailing data, duplicate keys, NaN or deep nesting."""

    status, code, title = 400, "malformed_json", "The body is not valid JSON"
    detail = "Send exactly one JSON text (RFC 8259), in UTF-8."


class NotFound(Problem):
    """There is nothing at this path, or it is not yours."""

    status, code, title = 404, "not_found", "Not found"
    detail = "There is nothing here. Check the path, and that the id is yours."


class MethodNotAllowed(Problem):
    """The path exists, but does not support this method. `Allow` lists the methods that it supports."""

    status, code, title = 405, "method_not_allowed", "Method not allowed"
    detail = "This path does not support this method. Use one that the Allow header lists."


class LimitReached(Problem):
    """You have as many of these as there can be: 500 lists, 500 subtasks of one task, 50 personal
    tokens that are valid, or 10 webhooks.
    """

    status, code, title = 409, "limit_reached", "There can be no more"
    detail = "Delete one first."


class PayloadTooLarge(Problem):
    """The body is larger than this operation allows."""

    status, code, title = 413, "payload_too_large", "The body is too large"
    detail = "Send a smaller body."


class UnsupportedMediaType(Problem):
    """The body is not declared as JSON, or a file is not declared as one of its formats."""

    status, code, title = 415, "unsupported_media_type", "The media type is not supported"
    detail = "Send the body as JSON, not compressed, with the header Content-Type: application/json."


class ValidationFailed(Problem):
    """The body or the query is not valid for this operation. `errors` lists each mistake."""

    status, code, title = 422, "validation_error", "The request is not valid"
    detail = "Correct the fields listed in `errors` and send the request again."


class InternalError(Problem):
    """The service failed. Its log has the reason under the request id."""

    status, code, title = 500, "internal_error", "The service failed"
    detail = "This is an error in the service. Report it with the request id."


class DatabaseUnavailable(Problem):
    """The database does not respond, or cannot serve the request now. A write may or may not have been saved."""

    status, code, title = 503, "database_unavailable", "The database is unavailable"
    detail = "Try again after the seconds in Retry-After. Repeat a write with If-Match or the same Idempotency-Key."

    def __init__(self, detail: str | None = None) -> None:
        super().__init__(detail, headers={"Retry-After": "2"})


class ServiceBusy(Problem):
    """As many requests wait for changes as this process can keep."""

    status, code, title = 503, "service_busy", "The service is busy"
    detail = "Try again after the seconds in Retry-After, or without `wait`."

    def __init__(self, seconds: int) -> None:
        super().__init__(headers={"Retry-After": str(seconds)})


_BY_STATUS: dict[int, type[Problem]] = {
    problem.status: problem for problem in (NotFound, MethodNotAllowed, PayloadTooLarge, UnsupportedMediaType)
}


def catalogue() -> list[type[Problem]]:
    """Return all problem classes, sorted by status and then by code."""
    found, rest = [], [Problem]
    while rest:
        children = rest.pop().__subclasses__()
        found += [child for child in children if "code" in vars(child)]
        rest += children
    return sorted(found, key=lambda problem: (problem.status, problem.code))


def init_app(app: Flask) -> None:
    app.before_request(_refuse_other_spellings)
    app.register_error_handler(Problem, Problem.response)
    app.register_error_handler(HTTPException, _answer_http_exception)
    app.register_error_handler(Exception, _answer_unexpected)


def _refuse_other_spellings() -> None:
    """Reject other spellings of a path: Werkzeug reads //v1/tasks as /v1/tasks, and redirects an empty path."""
    environ = request.environ
    path, query = environ["PATH_INFO"], environ["QUERY_STRING"]
    if path.startswith("//") or not path:
        raise NotFound
    try:
        if query:
            unquote_to_bytes(query.encode("latin-1").decode()).decode()
    except UnicodeDecodeError as error:
        raise BadRequest("The query is not UTF-8. Percent-encode it.") from error


def _answer_http_exception(error: HTTPException) -> Response:
    """Answer Werkzeug's errors (routing, framing) as problems, with their headers (`Allow`)."""
    headers = {name: value for name, value in error.get_headers() if name != "Content-Type"}
    return _BY_STATUS.get(error.code or 400, BadRequest)(headers=headers).response()


def _answer_unexpected(error: Exception) -> Response:
    logger.exception("unexpected %s", type(error).__name__, exc_info=error, extra={"request_id": request_id()})
    return InternalError().response()
