"""A file of tasks that a client sends: as the body, or as the only file of a form."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from functools import wraps
from pathlib import PurePath
from tempfile import SpooledTemporaryFile, TemporaryFile
from typing import IO, Any

from flask import Request
from werkzeug.datastructures import FileStorage
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
BODY = f"A form with one file, or the file itself as one of: {', '.join(f'`{kind}`' for kind in MEDIA_TYPES)}."
NO_FORMAT = f"The format is not clear. Add ?format= with one of: {', '.join(READERS)}."


def checked_file(view: View) -> View:
    """Pass the checked file of the request to the view as an argument, and reject one that cannot be imported."""

    @wraps(view)
    def wrapper(query: Mapping[str, Any], *args: Any, **kwargs: Any) -> Any:
        with TemporaryFile() as valid, spooled_body(the_request(), FILE_BYTES) as body:
            if not body.read(1):
                # A client that forgot the file must not take this for a success.
                raise ValidationFailed(errors={"file": ["The file is empty. Send it as the body, or in a form."]})
            body.seek(0)
            with _opened(the_request(), body) as (file, guessed):
                checked = _check(file, READERS[query.get("format") or guessed()], valid)
            if checked.faults and not query["skip_faulty"]:
                raise _refusal(checked.faults)
            return view(*args, **kwargs, checked=checked)

    return takes_file(BODY, transfer.example(FORMATS["jsonl"]), FILE_BYTES)(wrapper)


@contextmanager
def _opened(req: Request, body: IO[bytes]) -> Iterator[tuple[IO[bytes], Callable[[], str]]]:
    """Yield the file, and a function that tells its format by its name or media type."""
    if is_compressed(req):
        raise UnsupportedMediaType("Send the file without a Content-Encoding.")
    if req.mimetype != FORM:
        yield body, lambda: _format_of_body(req.mimetype)
        return
    with ExitStack() as open_:

        def opened(*_: object, **__: object) -> IO[bytes]:
            return open_.enter_context(SpooledTemporaryFile(PIECE_BYTES))

        parser = FormDataParser(opened, max_form_memory_size=PIECE_BYTES, max_form_parts=FORM_PARTS)
        _, other_fields, files = parser.parse(body, FORM, None, req.mimetype_params)
        if other_fields or [name for name, _ in files.items(multi=True)] != ["file"]:
            raise ValidationFailed(errors={"file": ["Send a form with exactly one file, named `file`, and no field."]})
        yield files["file"].stream, lambda: _format_of_file(files["file"])


def _format_of_body(media_type: str) -> str:
    if media_type not in MEDIA_TYPES:
        raise UnsupportedMediaType(NO_FORMAT)
    return MEDIA_TYPES[media_type]


def _format_of_file(file: FileStorage) -> str:
    ending = PurePath(file.filename or "").suffix.removeprefix(".").lower()
    if ending in READERS:
        return ending
    if file.mimetype not in MEDIA_TYPES:
        raise ValidationFailed(errors={"file": [NO_FORMAT]})
    return MEDIA_TYPES[file.mimetype]


def _check(file: IO[bytes], read: Reader, valid: IO[bytes]) -> Checked:
    try:
        return transfer.check(file, read, valid, lambda _: give_way())
    except Unreadable as fault:
        raise _refusal([fault]) from fault


def _refusal(faults: Iterable[Unreadable]) -> ValidationFailed:
    remedy = "Nothing was imported. Correct the lines listed in `errors`, or leave them out with ?skip_faulty=true."
    return ValidationFailed(remedy, errors={f"line {fault.line}": [fault.message] for fault in faults})
