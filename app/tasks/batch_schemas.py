"""The schemas of a batch."""

from collections.abc import Mapping

from marshmallow import Schema, fields
from marshmallow.validate import Length, OneOf

from app.http.fields import (
    Id,
    OneOfSchemas,
    Uuid,
)
from app.tasks.schemas import EXAMPLE_NEW_ID, Move, NewTask, TaskPatch

MAX_OPERATIONS = 100


def _op(word: str) -> fields.String:
    return fields.String(required=True, validate=OneOf([word]))


class CreateOperation(Schema):
    op = _op("create")
    task = fields.Nested(NewTask, required=True)


class UpdateOperation(Schema):
    op = _op("update")
    id = Uuid(required=True)
    changes = fields.Nested(TaskPatch, required=True)


class CompleteOperation(Schema):
    op = _op("complete")
    id = Uuid(required=True)


class ReopenOperation(Schema):
    op = _op("reopen")
    id = Uuid(required=True)


class MoveOperation(Move):
    """Put a task next to another one or at an end, as the operation of its own does."""

    op = _op("move")
    id = Uuid(required=True)


class DeleteOperation(Schema):
    op = _op("delete")
    id = Uuid(required=True)


OPERATIONS: Mapping[str, type[Schema]] = {
    "create": CreateOperation,
    "update": UpdateOperation,
    "complete": CompleteOperation,
    "reopen": ReopenOperation,
    "move": MoveOperation,
    "delete": DeleteOperation,
}


class BatchRequest(Schema):
    operations = fields.List(
        OneOfSchemas("BatchOperation", "op", OPERATIONS),
        required=True,
        validate=Length(1, MAX_OPERATIONS),
        metadata={
            "example": [
                {"op": "create", "task": {"id": EXAMPLE_NEW_ID, "title": "Buy tea"}},
                {"op": "update", "id": EXAMPLE_NEW_ID, "changes": {"priority": "low", "due_on": None}},
                {"op": "complete", "id": EXAMPLE_NEW_ID},
            ]
        },
    )


class BatchResult(Schema):
    id = Id()
    etag = fields.String(
        required=True,
        allow_none=True,
        metadata={
            "pattern": '^"[0-9]+"$',
            "maxLength": 12,
            "description": "The ETag after the whole batch; null if the task is in the trash.",
        },
    )


class BatchResponse(Schema):
    """The results, in the order of the operations."""

    results = fields.List(
        fields.Nested(BatchResult),
        required=True,
        metadata={
            "maxItems": MAX_OPERATIONS,
            "example": [{"id": EXAMPLE_NEW_ID, "etag": '"1"'}] * 3,
        },
    )
