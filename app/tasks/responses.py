"""Rows of tasks as answers. The rows hold JSON's own types already, in the order of the schema's fields."""

from collections.abc import Iterable
from typing import Any
from urllib.parse import quote

from flask import Response, request
from marshmallow import Schema
from sqlalchemy import Row

from app.api import json_response, no_content
from app.tasks.preconditions import etag, is_unchanged
from app.tasks.schemas import Task, UserTask


class Encoder:
    """Writes rows as a schema describes them; a test holds the two equal, field by field."""

    def __init__(self, schema: Schema) -> None:
        self.names = tuple(schema.fields)

    def fields(self, row: Row[Any]) -> dict[str, Any]:
        # A row is longer by its version.
        return dict(zip(self.names, row, strict=False))

    def many(self, rows: Iterable[Row[Any]]) -> list[dict[str, Any]]:
        return [self.fields(row) for row in rows]

    def respond(self, row: Row[Any], status: int = 200) -> Response:
        response = json_response(self.fields(row), status)
        response.headers["ETag"] = etag(row.version)
        return response

    def respond_unless_known(self, row: Row[Any]) -> Response:
        """304 to a reader who has this version already."""
        if not is_unchanged(request, row.version):
            return self.respond(row)
        response = no_content(304)
        response.headers["ETag"] = etag(row.version)
        return response

    def created(self, row: Row[Any]) -> Response:
        """201 with the path of the new task, which lies under the path that made it."""
        response = self.respond(row, 201)
        response.headers["Location"] = quote(f"{request.root_path.rstrip('/')}{request.path}/{row.id}")
        return response


TASK = Encoder(Task())
USER_TASK = Encoder(UserTask())
