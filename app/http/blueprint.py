"""flask-smorest's blueprint, made strict: how operations parse, respond and are described."""

from collections.abc import Callable, Mapping
from functools import partial, wraps
from typing import Any

import flask_smorest
from flask import Request, request
from flask_smorest.utils import resolve_schema_instance
from marshmallow import Schema

from app.http.openapi import (
    ALWAYS,
    BEARER,
    ON_EVERY_ANSWER,
    WITH_BODY,
    example_of,
    header_parameter,
    headers_named,
    response_name,
)
from app.http.parsing import Location, load, refuse_unread
from app.http.problems import Problem
from app.turns import give_way

View = Callable[..., Any]

# The attribute of a view that says how to describe it.
DESCRIBED_BY = "_described_by"

# A file of text. With the format `binary`, clients would promise bytes and then decode text.
TEXT_FILE = {"type": "string"}


class Blueprint(flask_smorest.Blueprint):
    """A blueprint whose operations reject unknown input, and whose description names every response."""

    DEFAULT_LOCATION_CONTENT_TYPE_MAPPING = dict.fromkeys(("json", "batch", "optional_json"), "application/json")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._prepare_doc_cbks.append(self._describe_operation)
        self._later: list[Callable[[], None]] = []

    def arguments(self, schema: type[Schema], *, location: Location = "json", **options: Any) -> Callable[[View], View]:
        """Describe a body or query, and pass its loaded value to the view as the first argument."""
        # Made once, not on each request.
        instance = resolve_schema_instance(schema)

        def describe(view: View) -> View:
            example = {} if location == "query" else {"example": example_of(instance)}
            described: View = super(Blueprint, self).arguments(instance, location=location, **options, **example)(view)
            return described

        def decorator(view: View) -> View:
            @wraps(view)
            def loaded(*args: Any, **kwargs: Any) -> Any:
                return view(load(instance, location, the_request()), *args, **kwargs)

            return described_by(describe, loaded)

        return decorator

    def response(
        self, status: int, schema: Any = None, *, headers: tuple[str, ...] = (), **options: Any
    ) -> Callable[[View], View]:
        """Describe the one success of an operation; `headers` come on top of those of every response."""

        def describe(view: View) -> View:
            described = {"example": example_of(schema), "headers": headers_named(*ON_EVERY_ANSWER, *headers)}
            answered: View = super(Blueprint, self).response(status, schema, **described, **options)(view)
            return answered

        def decorator(view: View) -> View:
            @wraps(view)
            def checked(*args: Any, **kwargs: Any) -> Any:
                refuse_unread(the_request())
                return view(*args, **kwargs)

            return described_by(describe, checked)

        return decorator

    def register_views_in_doc(self, *args: Any, **options: Any) -> None:
        for store in self._later:
            store()
            give_way()
        self._later.clear()
        super().register_views_in_doc(*args, **options)

    def _store_endpoint_docs(self, endpoint: str, obj: Any, parameters: Any, tags: Any, **options: Any) -> None:
        self._later.append(partial(self._store_now, endpoint, obj, parameters, tags, **options))

    def _store_now(self, endpoint: str, view: View, parameters: Any, tags: Any, **options: Any) -> None:
        for describe in view.__dict__.pop(DESCRIBED_BY, ()):
            view.__dict__["_apidoc"] = describe(view).__dict__["_apidoc"]
        super()._store_endpoint_docs(endpoint, view, parameters, tags, **options)
        for name, info in self._docs[endpoint].items():
            if name != "parameters":
                info["operation_id"] = endpoint
                if info.get("needs_token"):
                    told = info["docstring"].get("description"), _about_personal_tokens(info["token_scope"])
                    info["docstring"]["description"] = "\n\n".join(filter(None, told))

    def _describe_operation(self, doc: dict[str, Any], doc_info: dict[str, Any], **kwargs: Any) -> dict[str, Any]:
        """Add the facts that the decorators imply: the id, the errors, and whether a token is needed."""
        if "file" in doc_info:
            doc["requestBody"] = doc_info["file"]
        raised = {*ALWAYS, *doc_info.get("problems", ()), *(WITH_BODY if "requestBody" in doc else ())}
        errors = {str(status): response_name(status) for status in {problem.status for problem in raised}}
        successes = {str(status): response for status, response in doc["responses"].items() if int(status) < 400}
        doc["responses"] = successes | dict(sorted(errors.items()))
        if media_types := doc_info.get("media_types"):
            (content,) = successes["200"]["content"].values()
            successes["200"]["content"] = {
                name.partition(";")[0]: {**content, "example": example} for name, example in media_types.items()
            }
        if 304 in doc_info.get("also", ()):
            not_modified = {"description": "Not Modified", "headers": headers_named(*ON_EVERY_ANSWER, "ETag")}
            doc["responses"] = dict(sorted({**doc["responses"], "304": not_modified}.items()))
        doc["parameters"] = doc.get("parameters", []) + [header_parameter(name) for name in doc_info.get("takes", ())]
        doc["operationId"] = doc_info["operation_id"]
        doc["security"] = [{BEARER: []}] if doc_info.get("needs_token") else []
        return doc


def described_by(describe: Callable[[View], View], view: View) -> View:
    """Describe a view later, by one of flask-smorest's decorators.

    What that makes of the view itself is left out: it reads more than the request holds, or makes responses, which
    views return already.
    """
    view.__dict__.setdefault(DESCRIBED_BY, []).append(describe)
    return view


def _about_personal_tokens(token_scope: str | None) -> str:
    return f"A personal token needs the scope `{token_scope}`." if token_scope else "No personal token can call this."


def raises(
    *problems: type[Problem], needs_token: bool = False, token_scope: str | None = None
) -> Callable[[View], View]:
    """Document the errors of an operation, besides those that every operation has.

    The `token_scope` is the one that a personal token needs; without one, the operation is closed to personal tokens.
    """

    def decorator(view: View) -> View:
        info = view.__dict__.setdefault("_apidoc", {})
        info["problems"] = [*info.get("problems", ()), *problems]
        info["needs_token"] = needs_token or info.get("needs_token", False)
        info["token_scope"] = token_scope or info.get("token_scope")
        return view

    return decorator


def takes(*headers: str, also: tuple[int, ...] = ()) -> Callable[[View], View]:
    """Document the request headers that an operation uses, and the other statuses that can follow."""

    def decorator(view: View) -> View:
        info = view.__dict__.setdefault("_apidoc", {})
        info["takes"] = [*info.get("takes", ()), *headers]
        info["also"] = [*info.get("also", ()), *also]
        return view

    return decorator


def takes_file(description: str, example: str, limit: int) -> Callable[[View], View]:
    """Document an operation whose body is a form with one file, or the file itself, as the description says.

    The document has no media types of the file: generated clients can send it only as one that they know.
    """
    file = {"type": "string", "format": "binary", "maxLength": limit}
    form = {"type": "object", "properties": {"file": file}, "required": ["file"], "additionalProperties": False}
    content = {"multipart/form-data": {"schema": form, "example": {"file": example}}}
    body = {"required": True, "description": description, "content": content}

    def decorator(view: View) -> View:
        view.__dict__.setdefault("_apidoc", {})["file"] = body
        return view

    return decorator


def answers_with(media_types: Mapping[str, str]) -> Callable[[View], View]:
    """Document the media types of an operation's success, each with an example."""

    def decorator(view: View) -> View:
        view.__dict__.setdefault("_apidoc", {})["media_types"] = media_types
        return view

    return decorator


def the_request() -> Request:
    """Return the request itself: Flask's `request` looks up the context for each attribute."""
    here: Request = request._get_current_object()  # type: ignore[attr-defined]
    return here
