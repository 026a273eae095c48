"""List the changes since a client last asked, so that it ends with exactly the server's state.

A write carries the time its transaction began, so a slow one can appear behind a position that was already passed.
So after reading to the end, a client continues from a minute before that reading began, and reads some twice.
"""

from collections.abc import Sequence
from dataclasses import astuple, dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any

from sqlalchemy import Integer, Select, bindparam, select, true, tuple_

from app.database import fetch_all
from app.database.columns import now
from app.database.execution import TRANSACTION_SECONDS
from app.tasks import cursors
from app.tasks.cursors import is_id
from app.tasks.models import BEFORE_EVERY_ID, LISTED, TRASH_SECONDS, tasks
from app.tasks.problems import InvalidCursor, ResyncRequired
from app.times import is_time, rfc3339

# Three times a transaction, because after a failover the clock may be another machine's.
OVERLAP = timedelta(seconds=3 * TRANSACTION_SECONDS)
TOKEN_LIFETIME = timedelta(seconds=TRASH_SECONDS)


@dataclass(frozen=True, slots=True)
class Changes:
    # Each with the columns of models.LISTED.
    changed: Sequence[tuple[Any, ...]]
    # The ids of deleted tasks.
    deleted: Sequence[str]
    next: str
    has_more: bool


@dataclass(frozen=True, slots=True)
class _Token:
    """The position that a client has reached, and when its current run of pages began (None between runs)."""

    time: str
    task_id: str
    run_began_at: str | None
    # Whether the run began without a token.
    is_whole: bool

    @property
    def age_counts_from(self) -> str:
        """The oldest time from which deletions must be on record. A client without a token had no earlier copy."""
        began_at = self.run_began_at or self.time
        return began_at if self.is_whole else min(began_at, self.time)


def list_changes(user_id: str, since: str | None, limit: int) -> Changes:
    """Return a user's changed tasks, oldest change first: those after the token, or all without one."""
    token = _read(since, user_id) if since else None
    after = {"after_time": token.time, "after_id": token.task_id} if token else {}
    rows = fetch_all(_page(bool(token)), {"of_user": user_id, "rows": limit + 1, **after})
    clock, found = rows[0].clock, [row for row in rows if row.id is not None]
    if token and _moment(clock) - _moment(token.age_counts_from) > TOKEN_LIFETIME:
        raise ResyncRequired
    run_began_at = (token and token.run_began_at) or clock
    page = found[:limit]
    if has_more := len(found) > limit:
        is_whole = token is None or token.is_whole
        following = _Token(page[-1].updated_at, page[-1].id, run_began_at, is_whole)
    else:
        following = _Token(rfc3339(_moment(run_began_at) - OVERLAP), BEFORE_EVERY_ID, None, False)
    return Changes(
        changed=[row[: len(LISTED)] for row in page if row.deleted_at is None],
        deleted=[row.id for row in page if row.deleted_at is not None],
        next=cursors.encode([*astuple(following)], user_id, "changes"),
        has_more=has_more,
    )


@lru_cache(maxsize=2)
def _page(after: bool) -> Select[Any]:
    """Build the query for the changes and the clock, which it returns even without changes."""
    here = tuple_(tasks.c.updated_at, tasks.c.id)
    page = (
        select(*LISTED, tasks.c.deleted_at)
        .where(tasks.c.user_id == bindparam("of_user"))
        .order_by(tasks.c.updated_at, tasks.c.id)
        .limit(bindparam("rows", type_=Integer()))
    )
    if after:
        since = bindparam("after_time", type_=tasks.c.updated_at.type), bindparam("after_id", type_=tasks.c.id.type)
        page = page.where(here > tuple_(*since))
    found = page.subquery()
    clock = select(now().label("clock")).subquery()
    return (
        select(*found.c, clock.c.clock)
        .select_from(clock.outerjoin(found, true()))
        .order_by(found.c.updated_at, found.c.id)
    )


def _read(token: str, user_id: str) -> _Token:
    match cursors.decode(token, user_id, "changes"):
        case [time, task_id, run_began_at, bool(is_whole)] if (
            is_time(time) and is_id(task_id) and (run_began_at is None or is_time(run_began_at))
        ):
            return _Token(time, task_id, run_began_at, is_whole)
    raise InvalidCursor


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text)
