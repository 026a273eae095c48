"""JSON Lines (jsonlines.org): a task as the API answers with it and its list's name, one on each line."""

from collections.abc import Iterable, Iterator
from typing import IO

from app.http import strict_json
from app.http.strict_json import NotJson
from app.tasks.formats.records import NOT_READ, Lines, Record, Records, Task, Unreadable, check_names


def write(tasks: Iterable[Task], _calendar: str | None = None) -> Iterator[bytes]:
    """Write a line for each task."""
    for task in tasks:
        yield strict_json.dump_line(task)


def read(file: IO[bytes]) -> Records:
    """Yield a task for each line; skip empty lines."""
    lines = Lines(file)
    for line in lines:
        lines.begin_record(lines.number + 1)
        if not line.isspace():
            yield _record(lines.number, line)


def _record(number: int, line: str) -> Record | Unreadable:
    try:
        return Record(number, _task(number, line))
    except Unreadable as fault:
        return fault


def _task(number: int, line: str) -> Task:
    try:
        record = strict_json.loads(line.encode())
    except NotJson as error:
        # A parser counts lines of its own, and sees only this one.
        reason = str(error).partition(": line ")[0]
        raise Unreadable(number, f"This is not JSON ({reason}). Write one task as one object on a line.") from error
    if not isinstance(record, dict):
        raise Unreadable(number, "This is not a JSON object. Write one task as one object on a line.")
    check_names(number, list(record))
    return {name: value for name, value in record.items() if name not in NOT_READ}
