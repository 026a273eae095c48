"""/v1/tasks: the canonical family."""

from functools import partial
from typing import Any

from flask import Response, g, stream_with_context

from app.auth.identity import authenticated_for, require_still_accepted
from app.auth.problems import RateLimited
from app.auth.tokens import TASKS_READ, TASKS_WRITE
from app.database import in_this_scope
from app.http.blueprint import TEXT_FILE, Blueprint, answers_with, raises, takes, the_request
from app.http.problems import LimitReached, NotFound, ServiceBusy
from app.http.responses import empty_response, json_response
from app.services import services
from app.tasks import batch, edits, listing, queries, summary, transfer
from app.tasks.batch_schemas import BatchRequest, BatchResponse
from app.tasks.file_schemas import ExportQuery, ImportQuery, ImportResult
from app.tasks.formats import FORMATS
from app.tasks.idempotency import idempotent
from app.tasks.page_schemas import ChangesPage, ChangesQuery, SummaryQuery, TaskPage, TaskQuery, TaskSummary
from app.tasks.preconditions import Precondition, conditional
from app.tasks.problems import IdTaken, InvalidCursor, ParentInTrash, ResyncRequired
from app.tasks.responses import LIST, TASK
from app.tasks.schemas import Move, NewTask, Task, TaskPatch, TaskReplacement
from app.tasks.transfer import Checked
from app.tasks.uploads import checked_file
from app.tasks.waiting import Patience
from app.turns import SLEEP, turn_for

blueprint = Blueprint("tasks", __name__, url_prefix="/v1/tasks", description="The caller's tasks.")


@blueprint.get("")
@authenticated_for(TASKS_READ)
@blueprint.arguments(TaskQuery, location="query")
@blueprint.response(200, TaskPage)
def list_tasks(query: dict[str, Any]) -> Response:
    """List tasks, a page at a time."""
    user_id = g.identity.user_id
    if not query.pop("total", False):
        page = listing.list_tasks(user_id, query)
        return json_response({"items": TASK.array(page.tasks, user_id), "next_cursor": page.next_cursor})
    page, total = listing.list_tasks_and_total(user_id, query)
    found = {"items": TASK.array(page.tasks, user_id), "next_cursor": page.next_cursor, "total": total}
    return json_response(found)


@blueprint.get("/summary")
@authenticated_for(TASKS_READ)
@blueprint.arguments(SummaryQuery, location="query")
@blueprint.response(200, TaskSummary)
def summarize_tasks(query: dict[str, Any]) -> Response:
    """Count tasks: open, completed, overdue, due today, in the trash, by tag and by priority."""
    return json_response(summary.summarize(g.identity.user_id, query.get("time_zone")))


@blueprint.post("")
@authenticated_for(TASKS_WRITE)
@raises(IdTaken, LimitReached)
@blueprint.arguments(NewTask)
@idempotent
@blueprint.response(201, Task, headers=("Location", "ETag", "Idempotent-Replay"))
def create_task(task: dict[str, Any]) -> Response:
    """Create a task."""
    return TASK.created(edits.create_task(g.identity, task))


@blueprint.get("/<id:task_id>")
@authenticated_for(TASKS_READ)
@raises(NotFound)
@takes("If-None-Match", also=(304,))
@blueprint.response(200, Task, headers=("ETag",))
def get_task(task_id: str) -> Response:
    """Show one task."""
    return TASK.respond_or_304(queries.get_task(g.identity.user_id, task_id))


@blueprint.put("/<id:task_id>")
@authenticated_for(TASKS_WRITE)
@raises(LimitReached)
@conditional
@blueprint.arguments(TaskReplacement)
@blueprint.response(200, Task, headers=("ETag",))
def replace_task(task: dict[str, Any], task_id: str, precondition: Precondition) -> Response:
    """Replace one task. A field left out of the body is reset to its default."""
    return TASK.respond(edits.change_task(g.identity.user_id, task_id, task, precondition))


@blueprint.patch("/<id:task_id>")
@authenticated_for(TASKS_WRITE)
@raises(LimitReached)
@conditional
@blueprint.arguments(TaskPatch)
@blueprint.response(200, Task, headers=("ETag",))
def change_task(patch: dict[str, Any], task_id: str, precondition: Precondition) -> Response:
    """Change the given fields of one task."""
    return TASK.respond(edits.change_task(g.identity.user_id, task_id, patch, precondition))


@blueprint.delete("/<id:task_id>")
@authenticated_for(TASKS_WRITE)
@conditional
@blueprint.response(204)
def delete_task(task_id: str, precondition: Precondition) -> Response:
    """Move one task to the trash, and its subtasks with it."""
    edits.delete_task(g.identity.user_id, task_id, precondition)
    return empty_response()


@blueprint.post("/<id:task_id>/toggle")
@authenticated_for(TASKS_WRITE)
@conditional
@blueprint.response(200, Task, headers=("ETag",))
def toggle_task(task_id: str, precondition: Precondition) -> Response:
    """Complete an open task with its subtasks, or reopen a completed one."""
    return TASK.respond(edits.toggle_task(g.identity.user_id, task_id, precondition))


@blueprint.post("/<id:task_id>/restore")
@authenticated_for(TASKS_WRITE)
@raises(NotFound, ParentInTrash, LimitReached)
@blueprint.response(200, Task, headers=("ETag",))
def restore_task(task_id: str) -> Response:
    """Restore a task from the trash, within 30 days after it was deleted, and the subtasks deleted with it."""
    return TASK.respond(edits.restore_task(g.identity.user_id, task_id))


@blueprint.post("/<id:task_id>/move")
@authenticated_for(TASKS_WRITE)
@raises(LimitReached)
@conditional
@blueprint.arguments(Move)
@blueprint.response(200, Task, headers=("ETag",))
def move_task(move: dict[str, Any], task_id: str, precondition: Precondition) -> Response:
    """Put one task next to another one, or first or last in a list or under a task."""
    return TASK.respond(edits.move_task(g.identity.user_id, task_id, move, precondition))


@blueprint.post("/batch")
@authenticated_for(TASKS_WRITE)
@raises(NotFound, IdTaken, LimitReached)
@blueprint.arguments(BatchRequest, location="batch")
@idempotent
@blueprint.response(200, BatchResponse, headers=("Idempotent-Replay",))
def run_batch(work: dict[str, Any]) -> Response:
    """Run up to 100 operations: all of them, or none."""
    return json_response({"results": batch.run(g.identity, work["operations"])})


@blueprint.get("/changes")
@authenticated_for(TASKS_READ)
@raises(InvalidCursor, ResyncRequired, RateLimited, ServiceBusy)
@blueprint.arguments(ChangesQuery, location="query")
@blueprint.response(200, ChangesPage)
def list_changes(query: dict[str, Any]) -> Response:
    """List changes, oldest first, on request as soon as there are some."""
    user_id, with_lists = g.identity.user_id, query.get("lists", False)
    waits, patience = services().waits, _patience(query.get("wait"))
    found = waits.list_changes(user_id, query.get("since"), query["limit"], with_lists, patience)
    with turn_for(len(found.changed)):
        return json_response(
            {
                "changed": TASK.array(found.changed, user_id),
                "deleted": found.deleted,
                **({"lists": LIST.changes(found.changed_lists, found.deleted_lists)} if with_lists else {}),
                "next": found.next,
                "has_more": found.has_more,
            }
        )


def _patience(seconds: int | None) -> Patience | None:
    """Return what a request needs to wait, if it wants to and this server lets it."""
    new_sleep = the_request().environ.get(SLEEP)
    if seconds is None or new_sleep is None:
        return None
    check = partial(services().revocations.refuse_soon, g.identity)
    return Patience(seconds, new_sleep(), check, require_still_accepted)


@blueprint.get("/export")
@authenticated_for(TASKS_READ)
@blueprint.arguments(ExportQuery, location="query")
@blueprint.response(200, TEXT_FILE, content_type="application/jsonl", headers=("Content-Disposition",))
@answers_with({format_.media_type: transfer.example(format_) for format_ in FORMATS.values()})
def export_tasks(query: dict[str, Any]) -> Response:
    """Download all tasks except those in the trash, or those of one list, as a file that an import can read."""
    format_ = FORMATS[query["format"]]
    pieces = stream_with_context(in_this_scope(transfer.export(g.identity.user_id, format_, query.get("list"))))
    name = {"Content-Disposition": f'attachment; filename="tasks.{format_.extension}"'}
    return Response(pieces, headers=name, content_type=format_.media_type)


@blueprint.post("/import")
@authenticated_for(TASKS_WRITE)
@raises(LimitReached)
@blueprint.arguments(ImportQuery, location="query")
@checked_file
@idempotent
@blueprint.response(200, ImportResult, headers=("Idempotent-Replay",))
def import_tasks(checked: Checked) -> Response:
    """Add the tasks of a file, such as an export or another program's: all of them, or none.

    Tasks that the caller already has stay unchanged; those in the trash are restored. So an import can be repeated.
    Lists that the file names and the caller does not have are made.
    """
    return json_response(transfer.report(checked, transfer.write_all(g.identity, checked)))
