"""Applications behind the service's worker that return the request; one reads the body, one does not."""

import json
from collections.abc import Callable, Iterable
from typing import Any


def reading(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    return _echo(environ, start_response, environ["wsgi.input"].read())


def ignoring(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    return _echo(environ, start_response, b"")


def _echo(environ: dict[str, Any], start_response: Callable[..., Any], body: bytes) -> Iterable[bytes]:
    said = json.dumps([environ["REQUEST_METHOD"], environ["RAW_URI"], body.decode("latin-1")]).encode()
    start_response("200 OK", [("Content-Type", "application/json"), ("Content-Length", str(len(said)))])
    return [said]
