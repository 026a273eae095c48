"""/v1/tasks: the canonical family."""

from typing import Any

from flask import Response, g, request

from app.answers import json_response, no_content
from app.api import Blueprint, raises, takes
from app.auth.identity import authenticated
from app.problems import NotFound
from app.tasks import listing, queries
from app.tasks.idempotency import idempotent
from app.tasks.preconditions import PreconditionFailed, for_writing
from app.tasks.responses import TASK
from app.tasks.schemas import Task, TaskIn, TaskPage, TaskPatch, TaskQuery

blueprint = Blueprint("tasks", __name__, url_prefix="/v1/tasks", description="The caller's tasks.")


@blueprint.get("")
@authenticated
@blueprint.arguments(TaskQuery, location="query")
@blueprint.response(200, TaskPage)
def list_tasks(query: dict[str, Any]) -> Response:
    """List tasks, a page at a time."""
    page = listing.list_tasks(g.identity.user_id, query)
    return json_response({"items": TASK.many(page.tasks), "next_cursor": page.next_cursor})


@blueprint.post("")
@authenticated
@blueprint.arguments(TaskIn)
@idempotent
@blueprint.response(201, Task, headers=("Location", "ETag", "Idempotent-Replay"))
def create_task(task: dict[str, Any]) -> Response:
    """Create a task."""
    return TASK.created(queries.create_task(g.identity, task))


@blueprint.get("/<id:task_id>")
@authenticated
@raises(NotFound)
@takes("If-None-Match", also=(304,))
@blueprint.response(200, Task, headers=("ETag",))
def get_task(task_id: str) -> Response:
    """Show one task."""
    return TASK.respond_unless_known(queries.get_task(g.identity.user_id, task_id))


@blueprint.put("/<id:task_id>")
@authenticated
@raises(NotFound, PreconditionFailed)
@takes("If-Match", "If-None-Match")
@blueprint.arguments(TaskIn)
@blueprint.response(200, Task, headers=("ETag",))
def replace_task(task: dict[str, Any], task_id: str) -> Response:
    """Replace one task; what the body leaves out goes back to its default."""
    return TASK.respond(queries.change_task(g.identity.user_id, task_id, task, for_writing(request)))


@blueprint.patch("/<id:task_id>")
@authenticated
@raises(NotFound, PreconditionFailed)
@takes("If-Match", "If-None-Match")
@blueprint.arguments(TaskPatch)
@blueprint.response(200, Task, headers=("ETag",))
def change_task(changes: dict[str, Any], task_id: str) -> Response:
    """Change the given fields of one task."""
    return TASK.respond(queries.change_task(g.identity.user_id, task_id, changes, for_writing(request)))


@blueprint.delete("/<id:task_id>")
@authenticated
@raises(NotFound, PreconditionFailed)
@takes("If-Match", "If-None-Match")
@blueprint.response(204)
def delete_task(task_id: str) -> Response:
    """Move one task to the trash."""
    queries.delete_task(g.identity.user_id, task_id, for_writing(request))
    return no_content()


@blueprint.post("/<id:task_id>/toggle")
@authenticated
@raises(NotFound, PreconditionFailed)
@takes("If-Match", "If-None-Match")
@blueprint.response(200, Task, headers=("ETag",))
def toggle_task(task_id: str) -> Response:
    """Complete an open task, or reopen a completed one."""
    return TASK.respond(queries.toggle_task(g.identity.user_id, task_id, for_writing(request)))
