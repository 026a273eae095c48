"""What the task operations take and answer, in both families."""

from typing import Any

from marshmallow import Schema, fields
from marshmallow.validate import OneOf

from app.auth.claims import USER_ID_CHARACTERS, USER_ID_PATTERN
from app.fields import Boolean, Id, QueryBoolean, QueryInteger, Text, Time

TITLE_CHARACTERS = 200
DETAILS_CHARACTERS = 10_000
SEARCH_CHARACTERS = 200
CURSOR_CHARACTERS = 2_000
PAGE_SIZE, LARGEST_PAGE = 50, 200
# For front ends that expect all of a user's tasks in one array.
LARGEST_ARRAY = 1_000

EXAMPLE_ID = "0199b1f2-7c3e-7a41-9d5b-2f6c8e0a4b17"


def _title(**options: Any) -> Text:
    return Text(1, TITLE_CHARACTERS, trimmed=True, metadata={"example": "Buy tea"}, **options)


def _details(**options: Any) -> Text:
    return Text(0, DETAILS_CHARACTERS, allow_none=True, metadata={"example": "Green, loose"}, **options)


def _user_id() -> Text:
    described = {"pattern": USER_ID_PATTERN, "description": "Always the caller."}
    return Text(1, USER_ID_CHARACTERS, required=True, metadata=described)


CURSOR_PATTERN = "^[A-Za-z0-9_-]+$"


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

    id = Id(example=EXAMPLE_ID)
    title = _title(required=True)
    details = _details(required=True)
    completed = fields.Boolean(required=True)
    completed_at = Time("When it became completed.", allow_none=True)
    created_at = Time("The database's clock.")
    updated_at = Time("The database's clock.")
    user_id = _user_id()


class TaskPage(Schema):
    items = fields.List(fields.Nested(Task), required=True, metadata={"maxItems": LARGEST_PAGE})
    next_cursor = Text(
        1,
        CURSOR_CHARACTERS,
        required=True,
        allow_none=True,
        metadata={"pattern": CURSOR_PATTERN, "description": "null on the last page."},
    )


class _Filters(Schema):
    """What both families filter by."""

    completed = QueryBoolean(metadata={"description": "Only tasks that are completed, or only those that are not."})
    q = Text(1, SEARCH_CHARACTERS, metadata={"description": "A part of the title or the details; case is ignored."})
    cursor = Text(
        1,
        CURSOR_CHARACTERS,
        metadata={
            "pattern": CURSOR_PATTERN,
            "description": "Where the page before this one ended. Belongs to its filters and sort.",
        },
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

    id = Id(example=EXAMPLE_ID)
    title = _title(required=True)
    description = _details(required=True, attribute="details")
    completed = fields.Boolean(required=True)
    completed_at = Time("When it became completed.", allow_none=True)
    created_at = Time("The database's clock.")
    updated_at = Time("The database's clock.")
    user_id = _user_id()


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
