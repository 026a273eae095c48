"""Changes that depend on several tasks, or on more than a statement can tell: lock them, change them in memory, write.

All within one transaction. A change that one statement can make alone is in queries.py.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

from marshmallow import ValidationError

from app.database import Overtaken, in_transaction
from app.http.parsing import refused
from app.http.problems import LimitReached, NotFound
from app.tasks import moves, queries, schedule, subtasks
from app.tasks.drafts import Draft, new_draft
from app.tasks.events import tell
from app.tasks.families import Families
from app.tasks.models import WRITABLE
from app.tasks.moves import Stands
from app.tasks.preconditions import ANY, Precondition
from app.tasks.problems import IdTaken, ParentInTrash
from app.tasks.queries import new_id
from app.tasks.reminders import relative

T = TypeVar("T")


class UnitOfWork(Families):
    """Operations on some of a user's tasks within a transaction.

    What follows from a change is done with it: the next occurrence of a recurring task, once in its life; subtasks are
    completed, deleted and moved with their parent; a parent is reopened with a subtask.
    """

    def create(self, task: Mapping[str, Any]) -> str:
        """Add a task, and return its id."""
        task_id = task.get("id") or new_id()
        if task_id in self._drafts:
            raise IdTaken
        draft = new_draft({"list_id": None, **task, "id": task_id, "parent_id": None})
        if task.get("parent_id"):
            parent = self._parent_of(draft, task["parent_id"], task)
            draft |= {"list_id": parent["list_id"], "parent_id": parent["id"]}
            self._adopt(draft, parent)
        else:
            self._require_list(draft["list_id"])
        self._add(draft)
        return str(task_id)

    def change(self, task_id: str, changes: Mapping[str, Any], precondition: Precondition = ANY) -> None:
        """Change the named fields, under a body's names; without any, write nothing."""
        draft = self._find(task_id, precondition)
        if not changes:
            return
        was_completed = draft["completed"]
        where = {name: changes[name] for name in ("list_id", "parent_id") if name in changes}
        changes = {name: value for name, value in changes.items() if name not in where}
        if "due" not in changes and changes.keys() & schedule.FIELDS:
            others = {name: value for name, value in changes.items() if name not in schedule.FIELDS}
            try:
                changes = others | schedule.changed(draft, changes)
            except ValidationError as error:
                raise refused(error) from error
        if any(changes.get(name, draft[name]) != draft[name] for name in ("due", "time_zone", "recurrence")):
            # The client has set what the rule starts from.
            draft["skipped_time"] = None
        draft |= changes
        if where:
            self._settle(draft, self._target(draft, where))
        self._require_no_recurrence(draft)
        self._changed.add(task_id)
        if not draft["completed"]:
            draft["completed_at"] = None
            if was_completed:
                self._revive(draft)
            self._reopen_parent(draft)
        elif not was_completed:
            self._complete(draft)

    def toggle(self, task_id: str, precondition: Precondition = ANY) -> None:
        """Complete or reopen a task."""
        self.change(task_id, {"completed": not self._find(task_id)["completed"]}, precondition)

    def delete(self, task_id: str, precondition: Precondition = ANY) -> None:
        """Move a task to the trash, and its subtasks with it."""
        draft = self._find(task_id, precondition)
        draft["deleted"] = True
        self._changed.add(task_id)
        self._leave(draft)
        self._follow(draft, deleted=True)

    def restore(self, task_id: str) -> None:
        """Restore a task from the trash, and the subtasks that went there with it."""
        draft = self._drafts.get(task_id)
        if draft is None:
            raise NotFound
        if not draft["deleted"]:
            self._written[task_id] = queries.get_task(self._user_id, task_id)
            return
        parent = self._drafts[draft["parent_id"]] if draft["parent_id"] else None
        if parent and parent["deleted"]:
            raise ParentInTrash
        if parent and self._count(parent["id"]) >= subtasks.MAX_SUBTASKS:
            raise LimitReached(f"The parent already has {subtasks.MAX_SUBTASKS} subtasks.")
        self._keep(queries.restore_alone(self._user_id, task_id))
        draft["deleted"] = False
        restored = self._restore_subtasks(draft)
        self._revived.update(row.id for row in restored if row.reminders)
        self._revive(draft)
        if any(row.completed_at is None for row in restored):
            self._reopen(draft)
        if parent and parent["list_id"] != draft["list_id"]:
            # The parent has moved since.
            draft["list_id"] = parent["list_id"]
            self._changed.add(task_id)
        self._reopen_parent(draft)

    def move(self, task_id: str, move: Mapping[str, Any], precondition: Precondition = ANY) -> None:
        """Put a task next to another one or at an end, where the body of a move says."""
        # The database knows where all the others are.
        self.write()
        self._counts.clear()
        place = moves.place_of(move)
        while True:
            rows = moves.lock_for_move(self._user_id, task_id, move)
            self._take(rows)
            draft = self._find(task_id, precondition)
            among = self._target(draft, move)
            siblings = {row.id: Stands(row.position, row.id) for row in rows if self._is_among(row.id, among)}
            siblings.pop(task_id, None)
            gap = moves.gap(siblings.values(), siblings[place.neighbour] if place.neighbour else None, place.behind)
            at_end = place == (None, True)
            # Also behind what this transaction has put last, so that what it adds later comes after it. Any other last
            # one gets it as its direct neighbour, so that what another request puts last now cannot come in between.
            is_last = at_end or (gap.high is None and (gap.low is None or gap.low.position >= self._last))
            position = moves.last_position(gap, self._last + self._next_place()) if is_last else gap.middle
            if position is None:
                edge = gap.low or moves.BEFORE_ALL
                moves.spread_tasks(self._user_id, among, edge, self._last)
            else:
                break
        self._settle(draft, among)
        row = moves.put_task(self._user_id, task_id, among, None if at_end else gap, position)
        if row is None:
            raise Overtaken
        self._keep(row)
        self._reopen_parent(draft)

    def _complete(self, draft: Draft) -> None:
        """Do what follows from a task's completion."""
        if draft["recurrence"] is not None and draft["next_id"] is None:
            following = schedule.next_occurrence(draft)
            if following is not None:
                self._repeat(draft, following)
        self._follow(draft, completed=True)
        if draft["is_parent"]:
            self._followed[draft["id"]] = True

    def _repeat(self, draft: Draft, following: Mapping[str, Any]) -> None:
        """Add the next occurrence of a task, with all its subtasks."""
        task = {name: draft[name] for name in WRITABLE if name not in following}
        task["reminders"] = relative(draft["reminders"])
        draft["next_id"] = self.create({**task, **following, "completed": False})
        self._follows[draft["next_id"]] = draft["id"]
        if not draft["is_parent"]:
            return
        self._drafts[draft["next_id"]]["is_parent"] = True
        days = schedule.days_between(draft, following)
        if any(each["parent_id"] == draft["id"] for each in self._drafts.values()):
            # What this transaction has changed must be there, too.
            self.write()
        for row in subtasks.list_subtasks(self._user_id, draft["id"]):
            subtask = {name: getattr(row, name) for name in WRITABLE}
            placed = {**schedule.moved(subtask, days), "parent_id": draft["next_id"], "id": new_id()}
            placed["reminders"] = relative(row.reminders)
            self._add(new_draft({**subtask, **placed, "completed": False}))


def in_unit_of_work(user_id: str, ids: Sequence[str], work: Callable[[UnitOfWork], T]) -> T:
    """Lock tasks, run `work` on them, and tell of what it has done: all in a transaction."""

    def run() -> T:
        drafts = UnitOfWork(user_id, ids)
        result = work(drafts)
        tell(user_id, drafts.events)
        return result

    return in_transaction(run)
