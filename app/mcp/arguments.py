"""The arguments of the tools. They are named like the API's fields and parameters, and checked by its schemas."""

from collections.abc import Mapping
from typing import Any, ClassVar

from marshmallow import Schema, fields
from marshmallow.validate import Length

from app.http.fields import Boolean, Integer, Text, Uuid
from app.tasks.fields import Zone
from app.tasks.list_schemas import NewList
from app.tasks.page_schemas import PAGE_SIZE, Filters, TaskQuery
from app.tasks.schemas import NewTask, TaskPatch

# More make a list longer than models work with.
MAX_FOUND = 100
MAX_WRITTEN = 25
REQUEST_ID_CHARACTERS = 255

# The word that clears a field: some clients cannot send null.
REMOVE = "remove"
CLEARED_BY_WORD = ("details", "due_on", "due_at", "time_zone", "recurrence", "list_id", "parent_id")


class Today(Schema):
    """What every tool takes."""

    time_zone = Zone(description="The user's time zone, such as Europe/Berlin, for `today` in the answer.")


class FoundTasks(Filters, Today):
    defaults: ClassVar = {"limit": PAGE_SIZE, "sort": "-created_at"}

    # In a query they are words.
    completed = Boolean(metadata={"description": "true: completed tasks; false: open ones (the default)."})  # type: ignore[assignment]
    overdue = Boolean(metadata={"description": "true: only open tasks past their due date."})  # type: ignore[assignment]
    deleted = Boolean(metadata={"description": "true: only tasks in the trash."})  # type: ignore[assignment]
    limit = Integer(1, MAX_FOUND, metadata={"description": f"{PAGE_SIZE} if left out."})
    sort = TaskQuery._declared_fields["sort"]


class OneTask(Today):
    id = Uuid(required=True)


class Writing(Today):
    """What every tool takes that writes."""

    request_id = Text(
        1,
        REQUEST_ID_CHARACTERS,
        metadata={
            "description": "Any text that is new for each call. A call that is repeated with the same one is done once."
        },
    )


class Changed(TaskPatch):
    """A task's id and the fields to change."""

    id = Uuid(required=True)

    def load(self, data: Any, **options: Any) -> dict[str, Any]:
        if isinstance(data, Mapping):
            data = {**data, **{name: None for name in CLEARED_BY_WORD if data.get(name) == REMOVE}}
        return super().load(data, **options)


class AddedTasks(Writing):
    tasks = fields.List(fields.Nested(NewTask), required=True, validate=Length(1, MAX_WRITTEN))


class ChangedTasks(Writing):
    tasks = fields.List(
        fields.Nested(Changed),
        required=True,
        validate=Length(1, MAX_WRITTEN),
        metadata={"description": f'Only the fields to change. "{REMOVE}" clears a field; [] clears the tags.'},
    )


class NamedTasks(Writing):
    ids = fields.List(Uuid(), required=True, validate=Length(1, MAX_WRITTEN))


class AddedList(Writing, NewList):
    """A list to add."""


def load(schema: Schema, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Return the arguments as their schema loads them. Raise ValidationError if they are wrong."""
    loaded: dict[str, Any] = schema.load({name: _listed(schema, name, value) for name, value in _given(arguments)})
    return loaded


def _given(arguments: Mapping[str, Any]) -> list[tuple[str, Any]]:
    """Leave out what models send for what they do not mean."""
    return [(name, value) for name, value in arguments.items() if value is not None and value != ""]


def _listed(schema: Schema, name: str, value: Any) -> Any:
    """Return one value for a list as a list, and leave empty texts out of its objects."""
    if not isinstance(schema.fields.get(name), fields.List):
        return value
    if not isinstance(value, list):
        return [value]
    return [
        {name: inner for name, inner in one.items() if inner != ""} if isinstance(one, dict) else one for one in value
    ]
