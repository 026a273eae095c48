"""The schemas of lists."""

from typing import Any

from marshmallow import Schema, fields
from marshmallow.validate import OneOf, Regexp

from app.http.fields import EXAMPLE_ID, Id, Text, Time, Uuid
from app.tasks.fields import LIST_NAME_CHARACTERS
from app.tasks.lists import MAX_LISTS
from app.tasks.schemas import (
    POSITION,
    AnyMove,
    PartialSchema,
    new_id_field,
    read_only,
    user_id_field,
)


def _name(**options: Any) -> Text:
    return Text(1, LIST_NAME_CHARACTERS, trimmed=True, metadata={"example": "Groceries"}, **options)


def _color(**options: Any) -> fields.String:
    described = {"pattern": "^#[0-9A-Fa-f]{6}$", "maxLength": 7, "example": "#2e7d32"}
    return fields.String(
        allow_none=True,
        validate=Regexp(r"#[0-9A-Fa-f]{6}\Z", error="Must be a color as #rrggbb."),
        metadata=described,
        **options,
    )


class ListFields(PartialSchema):
    """The fields that a client can write."""

    name = _name()
    color = _color()


class NewList(ListFields):
    """A list to be created."""

    id = new_id_field(example=EXAMPLE_ID)
    name = _name(required=True)


class _ReadOnly(Schema):
    """Read-only fields. Requests may contain them, and they are ignored."""

    id = read_only("uuid")
    position = fields.String(dump_only=True, metadata=POSITION)
    created_at = read_only("date-time")
    updated_at = read_only("date-time")
    user_id = read_only()


class ListPatch(ListFields, _ReadOnly):
    """Some fields of a list."""


class ListReplacement(ListFields, _ReadOnly):
    """A whole list; what is left out has its default, which is null."""

    defaults = {"color": None}

    name = _name(required=True)


class List(Schema):
    """A list of tasks."""

    id = Id()
    name = _name(required=True)
    color = _color(required=True)
    position = fields.String(required=True, metadata=POSITION)
    created_at = Time("By the database's clock.")
    updated_at = Time("By the database's clock.")
    user_id = user_id_field()


class Lists(Schema):
    """All lists, in their order."""

    items = fields.List(fields.Nested(List), required=True, metadata={"maxItems": MAX_LISTS})


class ListMove(AnyMove):
    """Where to put a list: exactly one of `before`, `after` and `place`."""

    before = Uuid(metadata={"description": "Before this list."})
    after = Uuid(metadata={"description": "After this list."})


class DeletionQuery(Schema):
    tasks = fields.String(
        load_default="trash",
        validate=OneOf(["trash", "keep"]),
        metadata={"description": "`trash`: move its tasks to the trash; `keep`: move them to the inbox."},
    )
