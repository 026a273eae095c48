"""Where the tasks of a file go: into their lists, under their parents, and in their order."""

from array import array
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from typing import Any
from uuid import UUID, uuid5

from sqlalchemy import select

from app.database import fetch_one, transaction
from app.database.columns import now
from app.database.statements import Row
from app.database.texts import position_at
from app.http.problems import LimitReached
from app.tasks import lists, subtasks
from app.tasks.bulk_queries import import_tasks, live_ids, lock_tasks
from app.tasks.lists import MAX_LISTS
from app.tasks.queries import new_id
from app.tasks.reminder_queries import drop_past, set_fire_times
from app.tasks.reminders import fire_times
from app.tasks.subtasks import MAX_SUBTASKS

# For the ids of lists that a file names without an id, so that two imports at once make one list.
NAMESPACE = UUID("3c0e6a0f-52c5-5b0b-9d43-5a1c8e7f2b90")
# Bytes of a number in a file's order; more tasks than that fit into no file.
_NUMBER_WIDTH = 4

TOO_MANY_LISTS = (
    f"A user can have {MAX_LISTS} lists, and with those of the file there would be more. Nothing was imported. Delete "
    "some lists, or import a part of the file."
)

_clock = select(now().label("clock"))

Task = dict[str, Any]


class Order:
    """The order of a file's tasks: those with a position by it, then the others as they are in the file.

    A position takes some 70 bytes, and a task without one nothing.
    """

    def __init__(self) -> None:
        self._count = 0
        self._given: list[bytes] = []

    def add(self, position: str | None) -> None:
        """Add the next task of the file."""
        if position is not None:
            # NUL comes before every digit. The number keeps equal positions in the file's order.
            self._given.append(b"%b\0%b" % (position.encode(), self._count.to_bytes(_NUMBER_WIDTH, "big")))
        self._count += 1

    def places(self) -> Callable[[int], str]:
        """Return a function from a task's number in the file to digits that sort as the tasks do."""
        self._given.sort()
        found = array("I", [0]) * (self._count if self._given else 0)
        for place, each in enumerate(self._given, 1):
            found[int.from_bytes(each[-_NUMBER_WIDTH:], "big")] = place
        behind, width = len(self._given) + 1, len(str(2 * self._count))
        return lambda number: f"{(found and found[number]) or behind + number:0{width}}"


class Lists:
    """A user's lists, by id and by name. None of them can be deleted until the transaction ends."""

    def __init__(self, user_id: str) -> None:
        self._user_id = user_id
        self._names: dict[str, str] = {}
        self._ids: dict[str, str] = {}
        for row in lists.lock_lists(user_id):
            self._note(row.id, row.name)

    def _note(self, list_id: str, name: str) -> None:
        self._names[list_id] = name
        # Of lists with the same name, the first counts.
        self._ids.setdefault(name, list_id)

    def find(self, task: Mapping[str, Any]) -> str | None:
        """Return the id of the list that a file means; None if it names none, or none that is there."""
        return task["list_id"] if task["list_id"] in self._names else self._ids.get(task["list_name"])

    def add_missing(self, pages: Iterable[list[Task]]) -> None:
        """Make the lists that tasks name which are not there yet."""
        wanted: dict[tuple[str | None, str], None] = {}
        for page in pages:
            missing = [task for task in page if task["list_name"] and self.find(task) is None]
            # What is there already stays where it is.
            live = live_ids(self._user_id, {task["id"] for task in missing}) if missing else set()
            wanted |= {(task["list_id"], task["list_name"]): None for task in missing if task["id"] not in live}
            # A list may be named in two ways.
            if len(wanted) > 2 * MAX_LISTS:
                raise LimitReached(TOO_MANY_LISTS)
        new: dict[str, str] = {}
        # Those with an id first, because a name alone may mean one of them.
        for list_id, name in sorted(wanted, key=lambda each: each[0] is None):
            if list_id or name not in new.values():
                new[list_id or self._id_of(name)] = name
        if len(new) + len(self._names) > MAX_LISTS:
            raise LimitReached(TOO_MANY_LISTS)
        if new:
            lists.add_lists(self._user_id, new)
        for list_id, name in new.items():
            self._note(list_id, name)

    def _id_of(self, name: str) -> str:
        made = str(uuid5(NAMESPACE, name))
        # It is taken if that list was renamed.
        return made if made not in self._names else new_id()


class Arrival:
    """An import while it writes. `left_out` counts what did not fit into the user's lists and tasks, by kind."""

    def __init__(self, user_id: str, order: Order, user_lists: Lists | None) -> None:
        self._user_id = user_id
        self._lists = user_lists
        self._place = order.places()
        row = fetch_one(_clock)
        assert row is not None
        # Behind all that is there, wherever the pages end.
        self._begin = position_at(row.clock)
        self.left_out: Counter[str] = Counter()

    def position(self, number: int) -> str:
        """Return the position of a task by its number in the file."""
        return self._begin + self._place(number)

    def add(self, page: list[Task]) -> int:
        """Add tasks that are not subtasks, and return their number."""
        return len(self._write(page, {task["id"]: self._put_alone(task) for task in page}))

    def add_subtasks(self, page: list[Task]) -> int:
        """Add tasks whose parents are there by now, if they will be; return their number."""
        with transaction():
            return self._add_subtasks(page)

    def _add_subtasks(self, page: list[Task]) -> int:
        ids = {task[name] for task in page for name in ("id", "parent_id")}
        rows = {row.id: row for row in lock_tasks(self._user_id, sorted(ids))}
        # A subtask that is there already stays as it is.
        new = [task for task in page if task["id"] not in rows or rows[task["id"]].deleted_at]
        parents = {task["parent_id"] for task in new if _can_be_parent(rows.get(task["parent_id"]))}
        counts = Counter(subtasks.count_each(self._user_id, sorted(parents)))
        kinds = {}
        for task in new:
            if task["parent_id"] in parents and counts[task["parent_id"]] < MAX_SUBTASKS:
                counts[task["parent_id"]] += 1
                kinds[task["id"]] = self._put_under(task, rows[task["parent_id"]])
                if task["id"] in rows and rows[task["id"]].is_parent:
                    subtasks.detach_deleted(self._user_id, task["id"])
            else:
                kinds[task["id"]] = self._put_alone(task)
        written = self._write(new, kinds)
        added = [task for task in new if task["id"] in written and task["parent_id"]]
        if added:
            subtasks.mark_parents(self._user_id, sorted({task["parent_id"] for task in added}))
        with_open = {task["parent_id"] for task in added if not task["completed"]}
        reopened = sorted(parent_id for parent_id in with_open if rows[parent_id].completed_at)
        if reopened:
            subtasks.reopen_parents(self._user_id, reopened)
            drop_past(self._user_id, reopened)
        return len(written)

    def _put_alone(self, task: Task) -> list[str]:
        """Put a task into its list, and return the kinds of what is left out."""
        kinds = ["parent_id"] if task["parent_id"] else []
        list_id = self._lists.find(task) if self._lists else None
        kinds += ["list_id"] if task["list_id"] and not list_id else []
        task |= {"parent_id": None, "list_id": list_id}
        return kinds

    def _put_under(self, task: Task, parent: Row) -> list[str]:
        """Make a task a subtask, and return the kinds of what is left out."""
        kinds = ["recurrence"] if task["recurrence"] else []
        task |= {"list_id": parent.list_id, "recurrence": None, "skipped_time": None, "next_id": None}
        return kinds

    def _write(self, page: list[Task], kinds: Mapping[str, list[str]]) -> set[str]:
        written = import_tasks(self._user_id, page) if page else set()
        for task_id in written:
            self.left_out.update(kinds[task_id])
        # Of tasks with the same id, the first was written.
        reminding = [task for task in reversed(page) if task["reminders"] and task["id"] in written]
        set_fire_times(self._user_id, {task["id"]: fire_times(task) for task in reminding})
        return written


def _can_be_parent(row: Row | None) -> bool:
    return row is not None and row.deleted_at is None and row.parent_id is None
