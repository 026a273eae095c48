"""Loading what is there gives what marshmallow alone would give, values and mistakes."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from marshmallow import Schema, ValidationError, fields, validates_schema

from app.tasks.list_schemas import ListFields
from app.tasks.page_schemas import TaskQuery, UserTaskQuery
from app.tasks.schemas import NewTask, NewUserTask, PartialSchema, TaskPatch, TaskReplacement, UserTaskPatch
from tests.unit.test_fields import ANYTHING

SCHEMAS = pytest.mark.parametrize(
    "kind",
    [NewTask, NewUserTask, TaskPatch, TaskReplacement, UserTaskPatch, TaskQuery, UserTaskQuery, ListFields],
)
VALUES = [
    *("tea", "", " tea ", "x" * 300, "true", "100", "2026-03-14", "2026-03-14T09:26:53Z", "Europe/Berlin", "high"),
    *(True, 7, None, ["high"], ["tea", "Tea"], [""], "none", [{"before_minutes": 15}], "FREQ=DAILY", "-title", "open"),
    "0199b1f3-8d4f-7b52-8e6c-3a7d9f1b5c28",
]
NAMES = [
    *("title", "details", "description", "completed", "priority", "tags", "due_on", "due_at", "time_zone", "reminders"),
    *("recurrence", "list_id", "parent_id", "id", "user_id", "limit", "sort", "status", "q", "tag", "cursor", "name"),
    "unknown",
]
OBJECTS = st.dictionaries(st.sampled_from(NAMES), st.sampled_from(VALUES) | ANYTHING, max_size=8)


class Slow:
    """A schema of this kind whose load() leaves everything to marshmallow."""

    def __init__(self, kind: type[PartialSchema]) -> None:
        def refuse(_data: Any) -> Any:
            raise KeyError

        self._schema = kind()
        self._schema._load_valid = refuse  # type: ignore[method-assign]

    def load(self, data: Any) -> Any:
        return self._schema.load(data)


def outcome(schema: Any, data: Any) -> Any:
    """Return what is loaded, or the mistakes."""
    try:
        return schema.load(data)
    except ValidationError as error:
        return error.messages_dict


@SCHEMAS
@given(data=OBJECTS | st.sampled_from([{}, {"title": "tea"}, [], "tea", None, 7]))
def test_all_is_loaded_as_marshmallow_loads_it(kind: type[PartialSchema], data: Any) -> None:
    """With the same mistakes of what is invalid, all of them."""
    assert outcome(kind(), data) == outcome(Slow(kind), data)


def test_a_valid_task_is_loaded_without_marshmallows_own_load(monkeypatch: pytest.MonkeyPatch) -> None:
    """It takes three times as long."""
    monkeypatch.setattr(Schema, "_do_load", lambda *_, **__: pytest.fail("marshmallow loaded it"))

    assert TaskPatch().load({"title": "tea", "priority": "high"}) == {"title": "tea", "priority": 3}


def test_a_schema_with_hooks_is_rejected() -> None:
    """They would not be called."""

    class Hooked(PartialSchema):
        name = fields.String()

        @validates_schema
        def refuse(self, data: Any, **_: Any) -> None:
            raise ValidationError("never")

    with pytest.raises(TypeError, match="hooks"):
        Hooked()
