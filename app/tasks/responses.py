"""Rows of tasks and lists as responses. The rows already contain JSON types."""

from collections.abc import Iterable, Sequence
from json.encoder import encode_basestring as quote
from typing import Any
from urllib.parse import quote as percent_encoded

from flask import Response, request
from orjson import Fragment, loads

from app.database.statements import Row
from app.http.blueprint import the_request
from app.http.responses import empty_response, json_response
from app.tasks.fields import PRIORITIES, json_tags, read_tags
from app.tasks.models import LISTED
from app.tasks.preconditions import etag, is_unchanged

NULL, TRUE, FALSE, NONE = "null", "true", "false", "[]"

# Columns of a list's row that are not in its response.
_NOT_OF_LIST = {"version", "is_deleted", "mark", "clock"}


class Responder:
    """Responds with a row that has an id, a version and a user."""

    def __init__(self, collection: str) -> None:
        # The path of the collection, with a placeholder for the user's id.
        self._collection = collection

    def fields(self, row: Row) -> dict[str, Any]:
        raise NotImplementedError

    def encoded(self, row: Row) -> Any:
        """Return the fields, or their JSON."""
        return self.fields(row)

    def respond(self, row: Row, status: int = 200) -> Response:
        response = json_response(self.encoded(row), status)
        response.headers["ETag"] = etag(row.version)
        return response

    def respond_or_304(self, row: Row) -> Response:
        """Respond with the row, or with 304 if the client already has this version."""
        if not is_unchanged(request, row.version):
            return self.respond(row)
        response = empty_response(304)
        response.headers["ETag"] = etag(row.version)
        return response

    def created(self, row: Row) -> Response:
        """Respond with 201 and the path of what is new."""
        response = self.respond(row, 201)
        collection = self._collection.format(user_id=row.user_id)
        response.headers["Location"] = percent_encoded(f"{the_request().root_path.rstrip('/')}{collection}/{row.id}")
        return response


class Encoder(Responder):
    """Encodes rows like a family's schema, as JSON or as dictionaries. A test checks that all give the same fields."""

    def __init__(self, details: str, collection: str) -> None:
        super().__init__(collection)
        self._details = details

    def encoded(self, row: Row) -> Fragment:
        return Fragment(self._objects((row[: len(LISTED)],), row.user_id)[0])

    def array(self, rows: Iterable[tuple[Any, ...]], user_id: str) -> Fragment:
        """Encode this user's rows, which have the columns of models.LISTED, as a JSON array."""
        return Fragment(f"[{','.join(self._objects(rows, user_id))}]")

    def _objects(self, rows: Iterable[tuple[Any, ...]], user_id: str) -> list[str]:
        """Encode rows as JSON objects. This takes half the time of making dictionaries for a library to encode.

        Only what a client or another program wrote needs quote(): ids, positions, times and days are plain.
        """
        # By position and in one loop, because it is faster for long lists. With room for more columns (`*_`) it took
        # twice as long.
        details_name, user = self._details, quote(user_id)
        return [
            f'{{"id":"{id_}","title":{quote(title)},"{details_name}":{NULL if details is None else quote(details)}'
            f',"completed":{TRUE if completed_at else FALSE}'
            f',"completed_at":{quote(completed_at) if completed_at else NULL}'
            f',"priority":"{PRIORITIES[priority]}","tags":[{tags and json_tags(tags)}]'
            f',"due_on":{quote(due_on) if due_on else NULL},"due_at":{quote(due) if due and not due_on else NULL}'
            f',"time_zone":{quote(time_zone) if time_zone else NULL}'
            f',"recurrence":{quote(recurrence) if recurrence else NULL},"reminders":{reminders or NONE}'
            f',"list_id":{quote(list_id) if list_id else NULL},"parent_id":{quote(parent_id) if parent_id else NULL}'
            f',"position":"{position}","created_at":"{created_at}","updated_at":"{updated_at}","user_id":{user}}}'
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
                reminders,
                list_id,
                parent_id,
                position,
                created_at,
                updated_at,
            ) in rows
        ]

    def fields(self, row: Row) -> dict[str, Any]:
        return self.many((row[: len(LISTED)],), row.user_id)[0]

    def many(self, rows: Iterable[tuple[Any, ...]], user_id: str) -> list[dict[str, Any]]:
        """Return what array() encodes, for those who change it or write it in another format."""
        details_name = self._details
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
                "reminders": loads(reminders) if reminders else [],
                "list_id": list_id,
                "parent_id": parent_id,
                "position": position,
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
                reminders,
                list_id,
                parent_id,
                position,
                created_at,
                updated_at,
            ) in rows
        ]


class ListEncoder(Responder):
    def fields(self, row: Row) -> dict[str, Any]:
        return {name: value for name, value in row._asdict().items() if name not in _NOT_OF_LIST}

    def changes(self, changed: Iterable[Row], deleted: Sequence[str]) -> dict[str, Any]:
        return {"changed": [self.fields(row) for row in changed], "deleted": deleted}


TASK = Encoder("details", "/v1/tasks")
USER_TASK = Encoder("description", "/api/{user_id}/tasks")
LIST = ListEncoder("/v1/lists")
