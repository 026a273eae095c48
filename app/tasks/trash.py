"""Delete old trash, forget deleted lists, and delete expired idempotency keys."""

from collections.abc import Iterator

from app.database.execution import MAX_AT_ONCE
from app.database.expiry import Expired
from app.tasks.idempotency import KEPT_SECONDS
from app.tasks.models import TRASH_SECONDS, deleted_lists, idempotency_keys, tasks

# Revisions 0011 and 0023 have the same times: the scope of a purge shows only such rows.
_tasks = Expired(tasks.c.deleted_at, TRASH_SECONDS)
_lists = Expired(deleted_lists.c.deleted_at, TRASH_SECONDS)
_keys = Expired(idempotency_keys.c.created_at, KEPT_SECONDS)


def purge_tasks() -> Iterator[int]:
    """Permanently delete all users' tasks that were deleted more than 30 days ago; yield the number in each part."""
    return _tasks.delete(MAX_AT_ONCE)


def purge_deleted_lists() -> Iterator[int]:
    """Forget all users' lists that were deleted more than 30 days ago; yield the number in each part."""
    return _lists.delete(MAX_AT_ONCE)


def purge_keys() -> Iterator[int]:
    """Delete all users' expired idempotency keys; yield the number in each part."""
    return _keys.delete(MAX_AT_ONCE)
