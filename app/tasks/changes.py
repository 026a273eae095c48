"""List the changes since a client last asked, so that it ends with exactly the server's state.

A write carries the time its transaction began, so a slow one can appear behind a position that was already passed.
So after reading to the end, a client continues from a minute before that reading began, and reads some twice.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from app.database.statements import Row
from app.tasks.change_queries import page_of_lists, page_of_tasks
from app.tasks.change_tokens import Token, overlap_before
from app.tasks.models import LISTED


@dataclass(frozen=True, slots=True)
class Changes:
    next: str
    has_more: bool = False
    # Each with the columns of models.LISTED.
    changed: Sequence[tuple[Any, ...]] = ()
    # The ids of deleted tasks.
    deleted: Sequence[str] = ()
    changed_lists: Sequence[Row] = ()
    deleted_lists: Sequence[str] = ()


def list_changes(user_id: str, token: Token, limit: int) -> Changes:
    """Return a user's tasks that changed after the token, oldest change first.

    If the token includes lists, return these first, so that a client knows a task's list when it gets the task.
    """
    clock, lists = page_of_lists(user_id, token.lists, limit + 1) if token.lists else (None, [])
    room = limit - len(lists[:limit])
    later, tasks = page_of_tasks(user_id, token.tasks, room + 1)
    clock = clock or later
    token.require_age(clock)
    has_more = len(lists) > limit or len(tasks) > room
    tasks, lists = tasks[:room], lists[:limit]
    return Changes(
        changed=[row[: len(LISTED)] for row in tasks if row.deleted_at is None],
        deleted=[row.id for row in tasks if row.deleted_at is not None],
        changed_lists=[row for row in lists if not row.is_deleted],
        deleted_lists=[row.id for row in lists if row.is_deleted],
        next=_following(token.begun(clock), tasks, lists, has_more).write(user_id),
        has_more=has_more,
    )


def _following(token: Token, tasks: Sequence[Row], lists: Sequence[Row], has_more: bool) -> Token:
    """Return the token after these rows, within its run or after it."""
    assert token.run_began_at is not None
    recent = overlap_before(token.run_began_at)
    token = Token(
        token.tasks.after(tasks, recent), token.run_began_at, token.lists and token.lists.after(lists, recent)
    )
    if has_more:
        return token
    return Token(token.tasks.stepped_back(recent), None, token.lists and token.lists.stepped_back(recent))
