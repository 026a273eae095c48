"""What a change of a task's list, parent or state means for its parent and its subtasks."""

from collections.abc import Iterable, Mapping
from typing import Any

from app.database.statements import Row
from app.http.problems import LimitReached, ValidationFailed
from app.tasks import subtasks
from app.tasks.drafts import Draft, Drafts
from app.tasks.lists import lock_list
from app.tasks.moves import Among
from app.tasks.queries import NO_SUCH_LIST

NO_SUCH_TASK = "There is no such task."


class Families(Drafts):
    """Tasks with their lists, parents and subtasks."""

    def _settle(self, draft: Draft, among: Among) -> None:
        """Put a task into another list or under another parent, last, and do what follows."""
        before = Among(draft["list_id"], draft["parent_id"])
        if among == before:
            return
        if among.parent_id:
            # Before the task is one of them: counting first writes what this transaction has changed.
            self._count(among.parent_id)
        self._leave(draft)
        draft |= {"list_id": among.list_id, "parent_id": among.parent_id}
        self._put_last(draft)
        if among.parent_id:
            self._adopt(draft, self._drafts[among.parent_id])
        if among.list_id != before.list_id:
            self._follow(draft, list_id=among.list_id)

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
        most = subtasks.MAX_SUBTASKS
        if self._count(parent["id"]) >= most:
            raise LimitReached(f"A task can have {most} subtasks. Delete some, or choose another parent.")
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
            self._revive(parent)

    def _is_among(self, task_id: str, among: Among) -> bool:
        draft = self._drafts[task_id]
        return not draft["deleted"] and (draft["list_id"], draft["parent_id"]) == among

    def _follow(self, parent: Draft, **changes: Any) -> None:
        """Note that all subtasks follow their parent, and change those that are here."""
        if not parent["is_parent"]:
            return
        self._followed.setdefault(parent["id"], False)
        self._counts.pop(parent["id"], None)
        if self._is_watched:
            # Each must be told of, so a statement on all is not enough.
            self._take_unasked(subtasks.lock_subtasks(self._user_id, parent["id"]))
        for each in self._drafts.values():
            is_subtask = each["parent_id"] == parent["id"] and not each["deleted"]
            if is_subtask and any(each[name] != value for name, value in changes.items()):
                each.update(changes)
                self._changed.add(each["id"])

    def _restore_subtasks(self, parent: Draft) -> list[Row]:
        """Restore the subtasks that went to the trash with their parent, and return them."""
        if not parent["is_parent"]:
            return []
        if self._is_watched:
            self._take_unasked(subtasks.lock_deleted(self._user_id, parent))
        restored = subtasks.restore_subtasks(self._user_id, parent)
        for row in restored if self._is_watched else ():
            self._keep(row)
            self._drafts[row.id] |= {"deleted": False, "list_id": row.list_id}
        return restored

    def _take_unasked(self, rows: Iterable[Row]) -> None:
        """Take those tasks that are not here yet, only to tell of them."""
        new = [row for row in rows if row.id not in self._drafts]
        self._unasked.update(row.id for row in new)
        self._take(new)
