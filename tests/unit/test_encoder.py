"""The fast encoder of rows agrees with the schemas."""

import json
import re
from collections import namedtuple
from collections.abc import Callable
from datetime import UTC
from typing import Any

import orjson
import pytest
from flask import Flask
from hypothesis import given
from hypothesis import strategies as st
from marshmallow import Schema
from sqlalchemy import update

from app.auth.identity import Identity
from app.database import execute, scope
from app.database.statements import Row
from app.http.responses import json_response
from app.tasks import edits, listing, queries
from app.tasks.fields import write_tags
from app.tasks.models import LISTED, tasks
from app.tasks.order import DIGITS
from app.tasks.reminders import write_reminders
from app.tasks.responses import TASK, USER_TASK, Encoder
from app.tasks.schemas import Task, TaskReplacement, UserTask
from app.times import rfc3339
from tests.conftest import new_user_id

BOTH = pytest.mark.parametrize(("encoder", "schema"), [(TASK, Task()), (USER_TASK, UserTask())], ids=["v1", "by user"])
FIRST_MOMENT_OF_A_SECOND = "2026-03-14T09:26:53.000000Z"
EVERYTHING = {
    "title": 'ä 茶 ☕ \u2028 "\\ </script>',
    "details": "\n\t\x01\x7f",
    "completed": True,
    "priority": "high",
    "tags": ["ä, 茶", '"\n\\'],
    "time_zone": "Pacific/Auckland",
    "recurrence": "FREQ=DAILY",
    "reminders": [{"before_minutes": 0}, {"at": "2026-03-14T09:26:53Z"}],
}
TASKS = {
    "open": {"title": "tea"},
    "completed": {"title": "tea", "completed": True},
    "detailed": {"title": "tea", "details": ""},
    "everything, due on a day": {**EVERYTHING, "due_on": "2026-03-14"},
    "everything, due at a time": {**EVERYTHING, "due_at": "2026-03-14T09:26:53Z"},
}

TIMES = st.datetimes(timezones=st.just(UTC)).map(rfc3339)
REMINDERS = st.builds(lambda minutes: {"before_minutes": minutes}, st.integers(0, 40_320)) | st.builds(
    lambda time: {"at": time}, TIMES
)
ANY_ROW = st.builds(
    namedtuple("Row", [column.key for column in queries.TASK]),
    id=st.uuids().map(str),
    title=st.text(min_size=1, max_size=200),
    details=st.none() | st.text(max_size=200),
    completed_at=st.none() | TIMES,
    priority=st.integers(0, 3),
    tags=st.lists(st.text(min_size=1, max_size=50), max_size=20).map(write_tags),
    due_on=st.none() | st.dates().map(str),
    due=st.none() | TIMES,
    time_zone=st.none() | st.sampled_from(["UTC", "Europe/Berlin"]),
    recurrence=st.none() | st.just("FREQ=DAILY"),
    reminders=st.none() | st.lists(REMINDERS, max_size=5).map(write_reminders),
    list_id=st.none() | st.uuids().map(str),
    parent_id=st.none() | st.uuids().map(str),
    position=st.text(DIGITS, max_size=200),
    created_at=TIMES,
    updated_at=TIMES,
    user_id=st.text(min_size=1, max_size=255),
    version=st.integers(1, 2**31 - 1),
)

NewRow = Callable[..., Row]


@pytest.fixture
def new_row(app: Flask) -> NewRow:
    """Return a function that creates a task with changed columns, and returns its row."""

    def make(task: dict[str, Any], **columns: str) -> Row:
        user_id = new_user_id()
        with app.app_context(), scope(user_id):
            row = edits.create_task(Identity(user_id), TaskReplacement().load(task))
            if columns:
                execute(update(tasks).where(tasks.c.user_id == user_id).values(columns))
            return queries.get_task(user_id, row.id)

    return make


def described(schema: Schema, row: Row) -> dict[str, Any]:
    """Return a row as its schema dumps it. `completed` and `due_at` have no columns of their own."""
    derived = {"completed": row.completed_at is not None, "due_at": None if row.due_on else row.due}
    return dict(schema.dump({**row._asdict(), **derived}))


@BOTH
@given(row=ANY_ROW)
def test_a_row_is_encoded_field_by_field(encoder: Encoder, schema: Schema, row: Row) -> None:
    """With the schema's fields, order and values, as a dictionary and as text."""
    assert list(encoder.fields(row).items()) == list(described(schema, row).items())
    assert orjson.dumps(encoder.encoded(row)) == orjson.dumps(encoder.fields(row))


@BOTH
@pytest.mark.parametrize("name", TASKS)
def test_a_row_is_encoded_as_its_schema_dumps_it(new_row: NewRow, encoder: Encoder, schema: Schema, name: str) -> None:
    """Field by field, with JSON's types, so that the schema can load it again."""
    row = new_row(TASKS[name])

    encoded = encoder.fields(row)

    assert encoded == described(schema, row)
    assert list(map(type, encoded.values())) == list(map(type, described(schema, row).values()))
    assert schema.validate(encoded) == {}


@BOTH
def test_many_rows_are_encoded_like_single_ones(new_row: NewRow, encoder: Encoder, schema: Schema) -> None:
    """All rows of a list belong to the same user."""
    rows = [new_row(task)._replace(user_id="ann") for task in TASKS.values()]
    listed = [row[: len(LISTED)] for row in rows]

    assert encoder.many(listed, "ann") == [described(schema, row) for row in rows]
    assert orjson.dumps(encoder.array(listed, "ann")) == orjson.dumps(encoder.many(listed, "ann"))
    assert orjson.dumps(encoder.array([], "ann")) == b"[]"


def test_every_statement_returns_the_same_columns(app: Flask, new_row: NewRow) -> None:
    """In every way of reaching a task."""
    row = new_row(TASKS["completed"])
    query = {"limit": 5, "sort": "title"}
    with app.app_context(), scope(row.user_id):
        listed = [
            *listing.list_tasks(row.user_id, query).tasks,
            *listing.list_tasks_and_total(row.user_id, query)[0].tasks,
        ]
        read = queries.get_task(row.user_id, row.id)
        written = [
            queries.change_at_once(row.user_id, row.id, {"title": "tea"}),
            queries.toggle_at_once(row.user_id, row.id),
        ]

    assert {found._fields for found in written} == {row._fields}
    assert [TASK.fields(read), *TASK.many(listed, row.user_id)] == [TASK.fields(row)] * 3


@pytest.mark.parametrize("column", ["completed_at", "created_at", "updated_at"])
def test_a_time_always_has_six_fractional_digits(new_row: NewRow, column: str) -> None:
    """Zeros if there are no microseconds."""
    row = new_row(TASKS["completed"], **{column: FIRST_MOMENT_OF_A_SECOND})
    encoded = TASK.fields(row)

    assert encoded[column] == FIRST_MOMENT_OF_A_SECOND
    for name in ("completed_at", "created_at", "updated_at"):
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", encoded[name])


@pytest.mark.parametrize("name", TASKS)
def test_the_encoded_bytes_are_valid_json(app: Flask, new_row: NewRow, name: str) -> None:
    """Any parser reads the schema's values."""
    row = new_row(TASKS[name])
    with app.app_context():
        assert json.loads(json_response(TASK.encoded(row)).data) == described(Task(), row)
