"""/api/{user_id}/tasks: for front ends that put the user in the path and call the details `description`."""

from typing import Any
from urllib.parse import quote, urlencode

from flask import Response, g, request

from app.auth.claims import USER_ID_CHARACTERS, USER_ID_PATTERN
from app.auth.identity import authenticated_for, take_user_from_path
from app.auth.problems import UserIdMismatch
from app.auth.tokens import TASKS_READ, TASKS_WRITE
from app.http.blueprint import Blueprint, raises, takes
from app.http.fields import EXAMPLE_USER_ID
from app.http.problems import LimitReached, NotFound
from app.http.responses import empty_response, json_response
from app.tasks import edits, listing, queries
from app.tasks.idempotency import idempotent
from app.tasks.page_schemas import MAX_ARRAY, USER_SORTS, UserTaskQuery
from app.tasks.preconditions import Precondition, conditional
from app.tasks.problems import IdTaken
from app.tasks.responses import USER_TASK
from app.tasks.schemas import Completion, NewUserTask, UserTask, UserTaskPatch
from app.turns import turn_for

blueprint = Blueprint(
    "tasks_by_user",
    __name__,
    url_prefix="/api/<user_id>/tasks",
    description="The same tasks, with the user id in the path.",
)
blueprint.url_value_preprocessor(take_user_from_path)

USER_ID = {
    "name": "user_id",
    "in": "path",
    "required": True,
    "description": "Your own user id, as in your token.",
    "example": EXAMPLE_USER_ID,
    "schema": {"type": "string", "minLength": 1, "maxLength": USER_ID_CHARACTERS, "pattern": USER_ID_PATTERN},
}


@blueprint.get("")
@authenticated_for(TASKS_READ)
@raises(UserIdMismatch)
@blueprint.arguments(UserTaskQuery, location="query")
@blueprint.response(200, {"type": "array", "maxItems": MAX_ARRAY, "items": UserTask}, headers=("Link", "X-Total-Count"))
def list_tasks_of_user(query: dict[str, Any]) -> Response:
    """List tasks as a bare array, newest first."""
    user_id = g.identity.user_id
    page, total = listing.list_tasks_and_total(user_id, _canonical(query))
    with turn_for(len(page.tasks)):
        response = json_response(USER_TASK.array(page.tasks, user_id))
    response.headers["X-Total-Count"] = str(total)
    if page.next_cursor:
        response.headers["Link"] = f'<{_path_with(cursor=page.next_cursor)}>; rel="next"'
    return response


@blueprint.post("")
@authenticated_for(TASKS_WRITE)
@raises(UserIdMismatch, IdTaken, LimitReached)
@blueprint.arguments(NewUserTask)
@idempotent
@blueprint.response(201, UserTask, headers=("Location", "ETag", "Idempotent-Replay"))
def create_task_of_user(task: dict[str, Any]) -> Response:
    """Create a task."""
    return USER_TASK.created(edits.create_task(g.identity, task))


@blueprint.get("/<id:task_id>")
@authenticated_for(TASKS_READ)
@raises(UserIdMismatch, NotFound)
@takes("If-None-Match", also=(304,))
@blueprint.response(200, UserTask, headers=("ETag",))
def get_task_of_user(task_id: str) -> Response:
    """Show one task."""
    return USER_TASK.respond_or_304(queries.get_task(g.identity.user_id, task_id))


@blueprint.put("/<id:task_id>")
@authenticated_for(TASKS_WRITE)
@raises(UserIdMismatch, LimitReached)
@conditional
@blueprint.arguments(UserTaskPatch)
@blueprint.response(200, UserTask, headers=("ETag",))
def put_task_of_user(patch: dict[str, Any], task_id: str, precondition: Precondition) -> Response:
    """Change the given fields of one task, as PATCH does: a form must not undo what it does not know."""
    return USER_TASK.respond(edits.change_task(g.identity.user_id, task_id, patch, precondition))


@blueprint.patch("/<id:task_id>")
@authenticated_for(TASKS_WRITE)
@raises(UserIdMismatch, LimitReached)
@conditional
@blueprint.arguments(UserTaskPatch)
@blueprint.response(200, UserTask, headers=("ETag",))
def change_task_of_user(patch: dict[str, Any], task_id: str, precondition: Precondition) -> Response:
    """Change the given fields of one task."""
    return USER_TASK.respond(edits.change_task(g.identity.user_id, task_id, patch, precondition))


@blueprint.delete("/<id:task_id>")
@authenticated_for(TASKS_WRITE)
@raises(UserIdMismatch)
@conditional
@blueprint.response(204)
def delete_task_of_user(task_id: str, precondition: Precondition) -> Response:
    """Move one task to the trash, and its subtasks with it."""
    edits.delete_task(g.identity.user_id, task_id, precondition)
    return empty_response()


@blueprint.patch("/<id:task_id>/complete")
@authenticated_for(TASKS_WRITE)
@raises(UserIdMismatch)
@conditional
@blueprint.arguments(Completion, location="optional_json", required=False)
@blueprint.response(200, UserTask, headers=("ETag",))
def complete_task_of_user(completion: dict[str, Any], task_id: str, precondition: Precondition) -> Response:
    """Complete or reopen one task; without a body, or with `{}`, turn it around."""
    if not completion:
        return USER_TASK.respond(edits.toggle_task(g.identity.user_id, task_id, precondition))
    return USER_TASK.respond(edits.change_task(g.identity.user_id, task_id, completion, precondition))


def _canonical(query: dict[str, Any]) -> dict[str, Any]:
    """Translate this family's sort names into those of `/v1`."""
    return {**query, "sort": USER_SORTS.get(query["sort"], query["sort"])}


def _path_with(**changes: str) -> str:
    path = f"{request.root_path.rstrip('/')}{request.path}"
    return f"{quote(path)}?{urlencode({**request.args.to_dict(flat=False), **changes}, doseq=True)}"
