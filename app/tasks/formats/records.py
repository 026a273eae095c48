"""What the formats share: the fields of a record, and lines that cannot fill the memory."""

from collections.abc import Iterator
from typing import IO, Any, NamedTuple

from app.tasks import schemas

Task = dict[str, Any]

_SHOWN = tuple(schemas.Task._declared_fields)
# In the order of a response; only files name a task's list.
FIELDS = (*_SHOWN[: _SHOWN.index("parent_id")], "list_name", *_SHOWN[_SHOWN.index("parent_id") :])
# Exported for people. The import sets them itself.
NOT_READ = frozenset({"updated_at", "user_id"})

# The longest task takes some 150 KB, where each character of its details has to be escaped.
MAX_RECORD_BYTES = 1024 * 1024

# Maximum faults that an import lists: a file full of faults must not cause a larger response.
MAX_FAULTS = 1_000
# Maximum unknown fields that a fault names.
MAX_NAMES = 20


class Unreadable(ValueError):
    """A file holds what its format does not allow; the message says what to do about it."""

    def __init__(self, line: int, message: str) -> None:
        super().__init__(f"Line {line}: {message}")
        self.line = line
        self.message = message


class Record(NamedTuple):
    """One task of a file, and where it begins."""

    line: int
    # The fields that it has, as JSON would hold them. Their values are not checked yet.
    task: Task
    # What it has that no task can keep, by kind, such as ATTACH.
    left_out: tuple[str, ...] = ()
    # Whether it is a subtask of the last task that is none.
    is_nested: bool = False


# A fault of one task is yielded, so that the other tasks can still be read. A fault of the whole file is raised.
Records = Iterator[Record | Unreadable]


class Lines(Iterator[str]):
    """The lines of a UTF-8 file, with their ends; `number` is that of the last one given."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self.number = 0
        self.begin_record(1)

    def begin_record(self, line: int) -> None:
        """A record begins in this line, and may be as long as any."""
        self._began = line
        self._room = MAX_RECORD_BYTES

    def __next__(self) -> str:
        line = self._file.readline(self._room + 1)
        if not line:
            raise StopIteration
        self.number += 1
        self._room -= len(line)
        if self._room < 0:
            raise Unreadable(self._began, "What begins here is longer than 1 MiB. Shorten it, or take it out.")
        try:
            # Excel puts a byte order mark before the first line.
            return line.decode("utf-8-sig" if self.number == 1 else "utf-8")
        except UnicodeDecodeError as error:
            raise Unreadable(self.number, "This is not UTF-8. Save the file as UTF-8, and import it again.") from error


def check_names(line: int, names: list[str]) -> None:
    """Refuse what is no field of a task, and what is named twice: a typo never passes for success."""
    if unknown := [name for name in dict.fromkeys(names) if name not in FIELDS]:
        named = ", ".join(repr(name[:40]) for name in unknown[:MAX_NAMES])
        more = f", and {len(unknown) - MAX_NAMES} more" if len(unknown) > MAX_NAMES else ""
        each = "each" if len(unknown) > 1 else "it"
        raise Unreadable(
            line, f"A task has no field {named}{more}. Take {each} out, or name it one of: {', '.join(FIELDS)}."
        )
    for name in names:
        if names.count(name) > 1:
            raise Unreadable(line, f"The field {name!r} is named twice. Take one of them out.")
