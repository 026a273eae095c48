"""A user's lists and tasks in plain Python: what they should be after any sequence of operations."""

from collections.abc import Callable, Iterator
from copy import deepcopy
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

Operation = dict[str, Any]
# A list, a parent, or INBOX, whose tasks are in an order.
Place = str
INBOX = "inbox"
MAX_SUBTASKS = 3


class Refused(Exception):
    """The response is this error; `field` is the wrong one if it is 422."""

    def __init__(self, status: int, field: str | None = None) -> None:
        super().__init__(status, field)
        self.status, self.field = status, field


@dataclass
class Task:
    id: str
    title: str
    list_id: str | None = None
    parent_id: str | None = None
    completed: bool = False
    # The day of a recurring task.
    due_on: str | None = None
    has_next: bool = False
    # When it went to the trash, as a number of the operation.
    deleted_at: int | None = None

    @property
    def place(self) -> Place:
        return self.parent_id or self.list_id or INBOX

    @property
    def shown(self) -> dict[str, Any]:
        names = ("title", "list_id", "parent_id", "completed", "due_on")
        rule = "FREQ=DAILY" if self.due_on else None
        return {**{name: getattr(self, name) for name in names}, "recurrence": rule}


class Arrangement:
    """Each operation changes it, or raises Refused and leaves it in any state: work on a copy."""

    def __init__(self) -> None:
        self.lists: list[str] = []
        self.tasks: dict[str, Task] = {}
        self.orders: dict[Place, list[str]] = {}
        self.now = 0
        self._next_ids = 0

    def copy(self) -> "Arrangement":
        """Return a copy, at a later time."""
        copied = deepcopy(self)
        copied.now += 1
        return copied

    @property
    def live(self) -> list[Task]:
        return [task for task in self.tasks.values() if task.deleted_at is None]

    @property
    def trash(self) -> set[str]:
        return {task.id for task in self.tasks.values() if task.deleted_at is not None}

    def order(self, place: Place) -> list[str]:
        return self.orders.setdefault(place, [])

    # What a batch can do, too.

    def apply(self, operation: Operation) -> None:
        match operation["op"]:
            case "create":
                self.create(operation["task"])
            case "update":
                self.change(operation["id"], operation["changes"])
            case "complete" | "reopen" as op:
                self.change(operation["id"], {"completed": op == "complete"})
            case "move":
                self.move(operation["id"], operation)
            case "delete":
                self.delete(operation["id"])

    def create(self, body: dict[str, Any]) -> None:
        task = Task(body["id"], body["title"], completed=body.get("completed", False), due_on=body.get("due_on"))
        where = {name: body[name] for name in ("list_id", "parent_id") if name in body}
        task.list_id, task.parent_id = self._target(task, {"parent_id": None, **where}, is_new=True)
        self._add(task)

    def change(self, task_id: str, changes: dict[str, Any]) -> None:
        task = self._find(task_id)
        was_completed = task.completed
        task.completed = changes.get("completed", was_completed)
        task.due_on = changes.get("due_on", task.due_on)
        if changes.keys() & {"list_id", "parent_id"}:
            target = self._target(task, changes)
            if target != (task.list_id, task.parent_id):
                self._settle(task, *target, None)
        if task.parent_id and task.due_on:
            raise Refused(422, "recurrence")
        self._reopen_parent(task)
        if task.completed and not was_completed:
            self._complete(task)

    def move(self, task_id: str, move: dict[str, Any]) -> None:
        task = self._find(task_id)
        if "place" in move:
            target = self._target(task, move)
            self._settle(task, *target, None if move["place"] == "last" else 0)
            return
        name = "before" if "before" in move else "after"
        neighbour = self.tasks.get(move[name])
        if neighbour is None or neighbour.deleted_at is not None or neighbour is task or neighbour.parent_id == task_id:
            raise Refused(422, name)
        others = [id_ for id_ in self.order(neighbour.place) if id_ != task_id]
        index = others.index(neighbour.id) + (name == "after")
        self._settle(task, neighbour.list_id, neighbour.parent_id, index)

    def delete(self, task_id: str) -> None:
        task = self._find(task_id)
        for each in (task, *self._subtasks(task)):
            self._to_trash(each)

    # What only a request of its own can do.

    def toggle(self, task_id: str) -> None:
        self.change(task_id, {"completed": not self._find(task_id).completed})

    def replace(self, task_id: str, body: dict[str, Any]) -> None:
        alone = {} if body.get("parent_id") else {"list_id": None}
        self.change(task_id, {"parent_id": None, "completed": False, "due_on": None, **alone, **body})

    def restore(self, task_id: str, seen: Callable[[Place], list[str]]) -> None:
        """Restore a task at a place that the database knows; `seen` returns an order as a client sees it."""
        task = self.tasks.get(task_id)
        if task is None:
            raise Refused(404)
        if task.deleted_at is None:
            return
        parent = self.tasks[task.parent_id] if task.parent_id else None
        if parent and parent.deleted_at is not None:
            raise Refused(409)
        if parent and len(self._subtasks(parent)) >= MAX_SUBTASKS:
            raise Refused(409)
        together = [
            each
            for each in self.tasks.values()
            if each.parent_id == task_id and (each.deleted_at or 0) >= task.deleted_at
        ]
        task.list_id = parent.list_id if parent else task.list_id
        for each in (task, *together):
            each.deleted_at = None
            each.list_id = task.list_id
        for place in {each.place for each in (task, *together)}:
            new = [each.id for each in (task, *together) if each.place == place]
            found = seen(place)
            assert [id_ for id_ in found if id_ not in new] == self.order(place)
            assert set(found) == {*self.order(place), *new}
            self.orders[place] = found
        for each in (task, *together):
            self._reopen_parent(each)

    def create_list(self, list_id: str) -> None:
        self.lists.append(list_id)

    def move_list(self, list_id: str, move: dict[str, Any]) -> None:
        self._require_list(list_id)
        others = [id_ for id_ in self.lists if id_ != list_id]
        if "place" in move:
            index = 0 if move["place"] == "first" else len(others)
        else:
            name = "before" if "before" in move else "after"
            if move[name] not in others:
                raise Refused(422, name)
            index = others.index(move[name]) + (name == "after")
        self.lists = [*others[:index], list_id, *others[index:]]

    def delete_list(self, list_id: str, keep: bool) -> None:
        self._require_list(list_id)
        self.lists.remove(list_id)
        if keep:
            self.order(INBOX).extend(self.order(list_id))
        for task in self.tasks.values():
            if task.list_id == list_id:
                if task.deleted_at is None and not keep:
                    self._to_trash(task)
                task.list_id = None
        self.orders.pop(list_id, None)

    def _require_list(self, list_id: str) -> None:
        if list_id not in self.lists:
            raise Refused(404)

    # What follows.

    def _find(self, task_id: str) -> Task:
        task = self.tasks.get(task_id)
        if task is None or task.deleted_at is not None:
            raise Refused(404)
        return task

    def _subtasks(self, task: Task) -> list[Task]:
        return [self.tasks[id_] for id_ in self.order(task.id)]

    def _target(self, task: Task, where: dict[str, Any], is_new: bool = False) -> tuple[str | None, str | None]:
        """Return the list and the parent that a body asks for."""
        parent_id = where.get("parent_id", task.parent_id)
        if parent_id is None:
            list_id = where.get("list_id", task.list_id)
            if list_id is not None and list_id not in self.lists:
                raise Refused(422, "list_id")
            return list_id, None
        parent = self.tasks.get(parent_id)
        if parent is None or parent.deleted_at is not None or parent is task or parent.parent_id:
            raise Refused(422, "parent_id")
        if where.get("list_id", parent.list_id) != parent.list_id:
            raise Refused(422, "list_id")
        if is_new:
            self._require_room(task, parent)
        return parent.list_id, parent_id

    def _require_room(self, task: Task, parent: Task) -> None:
        if task.due_on:
            raise Refused(422, "recurrence")
        if self._subtasks(task):
            raise Refused(422, "parent_id")
        if len(self._subtasks(parent)) >= MAX_SUBTASKS:
            raise Refused(409)

    def _settle(self, task: Task, list_id: str | None, parent_id: str | None, index: int | None) -> None:
        """Put a task at an index; None is the end."""
        is_other = (list_id, parent_id) != (task.list_id, task.parent_id)
        if is_other and parent_id:
            self._require_room(task, self.tasks[parent_id])
            for each in self.tasks.values():
                if each.parent_id == task.id:
                    each.parent_id = None
        self.order(task.place).remove(task.id)
        task.list_id, task.parent_id = list_id, parent_id
        order = self.order(task.place)
        order.insert(len(order) if index is None else index, task.id)
        for subtask in self._subtasks(task):
            subtask.list_id = list_id
        self._reopen_parent(task)

    def _add(self, task: Task) -> None:
        self.tasks[task.id] = task
        self.order(task.place).append(task.id)
        self._reopen_parent(task)

    def _reopen_parent(self, task: Task) -> None:
        if task.parent_id and not task.completed:
            self.tasks[task.parent_id].completed = False

    def _complete(self, task: Task) -> None:
        if task.due_on and not task.has_next:
            task.has_next = True
            day = (date.fromisoformat(task.due_on) + timedelta(1)).isoformat()
            following = Task(self._unknown(), task.title, task.list_id, due_on=day)
            self._add(following)
            for each in self._subtasks(task):
                self._add(Task(self._unknown(), each.title, task.list_id, following.id))
        for each in self._subtasks(task):
            each.completed = True

    def _to_trash(self, task: Task) -> None:
        task.deleted_at = self.now
        self.order(task.place).remove(task.id)

    # Ids that the service makes.

    def _unknown(self) -> str:
        self._next_ids += 1
        return f"? {self._next_ids}"

    @property
    def known(self) -> list[str]:
        return sorted(id_ for id_ in self.tasks if not id_.startswith("?"))

    def learn(self, seen: Callable[[Place], list[str]]) -> None:
        """Take the ids of what the service has added, from where it must be; parents first."""
        for task_id in [id_ for id_ in self.tasks if id_.startswith("?")]:
            task = self.tasks[task_id]
            if task.deleted_at is not None:
                continue
            order = self.order(task.place)
            found = seen(task.place)
            assert len(found) == len(order)
            real = found[order.index(task_id)]
            assert real not in self.tasks
            self._rename(task, real)

    def _rename(self, task: Task, real: str) -> None:
        order = self.order(task.place)
        order[order.index(task.id)] = real
        del self.tasks[task.id]
        if task.id in self.orders:
            self.orders[real] = self.orders.pop(task.id)
        for each in self.tasks.values():
            if each.parent_id == task.id:
                each.parent_id = real
        task.id = real
        self.tasks[real] = task

    def places(self) -> Iterator[tuple[Place, dict[str, str]]]:
        """Yield every place with the filters that list its tasks."""
        yield INBOX, {"list": "none", "parent": "none"}
        for list_id in self.lists:
            yield list_id, {"list": list_id, "parent": "none"}
        for task in self.live:
            if not task.parent_id:
                yield task.id, {"parent": task.id}
