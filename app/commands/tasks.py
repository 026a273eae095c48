"""`flask tasks`: export and import a user's tasks."""

import os
import stat
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import click
import orjson
from flask.cli import AppGroup

from app.auth import queries
from app.commands.arguments import can_be_outside, find_user_id, require_utf8
from app.commands.output import answer, as_json, failing_in_one_line, progress
from app.database import scope
from app.tasks import transfer
from app.tasks.formats import FORMATS, Format, Unreadable

tasks = AppGroup("tasks", help="Export and import a user's tasks.")

STANDARD_STREAM = "-"

of_user = click.option(
    "--user", required=True, callback=require_utf8, help="A user's id, or an account's e-mail address."
)
in_format = click.option(
    "--format", "format_name", type=click.Choice(list(FORMATS)), help="By default, the file name's ending."
)


@tasks.command("export")
@of_user
@in_format
@click.argument("file", type=click.Path(dir_okay=False, allow_dash=True), default=STANDARD_STREAM)
@failing_in_one_line
def export_tasks(user: str, format_name: str | None, file: str) -> None:
    """Write a user's tasks, except those in the trash, to FILE or standard output.

    \b
    Examples:
      flask tasks export --user ann@example.com tasks.ics
      flask tasks export --user ann@example.com --format jsonl | gzip > tasks.jsonl.gz
    """
    format_ = _format_of(file, format_name)
    user_id = find_user_id(user)
    with _written(file) as stream, progress("Bytes") as tick, scope(user_id):
        for piece in transfer.export(user_id, format_):
            stream.write(piece)
            tick(len(piece))


@tasks.command("import")
@of_user
@in_format
@click.argument("file", type=click.Path(dir_okay=False, exists=True, allow_dash=True))
@as_json
@failing_in_one_line
def import_tasks(user: str, format_name: str | None, file: str, json: bool) -> None:
    """Add the tasks in FILE, or with - from standard input, to a user's tasks.

    The whole file is checked first: if it has a mistake, nothing is added. Tasks that the user already has stay
    unchanged, so it is safe to repeat an import. Tasks in the trash are restored.

    \b
    Examples:
      flask tasks import --user ann@example.com tasks.ics
      gunzip < tasks.jsonl.gz | flask tasks import --user ann@example.com --format jsonl -
    """
    format_ = _format_of(file, format_name)
    user_id = find_user_id(user, or_outside=True)
    with tempfile.TemporaryFile() as checked:
        found = _check(file, format_, checked)
        checked.seek(0)
        if can_be_outside(user_id):
            # Only after the check, so that a rejected file adds no user.
            queries.add_outside_user(user_id)
        with progress("Importing", found) as tick, scope(user_id):
            added = transfer.write(user_id, map(orjson.loads, checked), tick)
    result = {"user_id": user_id, "found": found, "added": added, "kept": found - added}
    answer(result, "Found {found} tasks: added {added}, left {kept} unchanged.", json)


def _check(file: str, format_: Format, checked: IO[bytes]) -> int:
    """Check the tasks of a file, write each as a line of `checked`, and return their number."""
    found = 0
    with click.open_file(file, "rb") as stream, progress("Checking") as tick:
        try:
            for task in transfer.read(stream, format_):
                checked.write(orjson.dumps(task) + b"\n")
                found += 1
                tick(1)
        except Unreadable as error:
            raise click.ClickException(f"{error} Nothing was imported.") from error
    return found


def _format_of(file: str, name: str | None) -> Format:
    name = name or Path(file).suffix.removeprefix(".").lower()
    if name not in FORMATS:
        raise click.UsageError(f"The file name does not tell the format: give --format {'|'.join(FORMATS)}.")
    return FORMATS[name]


@contextmanager
def _written(file: str) -> Iterator[IO[bytes]]:
    """Open the target; a regular file appears only once it is complete."""
    target = Path(file)
    if file == STANDARD_STREAM:
        with _flushing(sys.stdout.buffer) as stream:
            yield stream
    elif target.exists() and not target.is_file():
        # Write to a device or a pipe directly, because a file must not replace it.
        with target.open("wb") as stream:
            yield stream
    else:
        # Replace the file behind a link, not the link.
        with _replacing(target.resolve()) as stream:
            yield stream


@contextmanager
def _flushing(stream: IO[bytes]) -> Iterator[IO[bytes]]:
    """Flush now to notice a full disk: a failure of Python's own flush at exit sets another exit status."""
    try:
        yield stream
        stream.flush()
    except OSError:
        # Python's own flush cannot fail on /dev/null.
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
        raise


@contextmanager
def _replacing(target: Path) -> Iterator[IO[bytes]]:
    try:
        with tempfile.NamedTemporaryFile(dir=target.parent, prefix=f".{target.name}.", delete=False) as stream:
            try:
                yield stream
                stream.close()
                os.chmod(stream.name, _mode_for(target))
                os.replace(stream.name, target)
            except BaseException:
                os.unlink(stream.name)
                raise
    except OSError as error:
        # Name the given file, not the temporary one.
        raise OSError(error.errno, error.strerror, str(target)) from error


def _mode_for(target: Path) -> int:
    """Return the mode that open() would keep or set, because a temporary file is private."""
    if target.exists():
        return stat.S_IMODE(target.stat().st_mode)
    umask = os.umask(0)
    os.umask(umask)
    return 0o666 & ~umask
