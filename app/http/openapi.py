"""The OpenAPI document: the parts about the whole service, every header and every error."""

import threading
from collections.abc import Callable
from functools import partial
from typing import Any

import flask_smorest
from apispec import APISpec
from flask import Flask, Response
from marshmallow import Schema, fields, missing
from marshmallow.validate import OneOf
from werkzeug.routing import UUIDConverter

from app.http.documents import Document
from app.http.fields import EXAMPLE_ID, OneOfSchemas, Text
from app.http.parsing import ERRORS_SHOWN
from app.http.problems import (
    CONTENT_TYPE,
    ERRORS_PAGE,
    BadRequest,
    InternalError,
    MalformedJson,
    MethodNotAllowed,
    PayloadTooLarge,
    Problem,
    UnsupportedMediaType,
    ValidationFailed,
    catalogue,
)

VERSION = "1.0.0"
# The server's own rejections are described only here. If each operation listed them, a generated client would have to
# treat the body of every error as optional.
DESCRIPTION = """Tasks for many users. Each user sees only their own.

Every error of an operation is `application/problem+json`. The server rejects requests that are not HTTP, too long or
too slow before any operation runs. Its response is a `text/html` page or empty, so use the status:

| status | why |
| --- | --- |
| 400 | The request is not HTTP. |
| 408 | The request did not arrive in time. |
| 414 | Method, path and query are longer than 8190 bytes. |
| 417 | `Expect` asks for something other than `100-continue`. |
| 431 | A header is longer than 8190 bytes, or there are more than 100. |
| 501 | `Transfer-Encoding` names something other than `chunked`. |
"""

OPENAPI = {
    "API_TITLE": "Tasks API",
    "API_VERSION": VERSION,
    "OPENAPI_VERSION": "3.1.0",
    "OPENAPI_URL_PREFIX": "/",
    "API_SPEC_OPTIONS": {
        "info": {
            "description": DESCRIPTION,
            "license": {"name": "MIT", "identifier": "MIT"},
        },
        # x-internal tells tools that sort APIs by audience that this one is public.
        "servers": [{"url": "/", "x-internal": False}],
    },
}

BEARER = "bearer"
BEARER_SCHEME = {
    "type": "http",
    "scheme": "bearer",
    "bearerFormat": "JWT",
    "description": "A signed JWT, verified as RFC8725 recommends: the issuer determines the algorithm, not the token. "
    "Or a personal token (`tasks_pat_…`), for scripts. Its scopes say what it may do: `tasks:read` sees tasks and "
    "lists, `tasks:write` changes them too.",
}
ALWAYS = (BadRequest, PayloadTooLarge, ValidationFailed, InternalError)
WITH_BODY = (MalformedJson, UnsupportedMediaType)

# The meaning of each, and a pattern that its value matches.
HEADERS = {
    "X-Request-ID": ("The id of this request: the one that the client sent, or a new one.", "^[!-~]{1,128}$"),
    "Cache-Control": (
        "`private, no-cache`, or `no-store` if the response contains a token.",
        "^(private, no-cache|no-store)$",
    ),
    "X-Content-Type-Options": ("Browsers must use the Content-Type as given.", "^nosniff$"),
    "Vary": ("`Origin`, if CORS_ORIGINS is set.", "^Origin$"),
    "Access-Control-Allow-Origin": ("The caller's origin, if CORS_ORIGINS lists it.", "^https?://"),
    "Content-Disposition": ("The name of the file.", '^attachment; filename="[a-z.]+"$'),
    "ETag": ("The version of what is shown.", '^"[0-9]+"$'),
    "Idempotent-Replay": (
        "`true` if this repeats the response to an earlier request with the same Idempotency-Key.",
        "^true$",
    ),
    "Location": ("The path of the new resource.", "^/"),
    "Link": ('The next page, as `<path>; rel="next"`; absent on the last page.', '^</.+>; rel="next"$'),
    "X-Total-Count": ("The number of tasks on all pages.", "^[0-9]+$"),
    "WWW-Authenticate": ("Why the token was rejected, or which scope it needs (RFC 6750).", "^Bearer "),
    "Accept-Patch": ("The media types that PATCH takes; absent for other methods.", "^application/"),
    "Allow": ("The methods that this path supports.", "^[A-Z, ]+$"),
    "Retry-After": ("Seconds to wait before trying again.", "^[0-9]+$"),
}
# gunicorn's limit for a whole line: name, colon, space, value, line end.
HEADER_LINE_BYTES = 8190
# The characters of a header's value (RFC 9110, section 5.5).
FIELD_VALUE = {"pattern": r"^[\t -~\x80-\xff]*$"}
REQUEST_HEADERS: dict[str, tuple[str, dict[str, Any]]] = {
    "If-Match": ("Act only if the task still has one of these ETags; otherwise 412.", FIELD_VALUE),
    "If-None-Match": ("If the task has one of these ETags, a read returns 304 and a write returns 412.", FIELD_VALUE),
    "Idempotency-Key": (
        "1 to 255 visible ASCII characters. The request runs once; repeats get the same response for 24 hours.",
        {"pattern": "^[!-~]+$", "minLength": 1, "maxLength": 255},
    ),
}
ON_EVERY_ANSWER = ("X-Request-ID", "Cache-Control", "X-Content-Type-Options", "Vary", "Access-Control-Allow-Origin")
ON_STATUS = {
    401: ("WWW-Authenticate",),
    403: ("WWW-Authenticate",),
    415: ("Accept-Patch",),
    429: ("Retry-After",),
    503: ("Retry-After",),
}


class ProblemDetails(Schema):
    """The body of every error (RFC 9457)."""

    type = Text(
        1,
        100,
        required=True,
        metadata={
            "pattern": "^/docs/errors#[a-z_]+$",
            "description": "The page that explains this code.",
            "example": "/docs/errors#not_found",
        },
    )
    title = Text(1, 100, required=True)
    status = fields.Integer(required=True, metadata={"minimum": 400, "maximum": 599, "format": "int32"})
    detail = Text(1, 1_000, required=True, metadata={"description": "What to do next."})
    code = Text(
        1, 50, required=True, metadata={"pattern": "^[a-z_]+$", "description": "The reason, in a form for programs."}
    )
    request_id = Text(1, 128, required=True, metadata={"pattern": "^[!-~]+$"})
    errors = fields.Dict(
        keys=fields.String(),
        values=fields.List(Text(1, 1_000), metadata={"maxItems": 10}),
        metadata={
            "component": "FieldErrors",
            "maxProperties": ERRORS_SHOWN,
            "description": "Field → what is wrong with it.",
        },
    )


class IdConverter(UUIDConverter):
    """A UUID in a path, as the text that the database expects."""

    def to_python(self, value: str) -> str:  # type: ignore[override]
        return value.lower()


class Api(flask_smorest.Api):
    """The OpenAPI document, with this service's own errors instead of flask-smorest's.

    It is made when it is first asked for: that takes a quarter of a start's time, and most processes never need it.
    """

    DEFAULT_ERROR_RESPONSE_NAME = None

    _document: Document | None = None

    def __init__(self, app: Flask) -> None:
        self._later: list[Callable[[], None]] = []
        self._describing = threading.Lock()
        super().__init__(app)

    @property
    def spec(self) -> APISpec:
        with self._describing:
            for describe in self._later:
                describe()
            self._later.clear()
        return self._spec

    @spec.setter
    def spec(self, spec: APISpec) -> None:
        self._spec = spec

    def register_blueprint(self, blp: Any, *, parameters: Any = None, **options: Any) -> None:
        """Register a blueprint now, and describe it later."""
        self._app.register_blueprint(blp, **options)
        self._later.append(partial(self._describe, blp, parameters))

    def _describe(self, blp: Any, parameters: Any) -> None:
        blp.register_views_in_doc(self, self._app, self._spec, name=blp.name, parameters=parameters)
        self._spec.tag({"name": blp.name, "description": blp.description})

    def init_app(self, app: Flask, **options: Any) -> None:
        super().init_app(app, **options)
        self.spec.components.security_scheme(BEARER, BEARER_SCHEME)
        app.url_map.converters["id"] = IdConverter
        self.register_converter(
            IdConverter, lambda _: {"type": "string", "format": "uuid", "maxLength": 36, "example": EXAMPLE_ID}
        )

    def _openapi_json(self) -> Response:
        """Return the document, made only once: making it takes 60 ms."""
        if self._document is None:
            self._document = Document(super()._openapi_json().get_data(), "application/json")
        return self._document.response()

    def _register_pagination_header(self) -> None:
        """Do nothing: this service pages by cursors."""

    def _register_error_handlers(self) -> None:
        """Do nothing: problems.py makes the errors."""

    def _register_responses(self) -> None:
        for name, (description, pattern) in HEADERS.items():
            schema = {"type": "string", "pattern": pattern, "maxLength": _most_characters(name)}
            self.spec.components.header(name, {"description": description, "schema": schema}, lazy=True)
        # Before the first schema is described.
        for describe in (_one_of_schemas, _reference):
            self.ma_plugin.converter.add_attribute_function(describe)
        # Generators name a type after its component.
        self.spec.components.schema("ProblemDetails", schema=ProblemDetails)
        # No operation answers a method that it does not have.
        for status in sorted({problem.status for problem in catalogue()} - {MethodNotAllowed.status}):
            self._register_problem(status, [problem for problem in catalogue() if problem.status == status])

    def _register_problem(self, status: int, problems: list[type[Problem]]) -> None:
        codes = [problem.code for problem in problems]
        name = response_name(status)
        # `enum`, not `const`: some generators cannot narrow a property to a constant.
        narrowed = {
            "status": {"type": "integer", "format": "int32", "minimum": status, "maximum": status, "enum": [status]},
            "code": {"type": "string", "enum": codes},
        }
        # Two parts, because some generators read only the part of an `allOf` that has one.
        parts = ["ProblemDetails", {"type": "object", "properties": narrowed, "required": [*narrowed]}]
        self.spec.components.schema(name, {"allOf": parts}, lazy=True)
        examples = {problem.code: {"value": example_of_problem(problem)} for problem in problems}
        response = {
            "description": f"One of {', '.join(f'`{code}`' for code in codes)}.",
            "headers": headers_named(*ON_EVERY_ANSWER, *ON_STATUS.get(status, ())),
            "content": {CONTENT_TYPE: {"schema": name, "examples": examples}},
        }
        self.spec.components.response(name, response, lazy=True)


def _one_of_schemas(converter: Any, field: Any, **_: Any) -> dict[str, Any]:
    if not isinstance(field, OneOfSchemas):
        return {}
    described = {word: converter.resolve_nested_schema(schema) for word, schema in field.schemas.items()}
    mapping = {word: reference["$ref"] for word, reference in described.items()}
    return {
        "oneOf": [{"$ref": reference} for reference in dict.fromkeys(mapping.values())],
        "discriminator": {"propertyName": field.discriminator, "mapping": mapping},
    }


def _reference(converter: Any, field: Any, ret: dict[str, Any], **_: Any) -> dict[str, Any]:
    """Describe a field that has the metadata `component` once, under that name: generators make one type of it."""
    name = field.metadata.get("component")
    if not name:
        return {}
    described = {word: ret.pop(word) for word in [*ret] if word != "description"}
    components = converter.spec.components
    if name not in components.schemas:
        components.schema(name, described)
    reference: dict[str, Any] = components.get_ref("schema", name)
    return reference


def headers_named(*names: str) -> dict[str, str]:
    return {name: name for name in names}


def header_parameter(name: str) -> dict[str, Any]:
    description, schema = REQUEST_HEADERS[name]
    schema = {"type": "string", "maxLength": _most_characters(name), **schema}
    return {"name": name, "in": "header", "description": description, "schema": schema}


def _most_characters(header: str) -> int:
    return HEADER_LINE_BYTES - len(f"{header}: \r\n")


def response_name(status: int) -> str:
    return f"Problem{status}"


def init_app(app: Flask) -> Api:
    app.config.from_mapping(OPENAPI)
    return Api(app)


def example_of(schema: Any) -> Any:
    """Return an example for a schema, or for `{"type": "array", "items": schema}`; None for anything else."""
    if schema is None or isinstance(schema, dict):
        return [example_of(schema["items"])] if schema and "items" in schema else None
    declared = (schema() if isinstance(schema, type) else schema).fields
    examples = {name: _example_of_field(field) for name, field in declared.items()}
    return {name: example for name, example in examples.items() if example is not missing}


def example_of_problem(problem: type[Problem]) -> dict[str, Any]:
    """Return an example of an error's body."""
    body = {
        "type": f"{ERRORS_PAGE}#{problem.code}",
        "title": problem.title,
        "status": problem.status,
        "detail": problem.detail,
        "code": problem.code,
        "request_id": EXAMPLE_ID,
    }
    if problem is ValidationFailed:
        body["errors"] = {"title": ["Missing data for required field."]}
    return body


def _example_of_field(field: Any) -> Any:
    """Return the field's own example, or one made from its type, or `missing`."""
    match field:
        case fields.Field(metadata={"example": example}):
            return example
        case fields.Nested():
            return example_of(field.schema)
        case fields.List():
            return [_example_of_field(field.inner)]
        case fields.Boolean():
            return False
        case fields.Field(validate=OneOf(choices=[first, *_])):
            return first
    return missing
