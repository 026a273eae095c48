"""flask-smorest, made strict: how this service's operations parse, answer and are described."""

from collections.abc import Callable, Mapping
from functools import wraps
from typing import Any

import flask_smorest
from flask import Flask, Request, Response, request
from flask_smorest.utils import resolve_schema_instance
from marshmallow import Schema, fields
from werkzeug.routing import UUIDConverter

from app.answers import WholeResponse
from app.examples import example_of, example_of_problem
from app.fields import EXAMPLE_ID, OneOfSchemas, Text
from app.parsing import ERRORS_SHOWN, Location, load, refuse_unread
from app.problems import (
    CONTENT_TYPE,
    BadRequest,
    InternalError,
    MalformedJson,
    PayloadTooLarge,
    Problem,
    UnsupportedMediaType,
    ValidationFailed,
    catalogue,
)

View = Callable[..., Any]

VERSION = "0.1.0"
BEARER = "bearer"
BEARER_SCHEME = {
    "type": "http",
    "scheme": "bearer",
    "bearerFormat": "JWT",
    "description": "A signed JWT, verified as RFC8725 recommends: the issuer fixes the algorithm, not the token.",
}
ALWAYS = (BadRequest, PayloadTooLarge, ValidationFailed, InternalError)
WITH_BODY = (MalformedJson, UnsupportedMediaType)

# What each means, and a pattern that it fits.
HEADERS = {
    "X-Request-ID": ("The id of this request: the caller's own, or a new one.", "^[!-~]{1,128}$"),
    "Cache-Control": (
        "`private, no-cache`; `no-store` where the answer holds a token.",
        "^(private, no-cache|no-store)$",
    ),
    "X-Content-Type-Options": ("A body is only what Content-Type says.", "^nosniff$"),
    "Vary": ("`Origin`, where CORS_ORIGINS lists origins; else absent.", "^Origin$"),
    "Access-Control-Allow-Origin": ("The caller's origin, where CORS_ORIGINS lists it; else absent.", "^https?://"),
    "Content-Disposition": ("The name of the file.", '^attachment; filename="[a-z.]+"$'),
    "ETag": ("The version of the task.", '^"[0-9]+"$'),
    "Idempotent-Replay": (
        "`true` where this is the answer of an earlier request with the same Idempotency-Key.",
        "^true$",
    ),
    "Location": ("The path of what was made.", "^/"),
    "Link": ('The next page, as `<path>; rel="next"`; absent on the last page.', '^</.+>; rel="next"$'),
    "X-Total-Count": ("How many tasks there are on all pages.", "^[0-9]+$"),
    "WWW-Authenticate": ("Why the token was refused (RFC 6750).", "^Bearer "),
    "Allow": ("The methods that this path takes.", "^[A-Z, ]+$"),
    "Retry-After": ("Seconds to wait before trying again.", "^[0-9]+$"),
}
# gunicorn's bound for a whole line: name, colon, space, value, end.
HEADER_LINE_BYTES = 8190
# What a header's value may hold (RFC 9110, section 5.5).
FIELD_VALUE = {"pattern": r"^[\t -~\x80-\xff]*$"}
REQUEST_HEADERS: dict[str, tuple[str, dict[str, Any]]] = {
    "If-Match": ("Act only if the task still has one of these ETags; else 412.", FIELD_VALUE),
    "If-None-Match": ("Reading: 304 if the task has one of these ETags. Writing: 412.", FIELD_VALUE),
    "Idempotency-Key": (
        "1 to 255 visible ASCII characters: the request is done once, and answered alike for 24 hours.",
        {"pattern": "^[!-~]+$", "minLength": 1, "maxLength": 255},
    ),
}
ON_EVERY_ANSWER = ("X-Request-ID", "Cache-Control", "X-Content-Type-Options", "Vary", "Access-Control-Allow-Origin")
ON_STATUS = {401: ("WWW-Authenticate",), 429: ("Retry-After",), 503: ("Retry-After",)}


class ProblemDetails(Schema):
    """The body of every error (RFC 9457)."""

    type = Text(
        1,
        100,
        required=True,
        metadata={
            "pattern": "^/docs/errors#[a-z_]+$",
            "description": "Where this code is explained.",
            "example": "/docs/errors#not_found",
        },
    )
    title = Text(1, 100, required=True)
    status = fields.Integer(required=True, metadata={"minimum": 400, "maximum": 599, "format": "int32"})
    detail = Text(1, 1_000, required=True, metadata={"description": "What to do next."})
    code = Text(1, 50, required=True, metadata={"pattern": "^[a-z_]+$", "description": "The reason, for programs."})
    request_id = Text(1, 128, required=True, metadata={"pattern": "^[!-~]+$"})
    errors = fields.Dict(
        keys=fields.String(),
        values=fields.List(Text(1, 1_000), metadata={"maxItems": 10}),
        metadata={"maxProperties": ERRORS_SHOWN, "description": "Field → what is wrong with it."},
    )


class IdConverter(UUIDConverter):
    """A UUID in a path, as the text that the database reads."""

    def to_python(self, value: str) -> str:  # type: ignore[override]
        return value.lower()


class Api(flask_smorest.Api):
    """The OpenAPI document, with this service's own errors instead of flask-smorest's."""

    DEFAULT_ERROR_RESPONSE_NAME = None

    _document: bytes | None = None

    def init_app(self, app: Flask, **options: Any) -> None:
        super().init_app(app, **options)
        self.ma_plugin.converter.add_attribute_function(_one_of_schemas)
        self.spec.components.security_scheme(BEARER, BEARER_SCHEME)
        app.url_map.converters["id"] = IdConverter
        self.register_converter(
            IdConverter, lambda _: {"type": "string", "format": "uuid", "maxLength": 36, "example": EXAMPLE_ID}
        )

    def _openapi_json(self) -> Response:
        """The document, written once: each time it took 13 ms, in which nobody else was served."""
        if self._document is None:
            self._document = super()._openapi_json().get_data()
        return WholeResponse(self._document, content_type="application/json")

    def _register_pagination_header(self) -> None:
        """Left out: pages here are linked by cursors."""

    def _register_error_handlers(self) -> None:
        """Left out: errors are made in problems.py."""

    def _register_responses(self) -> None:
        for name, (description, pattern) in HEADERS.items():
            schema = {"type": "string", "pattern": pattern, "maxLength": _most_characters(name)}
            self.spec.components.header(name, {"description": description, "schema": schema}, lazy=True)
        for status in {problem.status for problem in catalogue()}:
            problems = [problem for problem in catalogue() if problem.status == status]
            codes = [problem.code for problem in problems]
            its_own = {"properties": {"status": {"const": status}, "code": {"enum": codes}}}
            examples = {problem.code: {"value": example_of_problem(problem)} for problem in problems}
            response = {
                "description": f"One of {', '.join(f'`{code}`' for code in codes)}.",
                "headers": _headers(*ON_EVERY_ANSWER, *ON_STATUS.get(status, ())),
                "content": {CONTENT_TYPE: {"schema": {"allOf": [ProblemDetails, its_own]}, "examples": examples}},
            }
            self.spec.components.response(_response_name(status), response, lazy=True)


class Blueprint(flask_smorest.Blueprint):
    """A blueprint whose operations refuse what they do not know, and whose description names every answer."""

    DEFAULT_LOCATION_CONTENT_TYPE_MAPPING = dict.fromkeys(("json", "batch", "optional_json"), "application/json")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._prepare_doc_cbks.append(self._describe_operation)

    def arguments(self, schema: type[Schema], *, location: Location = "json", **options: Any) -> Callable[[View], View]:
        """Describe a body or query, and give what it says to the view as its first argument."""
        # Made once, not at each request.
        instance = resolve_schema_instance(schema)
        if location != "query":
            options["example"] = example_of(instance)
        describe = super().arguments(instance, location=location, **options)

        def decorator(view: View) -> View:
            @wraps(view)
            def loaded(*args: Any, **kwargs: Any) -> Any:
                return view(load(instance, location, the_request()), *args, **kwargs)

            # flask-smorest's wrapper is left out: webargs reads more than is there.
            loaded._apidoc = describe(view)._apidoc  # type: ignore[attr-defined]
            return loaded

        return decorator

    def response(
        self, status: int, schema: Any = None, *, headers: tuple[str, ...] = (), **options: Any
    ) -> Callable[[View], View]:
        """Describe the one success of an operation; `headers` are those beside the ones that every answer has."""
        described = {"example": example_of(schema), "headers": _headers(*ON_EVERY_ANSWER, *headers)}
        describe = super().response(status, schema, **described, **options)

        def decorator(view: View) -> View:
            @wraps(view)
            def checked(*args: Any, **kwargs: Any) -> Any:
                refuse_unread(the_request())
                return view(*args, **kwargs)

            # Here it is left out since it makes answers of what views return, which are answers already.
            checked._apidoc = describe(view)._apidoc  # type: ignore[attr-defined]
            return checked

        return decorator

    def _store_endpoint_docs(self, endpoint: str, obj: Any, parameters: Any, tags: Any, **options: Any) -> None:
        super()._store_endpoint_docs(endpoint, obj, parameters, tags, **options)
        for name, info in self._docs[endpoint].items():
            if name != "parameters":
                info["operation_id"] = endpoint

    def _describe_operation(self, doc: dict[str, Any], doc_info: dict[str, Any], **kwargs: Any) -> dict[str, Any]:
        """Add what follows from the decorators: the id, the errors, and whether a token is needed."""
        raised = {*ALWAYS, *doc_info.get("problems", ()), *(WITH_BODY if "requestBody" in doc else ())}
        errors = {str(status): _response_name(status) for status in {problem.status for problem in raised}}
        successes = {str(status): response for status, response in doc["responses"].items() if int(status) < 400}
        doc["responses"] = successes | dict(sorted(errors.items()))
        if media_types := doc_info.get("media_types"):
            (content,) = successes["200"]["content"].values()
            successes["200"]["content"] = {
                name.partition(";")[0]: {**content, "example": example} for name, example in media_types.items()
            }
        if 304 in doc_info.get("also", ()):
            not_modified = {"description": "Not Modified", "headers": _headers(*ON_EVERY_ANSWER, "ETag")}
            doc["responses"] = dict(sorted({**doc["responses"], "304": not_modified}.items()))
        doc["parameters"] = doc.get("parameters", []) + [_header_parameter(name) for name in doc_info.get("takes", ())]
        doc["operationId"] = doc_info["operation_id"]
        doc["security"] = [{BEARER: []}] if doc_info.get("needs_token") else []
        return doc


def raises(*problems: type[Problem], needs_token: bool = False) -> Callable[[View], View]:
    """Say in the description of an operation how it can end, beside what every operation has."""

    def decorator(view: View) -> View:
        info = view.__dict__.setdefault("_apidoc", {})
        info["problems"] = [*info.get("problems", ()), *problems]
        info["needs_token"] = needs_token or info.get("needs_token", False)
        return view

    return decorator


def takes(*headers: str, also: tuple[int, ...] = ()) -> Callable[[View], View]:
    """Say in the description of an operation which request headers it heeds, and which other statuses follow."""

    def decorator(view: View) -> View:
        info = view.__dict__.setdefault("_apidoc", {})
        info["takes"] = [*info.get("takes", ()), *headers]
        info["also"] = [*info.get("also", ()), *also]
        return view

    return decorator


def answers_with(media_types: Mapping[str, str]) -> Callable[[View], View]:
    """Say in the description of an operation in which media types its success may come, each with an example."""

    def decorator(view: View) -> View:
        view.__dict__.setdefault("_apidoc", {})["media_types"] = media_types
        return view

    return decorator


def the_request() -> Request:
    """The request itself: through Flask's `request`, each attribute looks anew for the context."""
    here: Request = request._get_current_object()  # type: ignore[attr-defined]
    return here


def _one_of_schemas(converter: Any, field: Any, **_: Any) -> dict[str, Any]:
    if not isinstance(field, OneOfSchemas):
        return {}
    described = {word: converter.resolve_nested_schema(schema) for word, schema in field.schemas.items()}
    mapping = {word: reference["$ref"] for word, reference in described.items()}
    return {
        "oneOf": [{"$ref": reference} for reference in dict.fromkeys(mapping.values())],
        "discriminator": {"propertyName": field.told_by, "mapping": mapping},
    }


def _headers(*names: str) -> dict[str, str]:
    return {name: name for name in names}


def _header_parameter(name: str) -> dict[str, Any]:
    description, schema = REQUEST_HEADERS[name]
    schema = {"type": "string", "maxLength": _most_characters(name), **schema}
    return {"name": name, "in": "header", "description": description, "schema": schema}


def _most_characters(header: str) -> int:
    return HEADER_LINE_BYTES - len(f"{header}: \r\n")


def _response_name(status: int) -> str:
    return f"Problem{status}"
