"""Whether the database keeps users apart: a task is written as one user and looked for as another, and undone."""

import secrets
from contextlib import suppress

from psycopg2.errors import InsufficientPrivilege

from app.auth.identity import Identity
from app.auth.queries import add_outside_user
from app.database import db, scope, transaction
from app.http.problems import NotFound
from app.tasks.queries import create_task, get_task

TASK = {"title": "A probe that is undone", "details": None, "completed": False}


class _Undone(Exception):
    """Ends the transaction without a trace."""


def find_leak() -> str | None:
    """What one user can do with another's task; None if nothing."""
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
            # It knows no users: only the statements keep them apart.
            return None
        if _sees(owner, task_id):
            return "A statement that named a wrong user saw that user's task."
        # Last, for it fails, and with it the transaction.
        with suppress(InsufficientPrivilege):
            create_task(Identity(owner), TASK)
            return "A user wrote a task among another's."
    return None


def _sees(user_id: str, task_id: str) -> bool:
    try:
        get_task(user_id, task_id)
    except NotFound:
        return False
    return True
