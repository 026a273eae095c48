"""The schemas of a task in requests and responses, in both families."""

from collections.abc import Mapping
from contextlib import suppress
from typing import Any, ClassVar

from marshmallow import Schema, ValidationError, fields
from marshmallow.validate import OneOf

from app.auth.claims import USER_ID_CHARACTERS, USER_ID_PATTERN
from app.http.fields import (
    EXAMPLE_ID,
    EXAMPLE_USER_ID,
    Boolean,
    Id,
    Text,
    Time,
    Uuid,
)
from app.tasks.fields import (
    DETAILS_CHARACTERS,
    PRIORITIES,
    REMINDERS,
    TITLE_CHARACTERS,
    Day,
    Moment,
    Priority,
    Reminders,
    Rule,
    Tags,
    Zone,
    write_tags,
)
from app.tasks.order import POSITION_CHARACTERS
from app.tasks.schedule import normalize, refuse_two_dues

EXAMPLE_NEW_ID = "0199b1f3-8d4f-7b52-8e6c-3a7d9f1b5c28"
ENDS = ("first", "last")
DUE_ON = "Due until the end of this day in `time_zone`. A value clears `due_at`."
DUE_AT = "Due at this moment. A value clears `due_on`."
LIST_ID = "The list that it is in; null is the inbox. A subtask is always in the list of its parent."
PARENT_ID = "The task of which this is a subtask."
POSITION = {
    "pattern": "^[0-9A-Za-z]*$",
    "maxLength": POSITION_CHARACTERS,
    "example": "0647a3f1c9d25e",
    "description": "Sort the tasks of one list and parent by it, as code points, then by `id`.",
}


def _title(**options: Any) -> Text:
    return Text(1, TITLE_CHARACTERS, trimmed=True, metadata={"example": "Buy tea"}, **options)


def _details(**options: Any) -> Text:
    return Text(0, DETAILS_CHARACTERS, allow_none=True, metadata={"example": "Green, loose"}, **options)


def read_only(format_: str | None = None, *, allow_none: bool = False) -> fields.String:
    limits: dict[str, Any] = {"format": format_} if format_ else {"pattern": USER_ID_PATTERN}
    described = {**limits, "maxLength": USER_ID_CHARACTERS}
    return fields.String(dump_only=True, allow_none=allow_none, metadata=described)


def user_id_field() -> Text:
    described = {"pattern": USER_ID_PATTERN, "description": "Always the caller.", "example": EXAMPLE_USER_ID}
    return Text(1, USER_ID_CHARACTERS, required=True, metadata=described)


class PartialSchema(Schema):
    """A schema that loads only the fields that are there.

    What is valid takes a third of marshmallow's time, which looks at every field of the schema. Of what is invalid,
    marshmallow itself names all mistakes.
    """

    # The values of absent fields.
    defaults: ClassVar[Mapping[str, Any]] = {}

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        if any(self._hooks.values()):
            raise TypeError(f"{type(self).__name__} has hooks, which load() does not call")
        self._required = {name for name, field in self.load_fields.items() if field.required}
        self._read_only = self.dump_fields.keys() - self.load_fields.keys()
        self._by_name = {
            field.data_key or name: (field.attribute or name, field) for name, field in self.load_fields.items()
        }

    def load(self, data: Any, **options: Any) -> dict[str, Any]:
        if isinstance(data, Mapping):
            if not self._read_only.isdisjoint(data):
                # A client may send back what it got (AIP-203).
                data = {name: value for name, value in data.items() if name not in self._read_only}
            # Where something required is absent, marshmallow says so.
            if self._required <= data.keys():
                with suppress(KeyError, ValidationError):
                    return {**self.defaults, **self._load_valid(data)}
                options["partial"] = True
        return {**self.defaults, **super().load(data, **options)}

    def _load_valid(self, data: Mapping[str, Any]) -> dict[str, Any]:
        """Load the fields; raise KeyError at an unknown one, or ValidationError at the first invalid one."""
        loaded = {}
        for name, value in data.items():
            attribute, field = self._by_name[name]
            loaded[attribute] = field.deserialize(value, name, data)
        return loaded


class TaskFields(PartialSchema):
    """The fields that a client can write, except `details`, whose name differs between the families."""

    title = _title()
    completed = Boolean()
    priority = Priority()
    tags = Tags()
    due_on = Day(DUE_ON)
    due_at = Moment(DUE_AT)
    time_zone = Zone()
    recurrence = Rule()
    reminders = Reminders()
    list_id = Uuid(allow_none=True, metadata={"example": None, "description": LIST_ID})
    parent_id = Uuid(allow_none=True, metadata={"example": None, "description": PARENT_ID})


# The stored values of the fields that a whole task leaves out.
# A subtask's list is its parent's, so the list has no default until the parent is known.
DEFAULTS = dict.fromkeys(("details", *TaskFields._declared_fields.keys() - {"title", "list_id"})) | {
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
    reminders = Reminders(f"{REMINDERS} Empty if left out.")

    def load(self, data: Any, **options: Any) -> dict[str, Any]:
        task = normalize(super().load(data, **options))
        return task if task["parent_id"] else {"list_id": None, **task}


class ReadOnly(Schema):
    """Read-only fields. Requests may contain them, and they are ignored."""

    id = read_only("uuid")
    position = fields.String(dump_only=True, metadata=POSITION)
    completed_at = read_only("date-time", allow_none=True)
    created_at = read_only("date-time")
    updated_at = read_only("date-time")
    user_id = read_only()


class _NewTask(_WholeTask):
    details = _details()


class TaskReplacement(_NewTask, ReadOnly):
    """A whole task; what is left out has its default, which is null where none is named."""


def new_id_field(**metadata: str) -> Uuid:
    return Uuid(metadata={"description": "An id of your own. If left out, the service makes one.", **metadata})


class NewTask(_NewTask):
    """A task to be created."""

    # The one that the examples of the other operations name.
    id = new_id_field(example=EXAMPLE_ID)


class _Changes(TaskFields):
    def load(self, data: Any, **options: Any) -> dict[str, Any]:
        changes = super().load(data, **options)
        refuse_two_dues(changes)
        return changes


class TaskPatch(_Changes, ReadOnly):
    """Some fields of a task."""

    details = _details()


class Task(Schema):
    """A task as `/v1` returns it."""

    id = Id()
    title = _title(required=True)
    details = _details(required=True)
    completed = fields.Boolean(required=True)
    completed_at = Time("When it was completed.", allow_none=True, example=None)
    priority = Priority(required=True)
    tags = Tags(required=True)
    due_on = Day(DUE_ON, required=True)
    due_at = Time(DUE_AT, allow_none=True, example=None)
    time_zone = Zone(required=True)
    recurrence = Rule(required=True)
    reminders = Reminders(required=True)
    list_id = Id(allow_none=True, example=None, description=LIST_ID)
    parent_id = Id(allow_none=True, example=None, description=PARENT_ID)
    position = fields.String(required=True, metadata=POSITION)
    created_at = Time("By the database's clock.")
    updated_at = Time("By the database's clock.")
    user_id = user_id_field()


class NewUserTask(_WholeTask):
    """A task to be created, with `description` for `details`."""

    id = new_id_field()
    description = _details(attribute="details")


class UserTaskPatch(_Changes, ReadOnly):
    """Some fields of a task, with `description` for `details`; the rest stays as it is."""

    description = _details(attribute="details")


class UserTask(Task):
    """A task as `/api/{user_id}` returns it: `description` for `details`."""

    class Meta:
        fields = tuple("description" if name == "details" else name for name in Task._declared_fields)

    description = _details(required=True, attribute="details")


class AnyMove(Schema):
    """Where to put something: exactly one of `before`, `after` and `place`."""

    before = Uuid()
    after = Uuid()
    place = fields.String(
        validate=OneOf(ENDS),
        metadata={"component": "Place", "enum": [*ENDS], "example": "first", "description": "The end to put it at."},
    )

    def load(self, data: Any, **options: Any) -> dict[str, Any]:
        move: dict[str, Any] = super().load(data, **options)
        _refuse_two_places(move)
        return move


class Move(AnyMove):
    """Where to put a task: exactly one of `before`, `after` and `place`."""

    before = Uuid(metadata={"description": "Next to this task, in its list and under its parent."})
    after = Uuid(metadata={"description": "Next to this task, in its list and under its parent."})
    list_id = Uuid(
        allow_none=True, metadata={"description": "With `place`: the list to put it into; null is the inbox."}
    )
    parent_id = Uuid(allow_none=True, metadata={"description": "With `place`: the task to make it a subtask of."})


def _refuse_two_places(move: Mapping[str, Any]) -> None:
    """Raise ValidationError unless a move names exactly one place."""
    if len(move.keys() & {"before", "after", "place"}) != 1:
        raise ValidationError({"place": ["Give exactly one of before, after and place."]})
    for name in ("list_id", "parent_id"):
        if name in move and "place" not in move:
            raise ValidationError({name: ["Leave this out: its neighbour tells the list and the parent."]})


class Completion(Schema):
    """Whether the task is to be completed. Without a body the task is toggled."""

    completed = Boolean(metadata={"example": True})
