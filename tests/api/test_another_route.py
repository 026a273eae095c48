"""New routes can use the existing decorators: none depends on another route's body or path."""

from typing import Any

import pytest
from flask import Flask, Response, g

from app.auth.identity import authenticated
from app.http.blueprint import Blueprint
from app.tasks import edits, queries
from app.tasks.idempotency import idempotent
from app.tasks.responses import TASK
from app.tasks.schemas import Task
from tests.conftest import Caller, make_app, new_user_id

blueprint = Blueprint("copies", __name__, url_prefix="/v1/tasks")


@blueprint.post("/<id:task_id>/copies")
@authenticated
@idempotent
@blueprint.response(201, Task, headers=("Location",))
def copy_task(task_id: str) -> Response:
    """Create a task with the same title. There is no body."""
    title: Any = queries.get_task(g.identity.user_id, task_id).title
    return TASK.created(edits.create_task(g.identity, {"title": title, "details": None, "completed": False}))


@pytest.fixture
def ann(sqlite_url: str) -> Caller:
    app: Flask = make_app(sqlite_url)
    app.register_blueprint(blueprint)
    return Caller(app, new_user_id())


def test_location_is_under_the_familys_path(ann: Caller) -> None:
    """Location leads to the new task, whichever route created it."""
    made = ann.post(f"/v1/tasks/{ann.add()['id']}/copies")

    assert made.status_code == 201
    assert ann.get(made.headers["Location"]).json == made.json


def test_a_repeated_request_without_a_body_is_done_once(ann: Caller) -> None:
    """With a key, each repetition gets the same response, and there is one new task."""
    path, key = f"/v1/tasks/{ann.add()['id']}/copies", {"Idempotency-Key": "one"}

    first, again = ann.post(path, headers=key), ann.post(path, headers=key)

    assert (first.status_code, again.json) == (201, first.json)
    assert len(ann.get("/v1/tasks").json["items"]) == 2
