"""Some of a user's tasks within a transaction: lock them, change them in memory, write them."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from app.database import Overtaken
from app.database.statements import Row
from app.database.texts import position_at
from app.http.problems import NotFound
from app.tasks import reminder_queries, subtasks
from app.tasks.bulk_queries import WRITTEN, insert_tasks, insert_tasks_unless_watched, lock_tasks, update_tasks
from app.tasks.events import CREATED, Event, events_between
from app.tasks.order import TIME_CHARACTERS
from app.tasks.preconditions import ANY, Precondition
from app.tasks.reminders import fire_times

Draft = dict[str, Any]

# Tasks that one statement changes, so that it ends in time.
WRITTEN_AT_ONCE = 1_000


class IdTakenConcurrently(Exception):
    """A concurrent request has added a task of the same user with this id."""

    def __init__(self, task_id: str) -> None:
        super().__init__(task_id)
        self.task_id = task_id


class Drafts:
    """Some of a user's tasks within a transaction, in their state after writing."""

    def __init__(self, user_id: str, ids: Sequence[str]) -> None:
        self._user_id = user_id
        self._versions: dict[str, int] = {}
        self._drafts: dict[str, Draft] = {}
        # Not written yet.
        self._new: list[str] = []
        self._changed: set[str] = set()
        # The parents whose subtasks follow them, and whether these are completed with them.
        self._followed: dict[str, bool] = {}
        self._written: dict[str, Row] = {}
        # When the reminders of a task fire, and the tasks that were completed or in the trash, and have reminders.
        self._fire_times: dict[str, set[str]] = {}
        self._revived: set[str] = set()
        # Whether the user must be told of changes; the tasks before them, None if new; those here only for telling;
        # and of which task a new one is the next occurrence.
        self._is_watched = False
        self._before: dict[str, Row | None] = {}
        self._unasked: set[str] = set()
        self._follows: dict[str, str] = {}
        # How many subtasks a task has; only of those where it matters.
        self._counts: dict[str, int] = {}
        # Lists that exist until the transaction ends.
        self._lists: set[str | None] = {None}
        # Where this transaction puts the first one last, and how many it has put last.
        self._last = ""
        self._added = 0
        if ids:
            self._take(lock_tasks(user_id, ids))

    def write(self) -> dict[str, Row]:
        """Write all changes, and return the rows of what was written. Raise IdTakenConcurrently if an id is taken."""
        if self._followed and not self._is_watched:
            parents = [{**self._drafts[id_], "completed": completed} for id_, completed in self._followed.items()]
            subtasks.follow_parents(self._user_id, sorted(parents, key=lambda parent: str(parent["id"])))
        # Always in the same order, so that two transactions never wait for each other.
        new, changed = sorted(self._new), sorted(self._changed.difference(self._new))
        for row in self._insert([self._drafts[id_] for id_ in new]):
            self._see(row, None)
            self._keep(row)
            self._last = self._last or row.position[:TIME_CHARACTERS]
        for task_id in new:
            if task_id not in self._written:
                raise IdTakenConcurrently(task_id)
        for first in range(0, len(changed), WRITTEN_AT_ONCE):
            part = [self._drafts[id_] for id_ in changed[first : first + WRITTEN_AT_ONCE]]
            for row in update_tasks(self._user_id, part):
                self._keep(row)
        self._write_reminders(new, changed)
        self._new, self._changed, self._followed = [], set(), {}
        return self._written

    def _insert(self, new: Sequence[Draft]) -> list[Row]:
        """Add tasks, in one statement unless the user is watched."""
        rows = [] if self._is_watched else insert_tasks_unless_watched(self._user_id, new)
        if rows or not new:
            return rows
        # The user is watched; or all ids are taken, and then nothing will be written.
        self._is_watched = True
        return insert_tasks(self._user_id, new)

    def _write_reminders(self, new: Sequence[str], changed: Sequence[str]) -> None:
        """Write when reminders fire, of the tasks where that has changed."""
        before = self._fire_times
        after = {task_id: set(fire_times(self._drafts[task_id])) for task_id in (*new, *changed)}
        moved = {task_id: times for task_id, times in after.items() if times != before.get(task_id, set())}
        before.update(moved)
        reminder_queries.set_fire_times(self._user_id, moved, new)
        if self._revived:
            reminder_queries.drop_past(self._user_id, sorted(self._revived))
            self._revived.clear()

    @property
    def written(self) -> Mapping[str, Row]:
        """The rows of what was written, without subtasks that follow their parents."""
        return {id_: row for id_, row in self._written.items() if id_ not in self._unasked}

    @property
    def events(self) -> list[Event]:
        """What the user must be told of what was written."""
        if not self._is_watched:
            return []
        before = {id_: row for id_, row in self._before.items() if row}
        new = [row for id_, row in self._written.items() if id_ not in before]
        follows = ({"follows": self._follows[row.id]} if row.id in self._follows else {} for row in new)
        created = [Event(CREATED, row, more=more) for row, more in zip(new, follows, strict=True)]
        return [*events_between(before, (row for id_, row in self._written.items() if id_ in before)), *created]

    def is_subtask(self, task_id: str) -> bool:
        return bool(self._drafts.get(task_id, {}).get("parent_id"))

    def version(self, task_id: str) -> int | None:
        """Return a task's version after writing; None if it is in the trash."""
        return None if self._drafts[task_id]["deleted"] else self._versions[task_id]

    def _take(self, rows: Iterable[Row]) -> None:
        for row in rows:
            self._is_watched = self._is_watched or bool(row.is_watched)
            self._see(row, row)
            self._versions[row.id] = row.version
            self._drafts[row.id] = draft = _draft_of(row)
            self._fire_times[row.id] = set(fire_times(draft))
            self._last = self._last or position_at(row.clock)
            # A list cannot be deleted while a task in it is locked.
            self._lists.add(row.list_id)
        if any(draft["parent_id"] and draft["parent_id"] not in self._drafts for draft in self._drafts.values()):
            # It got another parent before it was locked, so that parent is not locked.
            raise Overtaken

    def _see(self, row: Row, before: Row | None) -> None:
        """Note what a task was before this transaction."""
        self._before.setdefault(row.id, before)
        if row.id in self._written:
            # Making room for another one has moved it.
            self._written[row.id] = row

    def _keep(self, row: Row) -> None:
        """Note what was written."""
        self._written[row.id] = row
        self._versions[row.id] = row.version
        self._drafts[row.id]["position"] = row.position

    def _add(self, draft: Draft) -> None:
        self._put_last(draft)
        self._drafts[draft["id"]] = draft
        self._new.append(draft["id"])

    def _revive(self, draft: Draft) -> None:
        """Note that a task can remind again, but not of times that have passed."""
        if draft["reminders"]:
            self._revived.add(draft["id"])

    def _put_last(self, draft: Draft) -> None:
        draft["place"] = self._next_place()
        # A cluster's machines have different clocks, so use the same one for all. Where none is known yet, all are new.
        draft["position"] = self._last + draft["place"] if self._last else None

    def _next_place(self) -> str:
        """Return what keeps this order among all that this transaction puts last, at the same time."""
        place = f"{self._added:05}" if self._added else ""
        self._added += 1
        return place

    def _find(self, task_id: str, precondition: Precondition = ANY) -> Draft:
        draft = self._drafts.get(task_id)
        if draft is None or draft["deleted"]:
            raise NotFound
        precondition.require(self._versions.get(task_id, 1))
        return draft


def new_draft(task: Mapping[str, Any]) -> Draft:
    kept = {"next_id": None, "skipped_time": None, "completed_at": None, "created_at": None, "deleted": False}
    return {**kept, **task, "is_parent": False}


def _draft_of(row: Row) -> Draft:
    draft = {name: getattr(row, name) for name in ("id", *WRITTEN, "position", "completed_at", "deleted_at")}
    return draft | {"completed": row.completed_at is not None, "deleted": row.deleted_at is not None}
