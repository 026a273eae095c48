"""Test that the database isolates users: write a task as one, look for it as another, and roll back."""

import secrets
from contextlib import suppress

from psycopg2.errors import InsufficientPrivilege

from app.auth.identity import Identity
from app.auth.queries import add_outside_user
from app.database import db, scope, transaction
from app.http.problems import NotFound
from app.tasks.edits import create_task
from app.tasks.queries import get_task

TASK = {"title": "A probe that is rolled back", "details": None, "completed": False}


class _Undone(Exception):
    """Raised to roll the transaction back."""


def find_leak() -> str | None:
    """Return how one user can reach another's task, or None."""
    leak = None
    with suppress(_Undone), transaction():
        leak = _leak(*(f"probe-{secrets.token_hex(12)}" for _ in range(2)))
        raise _Undone
    return leak


def _leak(owner: str, other: str) -> str | None:
    for user_id in (owner, other):
        add_outside_user(user_id)
    with scope(owner):
        task_id = create_task(Identity(owner), TASK).id
        get_task(owner, task_id)
    with scope(other):
        if _sees(other, task_id):
            return "A user saw another's task."
        if db.on_sqlite:
            # SQLite has no row-level security: only the statements isolate users.
            return None
        if _sees(owner, task_id):
            return "A statement that named a wrong user saw that user's task."
        # Last, because its failure aborts the transaction.
        with suppress(InsufficientPrivilege):
            create_task(Identity(owner), TASK)
            return "A user wrote a task for another user."
    return None


def _sees(user_id: str, task_id: str) -> bool:
    try:
        get_task(user_id, task_id)
    except NotFound:
        return False
    return True
