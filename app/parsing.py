"""How bodies and queries are read: strictly, so that a typo never passes for success."""

from collections.abc import Iterator
from itertools import islice
from typing import Any, NoReturn

from flask import Request, g
from marshmallow import Schema, ValidationError, fields
from webargs.flaskparser import FlaskParser

from app import strict_json
from app.problems import BadRequest, Errors, MalformedJson, PayloadTooLarge, UnsupportedMediaType, ValidationFailed

BODY_BYTES = 128 * 1024
# A body of nothing but mistakes is not answered with a longer one.
ERRORS_SHOWN = 1_000


class StrictParser(FlaskParser):
    """Reads JSON bodies and queries for a schema, which refuses unknown names."""

    DEFAULT_UNKNOWN_BY_LOCATION: dict[str, str | None] = {}
    __location_map__: dict[str, Any] = {
        "json": "load_json",
        "optional_json": "load_optional_json",
        "query": "load_querystring",
    }

    def load_json(self, req: Request, schema: Schema) -> Any:
        if req.mimetype != "application/json":
            raise UnsupportedMediaType
        g.body = read_body(req, BODY_BYTES)
        return _parse(g.body)

    def load_optional_json(self, req: Request, schema: Schema) -> Any:
        """A body that may be missing; then its Content-Type does not matter."""
        body = read_body(req, BODY_BYTES)
        if not body:
            return {}
        if req.mimetype != "application/json":
            raise UnsupportedMediaType
        return _parse(body)

    def load_querystring(self, req: Request, schema: Schema) -> dict[str, Any]:
        g.query_is_read = True
        return {name: self._one_or_list(name, values, schema) for name, values in req.args.lists()}

    @staticmethod
    def _one_or_list(name: str, values: list[str], schema: Schema) -> str | list[str]:
        if isinstance(schema.fields.get(name), fields.List):
            return values
        if len(values) > 1:
            raise ValidationError({name: ["Give this parameter once."]})
        return values[0]

    def handle_error(self, error: ValidationError, *args: Any, **kwargs: Any) -> NoReturn:
        # webargs puts the messages under the name of their location.
        (messages,) = error.messages_dict.values()
        raise ValidationFailed(errors=dict(islice(_flat(messages), ERRORS_SHOWN))) from error


def refuse_unread_query(req: Request) -> None:
    """An operation that takes no query parameters refuses any."""
    if req.query_string and "query_is_read" not in g:
        unknown: Errors = {name: ["Unknown parameter."] for name in islice(req.args, ERRORS_SHOWN)}
        raise ValidationFailed(errors=unknown)


def read_body(req: Request, limit: int) -> bytes:
    """The whole body, at most `limit` bytes, whether or not its length was announced.

    Werkzeug's own limit does not hold for chunked bodies, and it takes a body that is cut short.
    """
    announced = req.content_length
    if announced is not None and announced > limit:
        raise PayloadTooLarge(f"Send a body of at most {limit} bytes.")
    chunks, size = [], 0
    while size <= limit and (chunk := req.stream.read(limit + 1 - size)):
        chunks.append(chunk)
        size += len(chunk)
    if size > limit:
        raise PayloadTooLarge(f"Send a body of at most {limit} bytes.")
    if announced is not None and size < announced:
        raise BadRequest("The body ended before its Content-Length. Send it whole.")
    return b"".join(chunks)


def _parse(body: bytes) -> Any:
    try:
        return strict_json.loads(body)
    except strict_json.NotJson as error:
        raise MalformedJson(f"The body is not one JSON text: {error}.") from error


def _flat(messages: dict[str, Any], path: str = "") -> Iterator[tuple[str, list[str]]]:
    """Marshmallow's nested messages (field → index → field) as field path → messages."""
    for name, inner in messages.items():
        # `_schema` is about the whole.
        here = path or "body" if name == "_schema" else f"{path}.{name}".lstrip(".")
        if isinstance(inner, dict):
            yield from _flat(inner, here)
        else:
            yield here, list(inner)
