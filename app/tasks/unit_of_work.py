"""Changes that depend on several tasks, or on more than a statement can tell: lock them, change them in memory, write.

All within one transaction. A change that one statement can make alone is in queries.py.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypeVar

from marshmallow import ValidationError

from app.database import Overtaken, in_transaction
from app.database.statements import Row
from app.database.texts import position_at
from app.http.parsing import refused
from app.http.problems import LimitReached, NotFound, ValidationFailed
from app.tasks import moves, queries, schedule, subtasks
from app.tasks.bulk_queries import WRITTEN, insert_tasks, lock_tasks, update_tasks
from app.tasks.lists import lock_list
from app.tasks.models import WRITABLE
from app.tasks.moves import Among, Stands
from app.tasks.order import TIME_CHARACTERS
from app.tasks.preconditions import ANY, Precondition
from app.tasks.problems import IdTaken, ParentInTrash
from app.tasks.queries import NO_SUCH_LIST, new_id
from app.tasks.subtasks import MAX_SUBTASKS

T = TypeVar("T")

NO_SUCH_TASK = "There is no such task."

Draft = dict[str, Any]


class IdTakenConcurrently(Exception):
    """A concurrent request has added a task of the same user with this id."""

    def __init__(self, task_id: str) -> None:
        super().__init__(task_id)
        self.task_id = task_id


class UnitOfWork:
    """Some of a user's tasks within a transaction, in their state after writing.

    What follows from a change is done with it: the next occurrence of a recurring task, once in its life; subtasks are
    completed, deleted and moved with their parent; a parent is reopened with a subtask.
    """

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
        # How many subtasks a task has; only of those where it matters.
        self._counts: dict[str, int] = {}
        # Lists that exist until the transaction ends.
        self._lists: set[str | None] = {None}
        # Where this transaction puts the first one last, and how many it has put last.
        self._last = ""
        self._added = 0
        if ids:
            self._take(lock_tasks(user_id, ids))

    def create(self, task: Mapping[str, Any]) -> str:
        """Add a task, and return its id."""
        task_id = task.get("id") or new_id()
        if task_id in self._drafts:
            raise IdTaken
        draft = _new({"list_id": None, **task, "id": task_id, "parent_id": None})
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
        for subtask in self._follow(draft):
            subtask["deleted"] = True

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
        if parent and self._count(parent["id"]) >= MAX_SUBTASKS:
            raise LimitReached(f"The parent already has {MAX_SUBTASKS} subtasks.")
        self._keep(queries.restore_alone(self._user_id, task_id))
        draft["deleted"] = False
        if draft["is_parent"] and subtasks.restore_subtasks(self._user_id, draft):
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
            position = moves.last_position(gap, self._last + self._next_place()) if at_end else gap.middle
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

    def write(self) -> dict[str, Row]:
        """Write all changes, and return the rows of what was written. Raise IdTakenConcurrently if an id is taken."""
        if self._followed:
            parents = [{**self._drafts[id_], "completed": completed} for id_, completed in self._followed.items()]
            subtasks.follow_parents(self._user_id, sorted(parents, key=lambda parent: str(parent["id"])))
        # Always in the same order, so that two transactions never wait for each other.
        new, changed = sorted(self._new), sorted(self._changed.difference(self._new))
        for row in insert_tasks(self._user_id, [self._drafts[id_] for id_ in new]):
            self._keep(row)
            self._last = self._last or row.position[:TIME_CHARACTERS]
        for task_id in new:
            if task_id not in self._written:
                raise IdTakenConcurrently(task_id)
        for row in update_tasks(self._user_id, [self._drafts[id_] for id_ in changed]):
            self._keep(row)
        self._new, self._changed, self._followed = [], set(), {}
        return self._written

    def is_subtask(self, task_id: str) -> bool:
        return bool(self._drafts.get(task_id, {}).get("parent_id"))

    @property
    def written(self) -> Mapping[str, Row]:
        """The rows of what was written."""
        return self._written

    def version(self, task_id: str) -> int | None:
        """Return a task's version after writing; None if it is in the trash."""
        return None if self._drafts[task_id]["deleted"] else self._versions[task_id]

    def _take(self, rows: Iterable[Row]) -> None:
        for row in rows:
            self._versions[row.id] = row.version
            self._drafts[row.id] = _draft_of(row)
            self._last = self._last or position_at(row.clock)
            # A list cannot be deleted while a task in it is locked.
            self._lists.add(row.list_id)
        if any(draft["parent_id"] and draft["parent_id"] not in self._drafts for draft in self._drafts.values()):
            # It got another parent before it was locked, so that parent is not locked.
            raise Overtaken

    def _keep(self, row: Row) -> None:
        """Note what was written."""
        self._written[row.id] = row
        self._versions[row.id] = row.version
        self._drafts[row.id]["position"] = row.position

    def _add(self, draft: Draft) -> None:
        self._put_last(draft)
        self._drafts[draft["id"]] = draft
        self._new.append(draft["id"])

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

    # Lists and parents.

    def _settle(self, draft: Draft, among: Among) -> None:
        """Put a task into another list or under another parent, last, and do what follows."""
        before = Among(draft["list_id"], draft["parent_id"])
        if among == before:
            return
        self._leave(draft)
        draft |= {"list_id": among.list_id, "parent_id": among.parent_id}
        self._put_last(draft)
        if among.parent_id:
            self._adopt(draft, self._drafts[among.parent_id])
        if among.list_id != before.list_id:
            for subtask in self._follow(draft):
                subtask["list_id"] = among.list_id

    def _target(self, draft: Draft, where: Mapping[str, Any]) -> Among:
        """Return the list and parent that a body asks for, or those of the neighbour that it names."""
        for name in ("before", "after"):
            if name in where:
                neighbour = self._drafts.get(where[name])
                if neighbour is None or neighbour["deleted"]:
                    raise ValidationFailed(errors={name: [NO_SUCH_TASK]})
                if neighbour is draft:
                    raise ValidationFailed(errors={name: ["Name another task than the one that you move."]})
                if neighbour["parent_id"]:
                    self._parent_of(draft, neighbour["parent_id"], {}, name)
                return Among(neighbour["list_id"], neighbour["parent_id"])
        parent_id = where.get("parent_id", draft["parent_id"])
        if parent_id:
            return Among(self._parent_of(draft, parent_id, where)["list_id"], parent_id)
        list_id = where.get("list_id", draft["list_id"])
        if list_id != draft["list_id"]:
            self._require_list(list_id)
        return Among(list_id, None)

    def _parent_of(self, draft: Draft, parent_id: str, where: Mapping[str, Any], name: str = "parent_id") -> Draft:
        """Return a task that can be the parent of another, or say why it cannot."""
        parent = self._drafts.get(parent_id)
        if parent is None or parent["deleted"]:
            raise ValidationFailed(errors={name: [NO_SUCH_TASK]})
        if parent is draft or parent_id == draft["id"]:
            raise ValidationFailed(errors={name: ["A task cannot be its own subtask."]})
        if parent["parent_id"]:
            raise ValidationFailed(errors={name: ["A subtask cannot have subtasks. Name a task that is not one."]})
        if where.get("list_id", parent["list_id"]) != parent["list_id"]:
            raise ValidationFailed(errors={"list_id": ["A subtask is in the list of its parent. Leave this out."]})
        return parent

    def _adopt(self, draft: Draft, parent: Draft) -> None:
        """Make a task a subtask."""
        self._require_no_recurrence(draft)
        if draft["is_parent"]:
            if self._count(draft["id"]):
                raise ValidationFailed(errors={"parent_id": ["A task with subtasks cannot be a subtask itself."]})
            subtasks.detach_deleted(self._user_id, draft["id"])
            draft["is_parent"] = False
            self._changed.add(draft["id"])
        if self._count(parent["id"]) >= MAX_SUBTASKS:
            raise LimitReached(f"A task can have {MAX_SUBTASKS} subtasks. Delete some, or choose another parent.")
        self._counts[parent["id"]] += 1
        if not parent["is_parent"]:
            parent["is_parent"] = True
            if parent["id"] not in self._new:
                subtasks.mark_parents(self._user_id, [parent["id"]])
        self._reopen_parent(draft)

    def _leave(self, draft: Draft) -> None:
        if draft["parent_id"] in self._counts:
            self._counts[draft["parent_id"]] -= 1

    def _count(self, task_id: str) -> int:
        """Return the number of a task's subtasks."""
        if task_id not in self._counts:
            self.write()
            is_parent = self._drafts[task_id]["is_parent"]
            counts = subtasks.count_each(self._user_id, [task_id]) if is_parent else {}
            self._counts[task_id] = counts.get(task_id, 0)
        return self._counts[task_id]

    def _require_list(self, list_id: str | None) -> None:
        if list_id is None or list_id in self._lists:
            return
        if not lock_list(self._user_id, list_id):
            raise ValidationFailed(errors={"list_id": [NO_SUCH_LIST]})
        self._lists.add(list_id)

    def _require_no_recurrence(self, draft: Draft) -> None:
        if draft["parent_id"] and draft["recurrence"]:
            raise ValidationFailed(errors={"recurrence": ["A subtask cannot recur. Set one of both to null."]})

    def _reopen_parent(self, draft: Draft) -> None:
        """Reopen the parent of an open subtask."""
        if draft["parent_id"] and not draft["completed"]:
            self._reopen(self._drafts[draft["parent_id"]])

    def _reopen(self, parent: Draft) -> None:
        if parent["completed"] and not parent["deleted"]:
            parent |= {"completed": False, "completed_at": None}
            self._changed.add(parent["id"])

    def _is_among(self, task_id: str, among: Among) -> bool:
        draft = self._drafts[task_id]
        return not draft["deleted"] and (draft["list_id"], draft["parent_id"]) == among

    def _follow(self, parent: Draft) -> list[Draft]:
        """Note that all subtasks follow their parent, and return those that are here, to change them as well."""
        if not parent["is_parent"]:
            return []
        self._followed.setdefault(parent["id"], False)
        self._counts.pop(parent["id"], None)
        here = [each for each in self._drafts.values() if each["parent_id"] == parent["id"] and not each["deleted"]]
        self._changed.update(each["id"] for each in here)
        return here

    # Completion and recurrence.

    def _complete(self, draft: Draft) -> None:
        """Do what follows from a task's completion."""
        if draft["recurrence"] is not None and draft["next_id"] is None:
            following = schedule.next_occurrence(draft)
            if following is not None:
                self._repeat(draft, following)
        for subtask in self._follow(draft):
            subtask["completed"] = True
        if draft["is_parent"]:
            self._followed[draft["id"]] = True

    def _repeat(self, draft: Draft, following: Mapping[str, Any]) -> None:
        """Add the next occurrence of a task, with all its subtasks."""
        task = {name: draft[name] for name in WRITABLE if name not in following}
        draft["next_id"] = self.create({**task, **following, "completed": False})
        if not draft["is_parent"]:
            return
        self._drafts[draft["next_id"]]["is_parent"] = True
        days = schedule.days_between(draft, following)
        if any(each["parent_id"] == draft["id"] for each in self._drafts.values()):
            # What this transaction has changed must be there, too.
            self.write()
        for row in subtasks.list_subtasks(self._user_id, draft["id"]):
            subtask = {name: getattr(row, name) for name in WRITABLE}
            moved = schedule.moved(subtask, days)
            self._add(_new({**subtask, **moved, "parent_id": draft["next_id"], "completed": False, "id": new_id()}))


def _new(task: Mapping[str, Any]) -> Draft:
    kept = {"next_id": None, "skipped_time": None, "completed_at": None, "created_at": None, "deleted": False}
    return {**kept, **task, "is_parent": False}


def _draft_of(row: Row) -> Draft:
    draft = {name: getattr(row, name) for name in ("id", *WRITTEN, "position", "completed_at", "deleted_at")}
    return draft | {"completed": row.completed_at is not None, "deleted": row.deleted_at is not None}


def in_unit_of_work(user_id: str, ids: Sequence[str], work: Callable[[UnitOfWork], T]) -> T:
    """Lock tasks and run `work` on them in a transaction."""
    return in_transaction(lambda: work(UnitOfWork(user_id, ids)))
