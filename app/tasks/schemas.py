"""What the task operations take and answer, in both families."""

from typing import Any

from marshmallow import Schema, fields
from marshmallow.validate import OneOf

from app.fields import Boolean, QueryBoolean, QueryInteger, Text

TITLE_CHARACTERS = 200
DETAILS_CHARACTERS = 10_000
SEARCH_CHARACTERS = 200
CURSOR_CHARACTERS = 2_000
PAGE_SIZE, LARGEST_PAGE = 50, 200
# For front ends that expect all of a user's tasks in one array.
LARGEST_ARRAY = 1_000

EXAMPLE_ID = "0199b1f2-7c3e-7a41-9d5b-2f6c8e0a4b17"
EXAMPLE_TIME = "2026-03-14T09:26:53.589793Z"


def _title(**options: Any) -> Text:
    return Text(1, TITLE_CHARACTERS, trimmed=True, metadata={"pattern": r"\S", "example": "Buy tea"}, **options)


def _details(**options: Any) -> Text:
    return Text(0, DETAILS_CHARACTERS, allow_none=True, metadata={"example": "Green, loose"}, **options)


def _time(description: str, **options: Any) -> fields.String:
    return fields.String(
        required=True, metadata={"format": "date-time", "description": description, "example": EXAMPLE_TIME}, **options
    )


class TaskIn(Schema):
    """A whole task; what is left out has its default."""

    title = _title(required=True)
    details = _details(load_default=None)
    completed = Boolean(load_default=False)


class TaskPatch(Schema):
    """Some fields of a task."""

    title = _title()
    details = _details()
    completed = Boolean()


class Task(Schema):
    """A task as `/v1` answers with it."""

    id = fields.String(required=True, metadata={"format": "uuid", "example": EXAMPLE_ID})
    title = fields.String(required=True, metadata={"example": "Buy tea"})
    details = fields.String(required=True, allow_none=True, metadata={"example": "Green, loose"})
    completed = fields.Boolean(required=True)
    completed_at = _time("When it became completed.", allow_none=True)
    created_at = _time("The database's clock.")
    updated_at = _time("The database's clock.")
    user_id = fields.String(required=True, metadata={"description": "Always the caller."})


class TaskPage(Schema):
    items = fields.List(fields.Nested(Task), required=True)
    next_cursor = fields.String(required=True, allow_none=True, metadata={"description": "null on the last page."})


class _Filters(Schema):
    """What both families filter by."""

    completed = QueryBoolean(metadata={"description": "Only tasks that are completed, or only those that are not."})
    q = Text(1, SEARCH_CHARACTERS, metadata={"description": "A part of the title or the details; case is ignored."})
    cursor = Text(
        1,
        CURSOR_CHARACTERS,
        metadata={"description": "Where the page before this one ended. Belongs to its filters and sort."},
    )


_SORTS = [f"{sign}{name}" for name in ("created_at", "updated_at", "title") for sign in ("", "-")]


class TaskQuery(_Filters):
    limit = QueryInteger(1, LARGEST_PAGE, load_default=PAGE_SIZE)
    sort = fields.String(
        load_default="-created_at",
        validate=OneOf(_SORTS),
        metadata={"description": "A leading `-` turns the order around."},
    )


class UserTaskIn(Schema):
    """A whole task, with `description` for `details`."""

    title = _title(required=True)
    description = _details(load_default=None, attribute="details")
    completed = Boolean(load_default=False)


class UserTask(Schema):
    """A task as `/api/{user_id}` answers with it: `description` for `details`."""

    id = fields.String(required=True, metadata={"format": "uuid", "example": EXAMPLE_ID})
    title = fields.String(required=True, metadata={"example": "Buy tea"})
    description = fields.String(
        required=True, allow_none=True, attribute="details", metadata={"example": "Green, loose"}
    )
    completed = fields.Boolean(required=True)
    completed_at = _time("When it became completed.", allow_none=True)
    created_at = _time("The database's clock.")
    updated_at = _time("The database's clock.")
    user_id = fields.String(required=True, metadata={"description": "Always the caller."})


# The names of before, and those of `/v1`.
USER_SORTS = {"created": "-created_at", "title": "title"}


class UserTaskQuery(_Filters):
    limit = QueryInteger(1, LARGEST_ARRAY, load_default=LARGEST_ARRAY)
    status = fields.String(load_default="all", validate=OneOf(["all", "pending", "completed"]))
    sort = fields.String(
        load_default="created",
        validate=OneOf(sorted({*USER_SORTS, *_SORTS})),
        metadata={
            "description": "`created` is newest first, `title` ascending; a leading `-` turns the others around."
        },
    )


class Completion(Schema):
    """Sets whether a task is completed; without a body the task is toggled."""

    completed = Boolean()
