"""Tasks from another program's JSON."""

from collections.abc import Iterator
from typing import IO, Any

import orjson

from app.tasks.formats.programs import DOCUMENTS, fitted
from app.tasks.formats.records import Records, Unreadable

# A document is one value, so it is read as a whole: 10 MiB of a board or an archive take 50 to 70 MiB of memory.
MAX_DOCUMENT_BYTES = 32 * 1024 * 1024
# Without a limit for these, 10 MiB of [] take 320 MiB. A large board has one for each 100 bytes.
MAX_BRACKETS = 500_000


def read(file: IO[bytes]) -> Records:
    """Yield the tasks of a document, whose shape tells which program wrote it. They are numbered instead of lines."""
    document = _document(file.read(MAX_DOCUMENT_BYTES + 1).removeprefix(b"\xef\xbb\xbf"))
    for program in DOCUMENTS:
        if program.recognizes(document):
            for number, record in enumerate(fitted(program.records(document)), 1):
                yield record._replace(line=number)
            return
    programs = ", ".join(program.name for program in DOCUMENTS)
    raise Unreadable(1, f"This is no JSON of {programs}. Import it as it was exported; JSON Lines are named .jsonl.")


def _document(text: bytes) -> Any:
    if len(text) > MAX_DOCUMENT_BYTES:
        raise Unreadable(1, f"This is longer than {MAX_DOCUMENT_BYTES // 1024 // 1024} MiB. Export a part of it.")
    if text.count(b"{") + text.count(b"[") > MAX_BRACKETS:
        raise Unreadable(1, "This has too many objects and arrays. Export a part of it.")
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError as error:
        lines = list(_values(text))
        if lines:
            return lines
        raise _not_json(error.lineno, error) from error


def _values(text: bytes) -> Iterator[Any]:
    """Yield the value of each line; nothing if the first line is not JSON."""
    for number, line in enumerate(text.splitlines(), 1):
        try:
            if line.strip():
                yield orjson.loads(line)
        except orjson.JSONDecodeError as error:
            if number == 1:
                return
            raise _not_json(number, error) from error


def _not_json(line: int, error: orjson.JSONDecodeError) -> Unreadable:
    # A parser counts lines of its own.
    reason = str(error).partition(": line ")[0]
    return Unreadable(line, f"This is not JSON ({reason}). Export it again.")
