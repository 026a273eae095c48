"""Rows of tasks as answers. The rows hold JSON's own types already."""

from collections.abc import Iterable
from typing import Any
from urllib.parse import quote

from flask import Response, request

from app.database.statements import Row
from app.http.blueprint import the_request
from app.http.responses import empty_response, json_response
from app.tasks.fields import PRIORITIES, read_tags
from app.tasks.preconditions import etag, is_unchanged


class Encoder:
    """Writes rows as a family's schema describes them; a test holds the two equal, field by field."""

    def __init__(self, details: str, collection: str) -> None:
        self.details = details
        # The path under which each task lies, with the user's id where it stands.
        self._collection = collection

    def fields(self, row: Row) -> dict[str, Any]:
        return self.many((row,), row.user_id)[0]

    def many(self, rows: Iterable[tuple[Any, ...]], user_id: str) -> list[dict[str, Any]]:
        """Rows of this user with the columns of queries.LISTED, and perhaps more behind them."""
        # By position and in one loop, for a list's sake.
        details_name = self.details
        return [
            {
                "id": id_,
                "title": title,
                details_name: details,
                "completed": completed_at is not None,
                "completed_at": completed_at,
                "priority": PRIORITIES[priority],
                "tags": read_tags(tags) if tags else [],
                "due_on": due_on,
                "due_at": None if due_on else due,
                "time_zone": time_zone,
                "recurrence": recurrence,
                "created_at": created_at,
                "updated_at": updated_at,
                "user_id": user_id,
            }
            for (
                id_,
                title,
                details,
                completed_at,
                priority,
                tags,
                due_on,
                due,
                time_zone,
                recurrence,
                created_at,
                updated_at,
                *_,
            ) in rows
        ]

    def respond(self, row: Row, status: int = 200) -> Response:
        response = json_response(self.fields(row), status)
        response.headers["ETag"] = etag(row.version)
        return response

    def respond_or_304(self, row: Row) -> Response:
        """304 to a reader who has this version already."""
        if not is_unchanged(request, row.version):
            return self.respond(row)
        response = empty_response(304)
        response.headers["ETag"] = etag(row.version)
        return response

    def created(self, row: Row) -> Response:
        """201 with the path of the new task."""
        response = self.respond(row, 201)
        collection = self._collection.format(user_id=row.user_id)
        response.headers["Location"] = quote(f"{the_request().root_path.rstrip('/')}{collection}/{row.id}")
        return response


TASK = Encoder("details", "/v1/tasks")
USER_TASK = Encoder("description", "/api/{user_id}/tasks")
