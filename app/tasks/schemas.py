"""The request and response schemas of the task operations, in both families."""

from collections.abc import Mapping
from typing import Any, ClassVar

from marshmallow import Schema, fields
from marshmallow.validate import Length, OneOf

from app.auth.claims import USER_ID_CHARACTERS, USER_ID_PATTERN
from app.http.fields import (
    EXAMPLE_ID,
    EXAMPLE_USER_ID,
    Boolean,
    Count,
    Id,
    OneOfSchemas,
    QueryBoolean,
    QueryInteger,
    Text,
    Time,
    Uuid,
)
from app.tasks.fields import (
    DETAILS_CHARACTERS,
    MAX_TAGS,
    PRIORITIES,
    PRIORITY,
    TAG_CHARACTERS,
    TITLE_CHARACTERS,
    Day,
    Moment,
    MomentOrDay,
    Priority,
    Rule,
    Tags,
    Zone,
    write_tags,
)
from app.tasks.formats.records import FIELDS
from app.tasks.listing import SORTS
from app.tasks.schedule import normalize, refuse_two_dues
from app.tasks.summary import MAX_TAGS_SHOWN

SEARCH_CHARACTERS = 200
CURSOR_CHARACTERS = 2_000
PAGE_SIZE, MAX_PAGE = 50, 200
# Front ends may expect all of a user's tasks in one array.
MAX_ARRAY = 1_000
MAX_OPERATIONS = 100

EXAMPLE_NEW_ID = "0199b1f3-8d4f-7b52-8e6c-3a7d9f1b5c28"
EXAMPLE_CURSOR = "WyItY3JlYXRlZF9hdCIsMTddCg"
DUE_ON = "Due until the end of this day in `time_zone`. A value clears `due_at`."
DUE_AT = "Due at this moment. A value clears `due_on`."


def _title(**options: Any) -> Text:
    return Text(1, TITLE_CHARACTERS, trimmed=True, metadata={"example": "Buy tea"}, **options)


def _details(**options: Any) -> Text:
    return Text(0, DETAILS_CHARACTERS, allow_none=True, metadata={"example": "Green, loose"}, **options)


def _read_only(format_: str | None = None, *, allow_none: bool = False) -> fields.String:
    limits: dict[str, Any] = {"format": format_} if format_ else {"pattern": USER_ID_PATTERN}
    described = {**limits, "maxLength": USER_ID_CHARACTERS}
    return fields.String(dump_only=True, allow_none=allow_none, metadata=described)


def _user_id() -> Text:
    described = {"pattern": USER_ID_PATTERN, "description": "Always the caller.", "example": EXAMPLE_USER_ID}
    return Text(1, USER_ID_CHARACTERS, required=True, metadata=described)


CURSOR_PATTERN = "^[A-Za-z0-9_-]+$"


class _PartialSchema(Schema):
    """A schema that skips absent fields: marshmallow would ask each of them for its default."""

    # The values of absent fields.
    defaults: ClassVar[Mapping[str, Any]] = {}

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._required = {name for name, field in self.load_fields.items() if field.required}
        self._read_only = self.dump_fields.keys() - self.load_fields.keys()

    def load(self, data: Any, **options: Any) -> dict[str, Any]:
        if isinstance(data, Mapping):
            if not self._read_only.isdisjoint(data):
                # A client may send back what it got (AIP-203).
                data = {name: value for name, value in data.items() if name not in self._read_only}
            # Where something required is absent, marshmallow says so.
            if self._required <= data.keys():
                options["partial"] = True
        return {**self.defaults, **super().load(data, **options)}


class TaskFields(_PartialSchema):
    """The fields that a client can write, except `details`, whose name differs between the families."""

    title = _title()
    completed = Boolean()
    priority = Priority()
    tags = Tags()
    due_on = Day(DUE_ON)
    due_at = Moment(DUE_AT)
    time_zone = Zone()
    recurrence = Rule()


# The stored values of the fields that a whole task leaves out.
DEFAULTS = dict.fromkeys(("details", *TaskFields._declared_fields.keys() - {"title"})) | {
    "completed": False,
    "priority": PRIORITIES.index("none"),
    "tags": write_tags([]),
}


class _WholeTask(TaskFields):
    defaults = DEFAULTS

    title = _title(required=True)
    # The defaults are given in words: openapi-typescript makes a field with a `default` required in requests.
    completed = Boolean(metadata={"description": "`false` if left out."})
    priority = Priority(metadata={"description": "`none` if left out."})
    tags = Tags(metadata={"description": "Empty if left out."})

    def load(self, data: Any, **options: Any) -> dict[str, Any]:
        return normalize(super().load(data, **options))


class ReadOnly(Schema):
    """Read-only fields. Requests may contain them, and they are ignored."""

    id = _read_only("uuid")
    completed_at = _read_only("date-time", allow_none=True)
    created_at = _read_only("date-time")
    updated_at = _read_only("date-time")
    user_id = _read_only()


class _NewTask(_WholeTask):
    details = _details()


class TaskReplacement(_NewTask, ReadOnly):
    """A whole task; what is left out has its default, which is null where none is named."""


def _new_id(**metadata: str) -> Uuid:
    return Uuid(metadata={"description": "An id of your own. If left out, the service makes one.", **metadata})


class NewTask(_NewTask):
    """A task to be created."""

    # The one that the examples of the other operations name.
    id = _new_id(example=EXAMPLE_ID)


class _Changes(TaskFields):
    def load(self, data: Any, **options: Any) -> dict[str, Any]:
        changes = super().load(data, **options)
        refuse_two_dues(changes)
        return changes


class TaskPatch(_Changes, ReadOnly):
    """Some fields of a task."""

    details = _details()


class _AnsweredTask(Schema):
    id = Id()
    title = _title(required=True)
    completed = fields.Boolean(required=True)
    completed_at = Time("When it was completed.", allow_none=True, example=None)
    priority = Priority(required=True)
    tags = Tags(required=True)
    due_on = Day(DUE_ON, required=True)
    due_at = Time(DUE_AT, allow_none=True, example=None)
    time_zone = Zone(required=True)
    recurrence = Rule(required=True)
    created_at = Time("By the database's clock.")
    updated_at = Time("By the database's clock.")
    user_id = _user_id()


class Task(_AnsweredTask):
    """A task as `/v1` returns it."""

    class Meta:
        fields = FIELDS

    details = _details(required=True)


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


class _Filters(_PartialSchema):
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


class TaskQuery(_Filters):
    defaults: ClassVar = {"limit": PAGE_SIZE, "sort": "-created_at"}

    limit = QueryInteger(1, MAX_PAGE, metadata={"default": PAGE_SIZE})
    total = QueryBoolean(metadata={"description": "`true` adds how many tasks there are on all pages."})
    sort = fields.String(
        validate=OneOf(_SORTS),
        metadata={
            "default": "-created_at",
            "description": "A leading `-` reverses the order. Tasks without a due date always come last. `title` "
            "compares letters first, without case and accents.",
        },
    )


class NewUserTask(_WholeTask):
    """A task to be created, with `description` for `details`."""

    id = _new_id()
    description = _details(attribute="details")


class UserTaskPatch(_Changes, ReadOnly):
    """Some fields of a task, with `description` for `details`; the rest stays as it is."""

    description = _details(attribute="details")


class UserTask(_AnsweredTask):
    """A task as `/api/{user_id}` returns it: `description` for `details`."""

    class Meta:
        fields = tuple("description" if name == "details" else name for name in FIELDS)

    description = _details(required=True, attribute="details")


# This family's own names → the names of `/v1`.
USER_SORTS: Mapping[str, str] = {"created": "-created_at", "title": "title", "due_date": "due"}


class UserTaskQuery(_Filters):
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


class Completion(Schema):
    """Whether the task is to be completed. Without a body the task is toggled."""

    completed = Boolean(metadata={"example": True})


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


class DeleteOperation(Schema):
    op = _op("delete")
    id = Uuid(required=True)


OPERATIONS: Mapping[str, type[Schema]] = {
    "create": CreateOperation,
    "update": UpdateOperation,
    "complete": CompleteOperation,
    "reopen": ReopenOperation,
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


class ChangesPage(Schema):
    """Apply `changed` and `deleted`, then ask again with `next`: at once if `has_more`, otherwise later."""

    changed = fields.List(fields.Nested(Task), required=True, metadata={"maxItems": MAX_ARRAY})
    deleted = fields.List(Id(example=EXAMPLE_NEW_ID), required=True, metadata={"maxItems": MAX_ARRAY})
    next = Text(1, CURSOR_CHARACTERS, required=True, metadata={"pattern": CURSOR_PATTERN, "example": EXAMPLE_CURSOR})
    has_more = fields.Boolean(required=True)
