"""JSON Lines (jsonlines.org): a task as the API answers with it, one on each line."""

from collections.abc import Iterable, Iterator
from typing import IO

from app.http import strict_json
from app.http.strict_json import NotJson
from app.tasks.formats.records import NOT_READ, Lines, Task, Unreadable, check_names


def write(tasks: Iterable[Task]) -> Iterator[bytes]:
    """A line for each task."""
    for task in tasks:
        yield strict_json.dump_line(task)


def read(file: IO[bytes]) -> Iterator[tuple[int, Task]]:
    """A task for each line; empty lines are passed over."""
    lines = Lines(file)
    for line in lines:
        lines.begin_record(lines.number + 1)
        if not line.isspace():
            yield lines.number, _task(lines.number, line)


def _task(number: int, line: str) -> Task:
    try:
        record = strict_json.loads(line.encode())
    except NotJson as error:
        # A parser counts lines of its own, and sees only this one.
        reason = str(error).partition(": line ")[0]
        raise Unreadable(number, f"This is not JSON ({reason}). Write one task as one object on a line.") from error
    if not isinstance(record, dict):
        raise Unreadable(number, "This is no JSON object. Write one task as one object on a line.")
    check_names(number, list(record))
    return {name: value for name, value in record.items() if name not in NOT_READ}
