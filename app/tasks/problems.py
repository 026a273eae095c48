"""The errors of task operations, besides those that every operation has."""

from app.http.problems import Problem


class IdTaken(Problem):
    """One of your tasks already has the id given for a new one. It may be in the trash."""

    status, code, title = 409, "id_taken", "The id is taken"
    detail = "Give the new task another id, or leave the id out; or change the existing task."


class ParentInTrash(Problem):
    """The task was a subtask of a task that is in the trash as well."""

    status, code, title = 409, "parent_in_trash", "The parent is in the trash"
    detail = "Restore the parent first: it brings back the subtasks that were deleted with it."


class PreconditionFailed(Problem):
    """The task's version is not one that If-Match or If-None-Match allows. Nothing was written."""

    status, code, title = 412, "precondition_failed", "The task has changed"
    detail = "Get the task again, check the change, and repeat it with the new ETag."


class IdempotencyKeyReused(Problem):
    """The key was used for another request within the last 24 hours."""

    status, code, title = 422, "idempotency_key_reused", "The key belongs to another request"
    detail = "Use a new Idempotency-Key for each new request. Reuse a key only to repeat the same request."


class InvalidCursor(Problem):
    """The cursor is damaged, or belongs to another list."""

    status, code, title = 422, "invalid_cursor", "The cursor is not valid"
    detail = "Use the cursor unchanged, with the filters and sort it was made for; or start without one."


class ResyncRequired(Problem):
    """The token is older than the trash, so some deletions since then may no longer be on record."""

    status, code, title = 410, "resync_required", "The token is too old"
    detail = "Start again without `since`, and drop the tasks that are not listed again."
