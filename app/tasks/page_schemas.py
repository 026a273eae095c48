"""The schemas of lists: filters, pages, changes, and the summary."""

from collections.abc import Mapping
from typing import Any, ClassVar

from marshmallow import Schema, fields
from marshmallow.validate import Length, OneOf

from app.http.fields import (
    Count,
    Id,
    QueryBoolean,
    QueryInteger,
    Text,
    Uuid,
)
from app.tasks.fields import (
    MAX_TAGS,
    PRIORITIES,
    PRIORITY,
    TAG_CHARACTERS,
    MomentOrDay,
    Zone,
)
from app.tasks.filters import NONE
from app.tasks.list_schemas import List
from app.tasks.listing import SORTS
from app.tasks.schemas import EXAMPLE_NEW_ID, PartialSchema, Task
from app.tasks.summary import MAX_TAGS_SHOWN
from app.tasks.waiting import MAX_WAIT_SECONDS

SEARCH_CHARACTERS = 200
MAX_LISTS_NAMED = 20
CURSOR_CHARACTERS = 2_000
PAGE_SIZE, MAX_PAGE = 50, 200
# Front ends may expect all of a user's tasks in one array.
MAX_ARRAY = 1_000

EXAMPLE_CURSOR = "WyItY3JlYXRlZF9hdCIsMTddCg"
CURSOR_PATTERN = "^[A-Za-z0-9_-]+$"
ID_OR_NONE = "^(none|[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12})$"


class TaskPage(Schema):
    items = fields.List(fields.Nested(Task), required=True, metadata={"maxItems": MAX_PAGE})
    next_cursor = Text(
        1,
        CURSOR_CHARACTERS,
        required=True,
        allow_none=True,
        metadata={"pattern": CURSOR_PATTERN, "description": "null on the last page.", "example": EXAMPLE_CURSOR},
    )
    total = Count(metadata={"description": "How many there are on all pages; only with `total=true`."})


class SummaryQuery(Schema):
    time_zone = Zone()


class TagCount(Schema):
    tag = Text(1, TAG_CHARACTERS, required=True, metadata={"example": "home"})
    open = Count(required=True)


class PriorityCounts(Schema):
    """Open tasks of each priority."""

    none = Count(required=True)
    low = Count(required=True)
    medium = Count(required=True)
    high = Count(required=True)


class ListCounts(Schema):
    # Null for the tasks that are in no list.
    list_id = Id(allow_none=True)
    open = Count(required=True)
    completed = Count(required=True)


class TaskSummary(Schema):
    """How many tasks there are. `by_tag` and `by_priority` count open tasks; `by_tag` names the 100 most used."""

    open = Count(required=True)
    completed = Count(required=True)
    overdue = Count(required=True)
    due_today = Count(required=True)
    in_trash = Count(required=True)
    by_list = fields.List(fields.Nested(ListCounts), required=True, metadata={"maxItems": 1_000})
    by_tag = fields.List(fields.Nested(TagCount), required=True, metadata={"maxItems": MAX_TAGS_SHOWN})
    by_priority = fields.Nested(PriorityCounts, required=True)


class IdOrNone(Uuid):
    """In a query: a UUID, or the word `none`."""

    def __init__(self, *, metadata: dict[str, Any] | None = None) -> None:
        super().__init__()
        # Without the format of a UUID.
        self.metadata = {"pattern": ID_OR_NONE, "maxLength": 36, **(metadata or {})}

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> Any:
        return value if value == NONE else super()._deserialize(value, attr, data, **kwargs)


class Filters(PartialSchema):
    """The filters of both families. A task must match all that are given."""

    completed = QueryBoolean(metadata={"description": "`true`: only completed tasks; `false`: only open tasks."})
    priority = fields.List(
        fields.String(validate=OneOf(PRIORITIES), metadata=PRIORITY),
        validate=Length(1, len(PRIORITIES)),
        metadata={"description": "Only tasks with this priority, or with one of several."},
    )
    tag = fields.List(
        Text(1, TAG_CHARACTERS, trimmed=True),
        validate=Length(1, MAX_TAGS),
        metadata={"description": "Only tasks with this tag, or with all of several. Case is ignored."},
    )
    q = Text(1, SEARCH_CHARACTERS, metadata={"description": "A part of the title or the details. Case is ignored."})
    list = fields.List(
        IdOrNone(),
        validate=Length(1, MAX_LISTS_NAMED),
        metadata={"description": "Only tasks in this list, or in one of several; `none` is the inbox."},
    )
    parent = IdOrNone(
        metadata={"description": "Only the subtasks of this task; `none`: only tasks that are not subtasks."}
    )
    due_before = MomentOrDay("Only tasks that are due before this time, or before this day.")
    due_after = MomentOrDay("Only tasks that are due after this time, or after this day.")
    overdue = QueryBoolean(
        metadata={"description": "`true`: only open tasks past their due date; `false`: only the other tasks."}
    )
    deleted = QueryBoolean(
        metadata={"description": "`true`: only tasks in the trash. Otherwise only tasks that are not in the trash."}
    )
    cursor = Text(
        1,
        CURSOR_CHARACTERS,
        metadata={
            "pattern": CURSOR_PATTERN,
            "description": "The cursor from the previous page. Use it with the same filters and sort.",
        },
    )


_SORTS = [f"{sign}{name}" for name in SORTS for sign in ("", "-")]


class TaskQuery(Filters):
    defaults: ClassVar = {"limit": PAGE_SIZE, "sort": "-created_at"}

    limit = QueryInteger(1, MAX_PAGE, metadata={"default": PAGE_SIZE})
    total = QueryBoolean(metadata={"description": "`true` adds how many tasks there are on all pages."})
    sort = fields.String(
        validate=OneOf(_SORTS),
        metadata={
            "default": "-created_at",
            "description": "A leading `-` reverses the order. Tasks without a due date always come last. `title` "
            "compares letters first, without case and accents. `position` is the order that moves make, in one list.",
        },
    )


# This family's own names → the names of `/v1`.
USER_SORTS: Mapping[str, str] = {"created": "-created_at", "title": "title", "due_date": "due"}


class UserTaskQuery(Filters):
    defaults: ClassVar = {"limit": MAX_ARRAY, "status": "all", "sort": "created"}

    limit = QueryInteger(1, MAX_ARRAY, metadata={"default": MAX_ARRAY})
    status = fields.String(validate=OneOf(["all", "pending", "completed"]), metadata={"default": "all"})
    sort = fields.String(
        validate=OneOf(sorted({*USER_SORTS, *_SORTS})),
        metadata={
            "default": "created",
            "description": "`created` is newest first; `title` and `due_date` are ascending. For the other names, a "
            "leading `-` reverses the order.",
        },
    )


class ChangesQuery(Schema):
    since = Text(
        1,
        CURSOR_CHARACTERS,
        metadata={
            "pattern": CURSOR_PATTERN,
            "description": "`next` from an earlier response. Without it, all tasks are listed.",
        },
    )
    limit = QueryInteger(1, MAX_ARRAY, load_default=MAX_ARRAY)
    wait = QueryInteger(
        1,
        MAX_WAIT_SECONDS,
        metadata={
            "description": "If nothing is new after `since`, wait for changes, for up to so many seconds. If there are "
            "none by then, the response is empty, and its `next` means the same as `since`."
        },
    )
    lists = QueryBoolean(
        metadata={"description": "`true` adds the changes of lists. Use it with every token of a copy, or with none."}
    )


class ListChanges(Schema):
    """Changes of lists; apply them before those of tasks."""

    changed = fields.List(fields.Nested(List), required=True, metadata={"maxItems": MAX_ARRAY})
    deleted = fields.List(Id(example=EXAMPLE_NEW_ID), required=True, metadata={"maxItems": MAX_ARRAY})


class ChangesPage(Schema):
    """Apply `changed` and `deleted`, then ask again with `next`: at once if `has_more`, otherwise later."""

    changed = fields.List(fields.Nested(Task), required=True, metadata={"maxItems": MAX_ARRAY})
    deleted = fields.List(Id(example=EXAMPLE_NEW_ID), required=True, metadata={"maxItems": MAX_ARRAY})
    lists = fields.Nested(ListChanges, metadata={"description": "Only with `lists=true`."})
    next = Text(1, CURSOR_CHARACTERS, required=True, metadata={"pattern": CURSOR_PATTERN, "example": EXAMPLE_CURSOR})
    has_more = fields.Boolean(required=True)
