"""Rows of tasks as answers. The rows hold JSON's own types already."""

from collections.abc import Iterable
from typing import Any
from urllib.parse import quote

from flask import Response, request

from app.answers import json_response, no_content
from app.api import the_request
from app.statements import Row
from app.tasks.fields import PRIORITIES, read_tags
from app.tasks.preconditions import etag, is_unchanged


class Encoder:
    """Writes rows as a family's schema describes them; a test holds the two equal, field by field."""

    def __init__(self, details: str) -> None:
        self.details = details

    def fields(self, row: Row) -> dict[str, Any]:
        return {
            "id": row.id,
            "title": row.title,
            self.details: row.details,
            "completed": row.completed_at is not None,
            "completed_at": row.completed_at,
            "priority": PRIORITIES[row.priority],
            "tags": read_tags(row.tags),
            "due_on": row.due_on,
            "due_at": None if row.due_on else row.due,
            "time_zone": row.time_zone,
            "recurrence": row.recurrence,
            "created_at": row.created_at,
            "updated_at": row.updated_at,
            "user_id": row.user_id,
        }

    def many(self, rows: Iterable[Row]) -> list[dict[str, Any]]:
        return [self.fields(row) for row in rows]

    def respond(self, row: Row, status: int = 200) -> Response:
        response = json_response(self.fields(row), status)
        response.headers["ETag"] = etag(row.version)
        return response

    def respond_unless_known(self, row: Row) -> Response:
        """304 to a reader who has this version already."""
        if not is_unchanged(request, row.version):
            return self.respond(row)
        response = no_content(304)
        response.headers["ETag"] = etag(row.version)
        return response

    def created(self, row: Row) -> Response:
        """201 with the path of the new task, which lies under the path that made it."""
        here, response = the_request(), self.respond(row, 201)
        response.headers["Location"] = quote(f"{here.root_path.rstrip('/')}{here.path}/{row.id}")
        return response


TASK = Encoder("details")
USER_TASK = Encoder("description")
