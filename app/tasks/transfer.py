"""Export and import any number of a user's tasks, a page at a time."""

import uuid
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import chain, islice
from typing import IO, Any

import orjson
from marshmallow import ValidationError
from sqlalchemy import Integer, bindparam, select, tuple_

from app.auth.identity import Identity
from app.database import fetch_tuples, transaction
from app.http.openapi import example_of
from app.http.parsing import refused
from app.tasks.bulk_queries import import_tasks
from app.tasks.file_schemas import ImportedTask
from app.tasks.formats import Format, Reader, Record, Unreadable
from app.tasks.formats.records import MAX_FAULTS
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
BEFORE_EVERY_TIME = "0001-01-01T00:00:00.000000Z"

# By creation time, whose index excludes the trash: by id, a server without statistics read and sorted all tasks for
# each page.
_ORDER = (tasks.c.created_at, tasks.c.id)
_after = (bindparam(f"after_{column.name}", type_=column.type) for column in _ORDER)
_page = (
    select(*LISTED)
    .where(tasks.c.user_id == bindparam("of_user"), tasks.c.deleted_at.is_(None), tuple_(*_ORDER) > tuple_(*_after))
    .order_by(*_ORDER)
    .limit(bindparam("rows", type_=Integer()))
)
_CREATED_AT, _ID = map(LISTED.index, _ORDER)
_imported = ImportedTask()


def export(user_id: str, format_: Format) -> Iterator[bytes]:
    """Return a user's tasks without the trash as pieces of a file. Make the first now, while errors get a response."""
    found = chain.from_iterable(TASK.many(page, user_id) for page in _pages(user_id))
    pieces = _by_turns(_in_pieces(format_.write(found)))
    return chain([*islice(pieces, 1)], pieces)


def example(format_: Format) -> str:
    """Return a file with one task, as text."""
    return b"".join(format_.write([example_of(Task)])).decode("utf-8-sig")


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


def check(file: IO[bytes], read: Reader, checked: IO[bytes], note: Callable[[int], None]) -> Checked:
    """Check each task of a file, and write the valid ones to `checked`.

    `note` gets the number of tasks in each step. Raise Unreadable if the rest of the file cannot be read.
    """
    result = Checked(checked)
    seen: Counter[bytes] = Counter()
    for found in read(file):
        record = found if isinstance(found, Unreadable) else _loaded(found, seen)
        if isinstance(record, Unreadable):
            result.faulty += 1
            result.faults += [record] if result.faulty <= MAX_FAULTS else []
        else:
            checked.write(orjson.dumps(record.task) + b"\n")
            result.valid += 1
            result.left_out.update(record.left_out)
        note(1)
    return result


def write(user_id: str, checked: Checked, note: Callable[[int], None]) -> int:
    """Add tasks that are new or in the trash, and return their number. `note` gets the number in each page."""
    checked.file.seek(0)
    tasks_, written = map(orjson.loads, checked.file), 0
    while page := list(islice(tasks_, PAGE)):
        written += import_tasks(user_id, page)
        note(len(page))
    return written


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
    content = orjson.dumps(task, option=orjson.OPT_SORT_KEYS).decode()
    # Count digests, because the tasks themselves would fill the memory.
    digest = uuid.uuid5(NAMESPACE, content).bytes
    seen[digest] += 1
    return str(uuid.uuid5(NAMESPACE, f"{seen[digest]} {content}"))


def _pages(user_id: str) -> Iterator[list[tuple[Any, ...]]]:
    here = {"of_user": user_id, "after_created_at": BEFORE_EVERY_TIME, "after_id": BEFORE_EVERY_ID, "rows": PAGE}
    while True:
        with without_turn():
            rows = fetch_tuples(_page, here)
        yield rows
        if len(rows) < PAGE:
            return
        here |= {"after_created_at": rows[-1][_CREATED_AT], "after_id": rows[-1][_ID]}


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
