"""Export and import any number of a user's tasks, a page at a time."""

import uuid
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import chain, islice
from typing import IO, Any, NamedTuple

import orjson
from marshmallow import ValidationError
from sqlalchemy import Column, Integer, Select, bindparam, select, tuple_

from app.auth.identity import Identity
from app.database import fetch_tuples, transaction
from app.http.openapi import example_of
from app.http.parsing import refused
from app.tasks.arrivals import Arrival, Lists, Order
from app.tasks.file_schemas import ImportedTask
from app.tasks.filters import NONE
from app.tasks.formats import Format, Reader, Record, Unreadable
from app.tasks.formats.records import MAX_FAULTS
from app.tasks.lists import names_of_lists
from app.tasks.models import BEFORE_EVERY_ID, LISTED, tasks
from app.tasks.queries import for_known_user
from app.tasks.responses import TASK
from app.tasks.schemas import Task
from app.turns import give_way, turn, without_turn

# Five times as many took no less time, and 200 MB if each task had the maximum length.
PAGE = 200
# A piece for each task would need a system call for each.
PIECE_BYTES = 64 * 1024
# For the ids of imported tasks without an id.
NAMESPACE = uuid.UUID("5d7b3a52-6a3c-5a7e-9a0e-3f1f4d0c8b61")
# Before every value of a column by which tasks are read.
_BEGIN = {
    "created_at": "0001-01-01T00:00:00.000000Z",
    "position": "",
    "parent_id": BEFORE_EVERY_ID,
    "id": BEFORE_EVERY_ID,
}
# A task's place is not a part of its content. Nor are reminders, because an import of an earlier version left them out.
_NOT_CONTENT = frozenset({"list_id", "list_name", "parent_id", "position", "reminders"})

_imported = ImportedTask()


class _Part(NamedTuple):
    """Some tasks, in the order of an index, so that a page is read without sorting or passing over others."""

    page: Select[Any]
    order: tuple[Column[Any], ...]


def _part(*order: Column[Any], where: Iterable[Any] = ()) -> _Part:
    after = (bindparam(f"after_{column.name}", type_=column.type) for column in order)
    mine = (tasks.c.user_id == bindparam("of_user"), tasks.c.deleted_at.is_(None))
    page = select(*LISTED).where(*mine, *where, tuple_(*order) > tuple_(*after)).order_by(*order)
    return _Part(page.limit(bindparam("rows", type_=Integer())), order)


# By creation time, whose index excludes the trash: by id, a server without statistics read and sorted all tasks for
# each page.
_EVERYTHING = [_part(tasks.c.created_at, tasks.c.id)]
_OF_LIST = [
    _part(tasks.c.position, tasks.c.id, where=[tasks.c.list_id == bindparam("of_list", type_=tasks.c.list_id.type)])
]
_in_inbox = tasks.c.list_id.is_(None)
_OF_INBOX = [
    _part(tasks.c.position, tasks.c.id, where=[_in_inbox, tasks.c.parent_id.is_(None)]),
    _part(tasks.c.parent_id, tasks.c.position, tasks.c.id, where=[_in_inbox, tasks.c.parent_id.is_not(None)]),
]


def export(user_id: str, format_: Format, list_id: str | None = None) -> Iterator[bytes]:
    """Return a user's tasks without the trash as pieces of a file; only those of a list, or with `none` of the inbox.

    Make the first piece now, while errors get a response.
    """
    names = names_of_lists(user_id)
    found = (_named(task, names) for page in _pages(user_id, list_id) for task in TASK.many(page, user_id))
    pieces = _by_turns(_in_pieces(format_.write(found, names.get(list_id or ""))))
    return chain([*islice(pieces, 1)], pieces)


def example(format_: Format) -> str:
    """Return a file with one task, as text."""
    return b"".join(format_.write([_named(example_of(Task), {})])).decode("utf-8-sig")


def _named(task: dict[str, Any], names: Mapping[str, str]) -> dict[str, Any]:
    return {**task, "list_name": names.get(task["list_id"])}


@dataclass
class Checked:
    """The valid tasks of a file, and the rest of it."""

    # A file with the valid tasks in their stored form, each as JSON on a line.
    file: IO[bytes]
    valid: int = 0
    faulty: int = 0
    # The first faulty tasks.
    faults: list[Unreadable] = field(default_factory=list)
    # How often something was left out of a valid task, by kind.
    left_out: Counter[str] = field(default_factory=Counter)
    order: Order = field(default_factory=Order)
    names_lists: bool = False
    # The ids that valid tasks name as their parents, as 16 bytes each.
    parents: set[bytes] = field(default_factory=set)

    def keep(self, task: dict[str, Any]) -> None:
        """Write a valid task to the file."""
        self.order.add(task.pop("position"))
        self.names_lists |= bool(task["list_id"] or task["list_name"])
        if task["parent_id"]:
            self.parents.add(_bytes_of(task["parent_id"]))
        self.file.write(orjson.dumps(task) + b"\n")
        self.valid += 1

    def tasks(self) -> Iterator[dict[str, Any]]:
        """Yield the valid tasks, from the first."""
        self.file.seek(0)
        return map(orjson.loads, self.file)

    def is_subtask(self, task: Mapping[str, Any]) -> bool:
        """Return whether a task is to be a subtask. One that has subtasks in the file cannot be one itself."""
        return bool(task["parent_id"]) and _bytes_of(task["id"]) not in self.parents


def check(file: IO[bytes], read: Reader, checked: IO[bytes], note: Callable[[int], None]) -> Checked:
    """Check each task of a file, and write the valid ones to `checked`.

    `note` gets the number of tasks in each step. Raise Unreadable if the rest of the file cannot be read.
    """
    result = Checked(checked)
    seen: Counter[bytes] = Counter()
    parent_id = None
    for found in read(file):
        record = found if isinstance(found, Unreadable) else _loaded(found, seen)
        if isinstance(record, Unreadable):
            result.faulty += 1
            result.faults += [record] if result.faulty <= MAX_FAULTS else []
        else:
            if record.is_nested:
                record.task["parent_id"] = parent_id
            else:
                parent_id = record.task["id"]
            result.keep(record.task)
            result.left_out.update(record.left_out)
        note(1)
    return result


def write(user_id: str, checked: Checked, note: Callable[[int], None]) -> int:
    """Add tasks that are new or in the trash, and return their number. `note` gets the number in each page."""
    user_lists = Lists(user_id) if checked.names_lists else None
    if user_lists:
        user_lists.add_missing(_in_pages(checked.tasks()))
    arrival, written = Arrival(user_id, checked.order, user_lists), 0
    # Parents are there before their subtasks.
    for add, subtasks in ((arrival.add, False), (arrival.add_subtasks, True)):
        if checked.parents or not subtasks:
            for page in _in_pages(_placed(checked, arrival, subtasks)):
                written += add(page)
                note(len(page))
    checked.left_out.update(arrival.left_out)
    return written


def _placed(checked: Checked, arrival: Arrival, subtasks: bool) -> Iterator[dict[str, Any]]:
    """Yield the tasks that are subtasks, or the others, with their positions."""
    for number, task in enumerate(checked.tasks()):
        if checked.is_subtask(task) == subtasks:
            yield {**task, "position": arrival.position(number)}


def _in_pages(found: Iterator[dict[str, Any]]) -> Iterator[list[dict[str, Any]]]:
    while page := list(islice(found, PAGE)):
        yield page


def write_all(identity: Identity, checked: Checked) -> int:
    """Add the tasks in one transaction, and return their number."""

    def run() -> int:
        with transaction():
            return write(identity.user_id, checked, lambda _: give_way())

    return for_known_user(identity, run)


def report(checked: Checked, added: int) -> dict[str, Any]:
    """Return what an import did."""
    return {
        "found": checked.valid + checked.faulty,
        "added": added,
        "kept": checked.valid - added,
        "skipped": checked.faulty,
        "faults": [{"line": fault.line, "detail": fault.message} for fault in checked.faults],
        "left_out": [{"kind": kind, "count": count} for kind, count in checked.left_out.most_common()],
    }


def _loaded(found: Record, seen: Counter[bytes]) -> Record | Unreadable:
    """Return a record with its task in the stored form, or what is wrong with it."""
    try:
        loaded = _imported.load(found.task)
    except ValidationError as error:
        faults = (f"{name}: {' '.join(messages)}" for name, messages in (refused(error).errors or {}).items())
        return Unreadable(found.line, " ".join(faults))
    # The same file gives the same ids, so importing it twice adds no duplicates.
    return found._replace(task=loaded if "id" in loaded else {**loaded, "id": _id_of(found.task, seen)})


def _id_of(task: Mapping[str, Any], seen: Counter[bytes]) -> str:
    """Return an id for a task without one, made from its content and how often the content was seen before."""
    content_ = {name: value for name, value in task.items() if name not in _NOT_CONTENT}
    content = orjson.dumps(content_, option=orjson.OPT_SORT_KEYS).decode()
    # Count digests, because the tasks themselves would fill the memory.
    digest = uuid.uuid5(NAMESPACE, content).bytes
    seen[digest] += 1
    return str(uuid.uuid5(NAMESPACE, f"{seen[digest]} {content}"))


def _bytes_of(task_id: str) -> bytes:
    return bytes.fromhex(task_id.replace("-", ""))


def _pages(user_id: str, list_id: str | None) -> Iterator[list[tuple[Any, ...]]]:
    parts = {None: _EVERYTHING, NONE: _OF_INBOX}.get(list_id, _OF_LIST)
    given = {"of_user": user_id} | ({"of_list": list_id} if parts is _OF_LIST else {})
    return chain.from_iterable(_pages_of(part, given) for part in parts)


def _pages_of(part: _Part, given: Mapping[str, Any]) -> Iterator[list[tuple[Any, ...]]]:
    places = {column.name: LISTED.index(column) for column in part.order}
    after = {name: _BEGIN[name] for name in places}
    while True:
        here = {**given, "rows": PAGE, **{f"after_{name}": value for name, value in after.items()}}
        with without_turn():
            rows = fetch_tuples(part.page, here)
        yield rows
        if len(rows) < PAGE:
            return
        after = {name: rows[-1][place] for name, place in places.items()}


def _by_turns(pieces: Iterator[bytes]) -> Iterator[bytes]:
    """Let only one export compute at a time, and let other requests run between two pieces."""
    while True:
        with turn():
            piece = next(pieces, None)
        if piece is None:
            return
        yield piece


def _in_pieces(parts: Iterable[bytes]) -> Iterator[bytes]:
    piece = bytearray()
    for part in parts:
        piece += part
        if len(piece) >= PIECE_BYTES:
            yield bytes(piece)
            piece.clear()
    if piece:
        yield bytes(piece)
