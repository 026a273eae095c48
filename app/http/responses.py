"""The responses that views make: encoded JSON, or no body."""

from collections.abc import Iterable
from typing import Any

import orjson
from flask import Response


def json_response(body: Any, status: int = 200) -> Response:
    """Return a JSON response. Times must be text already, because orjson leaves out zero microseconds."""
    return PlainResponse(orjson.dumps(body), status, content_type="application/json")


class PlainResponse(Response):
    """A response with a known length, sent without Werkzeug's last pass over its headers."""

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        start_response(self.status, list(self.headers))
        return () if environ["REQUEST_METHOD"] == "HEAD" else self.response  # type: ignore[return-value]


def empty_response(status: int = 204) -> Response:
    """Return a response without a body."""
    response = Response(status=status)
    del response.headers["Content-Type"]
    return response
