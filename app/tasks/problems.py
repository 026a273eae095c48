"""How operations on tasks can end, next to what every operation can end in."""

from app.http.problems import Problem


class IdTaken(Problem):
    """One of your tasks has the id that was given for a new one; it may be in the trash."""

    status, code, title = 409, "id_taken", "The id is taken"
    detail = "Give the new task another id, or none; or change the task that has this one."


class PreconditionFailed(Problem):
    """The task is not in a version that the request's If-Match or If-None-Match allows. Nothing was written."""

    status, code, title = 412, "precondition_failed", "The task has changed"
    detail = "Get the task again, decide anew, and repeat the change with its new ETag."


class IdempotencyKeyReused(Problem):
    """The key was used for another request within the last 24 hours."""

    status, code, title = 422, "idempotency_key_reused", "The key belongs to another request"
    detail = "Use a new Idempotency-Key for each new request, and the same only to repeat the same."


class InvalidCursor(Problem):
    """The cursor is damaged, or belongs to another list."""

    status, code, title = 422, "invalid_cursor", "The cursor does not fit"
    detail = "Use a cursor as it was given, with the filters and the sort it was given for; or begin without one."


class ResyncRequired(Problem):
    """The token is older than the trash: what was deleted since may have been forgotten."""

    status, code, title = 410, "resync_required", "The token is too old"
    detail = "Begin anew without `since`, and drop what does not come again."
