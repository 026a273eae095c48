"""Read bodies and queries strictly, so that a typo is never taken for a success."""

import hashlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import islice
from tempfile import SpooledTemporaryFile
from typing import IO, Any, Literal

from flask import Request, g
from marshmallow import Schema, ValidationError, fields

from app.http import strict_json
from app.http.problems import BadRequest, Errors, MalformedJson, PayloadTooLarge, UnsupportedMediaType, ValidationFailed

BODY_BYTES = 128 * 1024
BATCH_BYTES = 1024 * 1024
PIECE_BYTES = 1024 * 1024
# A large body full of mistakes must not cause an even larger response.
ERRORS_SHOWN = 1_000


JSON = ("application/json",)
# RFC 7396: a patch is what these operations take anyway. RFC 5789, section 2.2: 415 names both.
PATCHES = (*JSON, "application/merge-patch+json")

Location = Literal["json", "batch", "optional_json", "query"]


def load(schema: Schema, location: Location, req: Request) -> Any:
    """Return the body or query as the schema loads it; the schema rejects unknown names."""
    try:
        return schema.load(_READ[location](req, schema))
    except ValidationError as error:
        raise refused(error) from error


def refused(error: ValidationError) -> ValidationFailed:
    """Turn a schema's error into a problem for the client."""
    return ValidationFailed(errors=dict(islice(_flat(error.messages_dict), ERRORS_SHOWN)))


def _read_json(req: Request, _schema: Schema) -> Any:
    require_json(req)
    return _parse(read_body(req, BODY_BYTES))


def _read_batch(req: Request, _schema: Schema) -> Any:
    require_json(req)
    return _parse(read_body(req, BATCH_BYTES))


def _read_optional_json(req: Request, schema: Schema) -> Any:
    """Read a body that may be missing; without one, ignore its Content-Type."""
    if not read_body(req, BODY_BYTES):
        return {}
    require_json(req)
    return _parse(g.body)


def _read_query(req: Request, schema: Schema) -> dict[str, Any]:
    g.query_is_read = True
    return {name: _one_or_list(name, values, schema) for name, values in req.args.lists()}


_READ: dict[Location, Callable[[Request, Schema], Any]] = {
    "json": _read_json,
    "batch": _read_batch,
    "optional_json": _read_optional_json,
    "query": _read_query,
}


def _one_or_list(name: str, values: list[str], schema: Schema) -> str | list[str]:
    if isinstance(schema.fields.get(name), fields.List):
        return values
    if len(values) > 1:
        raise ValidationError({name: ["Give this parameter once."]})
    return values[0]


def refuse_unread(req: Request) -> None:
    """Reject query parameters that the operation does not take, and an unused body that is cut short."""
    environ = req.environ
    if environ["QUERY_STRING"] and "query_is_read" not in g:
        unknown: Errors = {name: ["Unknown parameter."] for name in islice(req.args, ERRORS_SHOWN)}
        raise ValidationFailed(errors=unknown)
    if ("CONTENT_LENGTH" in environ or "HTTP_TRANSFER_ENCODING" in environ) and "body" not in g:
        read_body(req, BODY_BYTES)


def require_json(req: Request) -> None:
    """Raise UnsupportedMediaType unless the body is JSON, or what else this method takes, and not compressed."""
    kind = req.environ.get("CONTENT_TYPE", "").partition(";")[0].strip().lower()
    taken = PATCHES if req.method == "PATCH" else JSON
    if kind not in taken or is_compressed(req):
        raise UnsupportedMediaType(headers={"Accept-Patch": ", ".join(PATCHES)} if taken is PATCHES else None)


def is_compressed(req: Request) -> bool:
    return bool(req.environ.get("HTTP_CONTENT_ENCODING", "identity") != "identity")


def read_body(req: Request, limit: int) -> bytes:
    """Return the whole body of at most `limit` bytes, with or without a Content-Length, and keep it in `g.body`.

    Werkzeug's own limit does not apply to chunked bodies, and it accepts a body that is cut short.
    """
    body = g.body = b"".join(_pieces(req, limit))
    return body


@contextmanager
def spooled_body(req: Request, limit: int) -> Iterator[IO[bytes]]:
    """Open the whole body of at most `limit` bytes as a file, with one piece in memory; keep its hash in `g.body`."""
    digest = hashlib.sha256()
    with SpooledTemporaryFile(PIECE_BYTES) as file:
        for piece in _pieces(req, limit):
            file.write(piece)
            digest.update(piece)
        file.seek(0)
        g.body = digest.digest()
        yield file


def _pieces(req: Request, limit: int) -> Iterator[bytes]:
    announced = req.content_length or 0
    received, rest = 0, limit + 1 if "HTTP_TRANSFER_ENCODING" in req.environ else announced
    while rest and announced <= limit and (piece := req.stream.read(min(rest, PIECE_BYTES))):
        received, rest = received + len(piece), rest - len(piece)
        yield piece
    if max(announced, received) > limit:
        raise PayloadTooLarge(f"Send a body of at most {limit} bytes.")
    if received < announced:
        raise BadRequest("The body ended before its Content-Length. Send it whole.")


def _parse(body: bytes) -> Any:
    try:
        return strict_json.loads(body)
    except strict_json.NotJson as error:
        raise MalformedJson(f"The body is not one JSON text: {error}.") from error


def _flat(messages: dict[str, Any], path: str = "") -> Iterator[tuple[str, list[str]]]:
    """Flatten marshmallow's nested messages (field → index → field) to field path → messages."""
    for name, inner in messages.items():
        # `_schema` is about the whole object.
        here = path or "body" if name == "_schema" else f"{path}.{name}".lstrip(".")
        if isinstance(inner, dict):
            yield from _flat(inner, here)
        else:
            yield here, list(inner)
