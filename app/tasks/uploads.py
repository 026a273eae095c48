"""A file of tasks that a client sends: as the body, or as the only file of a form."""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from functools import wraps
from pathlib import PurePath
from tempfile import SpooledTemporaryFile, TemporaryFile
from typing import IO, Any

from flask import Request
from werkzeug.formparser import FormDataParser

from app.http.blueprint import View, takes_file, the_request
from app.http.parsing import PIECE_BYTES, is_compressed, spooled_body
from app.http.problems import UnsupportedMediaType, ValidationFailed
from app.tasks import transfer
from app.tasks.formats import FORMATS, READERS, Reader, Unreadable
from app.tasks.transfer import Checked
from app.turns import give_way

FILE_BYTES = 10 * 1024 * 1024
FORM = "multipart/form-data"
FORM_PARTS = 10
# The formats by media type, for a body without a file name. Several are in use for JSON Lines.
MEDIA_TYPES = {
    "application/jsonl": "jsonl",
    "application/x-ndjson": "jsonl",
    "application/ndjson": "jsonl",
    "text/csv": "csv",
    "text/tab-separated-values": "csv",
    "text/calendar": "ics",
}
NO_FORMAT = f"The format is not clear. Add ?format= with one of: {', '.join(READERS)}."


def checked_file(view: View) -> View:
    """Pass the checked file of the request to the view as an argument, and reject one that cannot be imported."""

    @wraps(view)
    def wrapper(query: Mapping[str, Any], *args: Any, **kwargs: Any) -> Any:
        with TemporaryFile() as valid, spooled_body(the_request(), FILE_BYTES) as body:
            with _opened(the_request(), body) as (file, guessed):
                checked = _check(file, _reader(query.get("format") or guessed), valid)
            if checked.faults and not query["skip_faulty"]:
                raise _refusal(checked.faults)
            return view(*args, **kwargs, checked=checked)

    return takes_file({kind: transfer.example(FORMATS[name]) for kind, name in MEDIA_TYPES.items()})(wrapper)


@contextmanager
def _opened(req: Request, body: IO[bytes]) -> Iterator[tuple[IO[bytes], str | None]]:
    """Yield the file, and its format by its name or media type."""
    if is_compressed(req):
        raise UnsupportedMediaType("Send the file without a Content-Encoding.")
    if req.mimetype != FORM:
        yield body, MEDIA_TYPES.get(req.mimetype)
        return
    with ExitStack() as open_:

        def opened(*_: object, **__: object) -> IO[bytes]:
            return open_.enter_context(SpooledTemporaryFile(PIECE_BYTES))

        parser = FormDataParser(opened, max_form_memory_size=PIECE_BYTES, max_form_parts=FORM_PARTS)
        _, _, files = parser.parse(body, FORM, None, req.mimetype_params)
        sent = [file for _, file in files.items(multi=True)]
        if len(sent) != 1:
            raise ValidationFailed(errors={"file": ["Send exactly one file in the form, as the part `file`."]})
        ending = PurePath(sent[0].filename or "").suffix.removeprefix(".").lower()
        yield sent[0].stream, ending if ending in READERS else MEDIA_TYPES.get(sent[0].mimetype)


def _reader(name: str | None) -> Reader:
    if name is None:
        raise UnsupportedMediaType(NO_FORMAT)
    return READERS[name]


def _check(file: IO[bytes], read: Reader, valid: IO[bytes]) -> Checked:
    try:
        return transfer.check(file, read, valid, lambda _: give_way())
    except Unreadable as fault:
        raise _refusal([fault]) from fault


def _refusal(faults: Iterable[Unreadable]) -> ValidationFailed:
    remedy = "Nothing was imported. Correct the lines listed in `errors`, or leave them out with ?skip_faulty=true."
    return ValidationFailed(remedy, errors={f"line {fault.line}": [fault.message] for fault in faults})
