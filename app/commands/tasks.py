"""`flask tasks`: export and import a user's tasks."""

import os
import stat
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, TypeVar

import click
from flask.cli import AppGroup
from marshmallow import ValidationError

from app.auth import queries
from app.commands.arguments import can_be_outside, find_user_id, require_utf8
from app.commands.output import answer, as_json, failing_in_one_line, printable, progress
from app.database import scope
from app.tasks import transfer
from app.tasks.file_schemas import ExportQuery
from app.tasks.formats import FORMATS, READERS, Reader, Unreadable
from app.tasks.transfer import Checked

tasks = AppGroup("tasks", help="Export and import a user's tasks.")

STANDARD_STREAM = "-"

T = TypeVar("T")

of_user = click.option(
    "--user", required=True, callback=require_utf8, help="A user's id, or an account's e-mail address."
)


def require_list(_context: click.Context, _option: click.Parameter, text: str | None) -> str | None:
    """Return the id of a list in its canonical form, or `none` for the inbox."""
    try:
        return text and str(ExportQuery().load({"list": text})["list"])
    except ValidationError as error:
        raise click.BadParameter("Give a list's id, or none for the inbox.") from error


def in_format(names: Iterable[str]) -> Callable[..., Any]:
    """Return the option that names a file's format."""
    return click.option("--format", "name", type=click.Choice(list(names)), help="By default, the file name's ending.")


@tasks.command("export")
@of_user
@in_format(FORMATS)
@click.option("--list", "list_id", callback=require_list, help="Only the tasks of this list, by its id; or none.")
@click.argument("file", type=click.Path(dir_okay=False, allow_dash=True), default=STANDARD_STREAM)
@failing_in_one_line
def export_tasks(user: str, name: str | None, list_id: str | None, file: str) -> None:
    """Write a user's tasks, except those in the trash, to FILE or standard output.

    \b
    Examples:
      flask tasks export --user ann@example.com tasks.ics
      flask tasks export --user ann@example.com --format jsonl | gzip > tasks.jsonl.gz
    """
    format_ = _named(FORMATS, file, name)
    user_id = find_user_id(user)
    with _written(file) as stream, progress("Bytes") as tick, scope(user_id):
        for piece in transfer.export(user_id, format_, list_id):
            stream.write(piece)
            tick(len(piece))


@tasks.command("import")
@of_user
@in_format(READERS)
@click.option("--skip-faulty", is_flag=True, help="Import the other tasks if some are faulty; exit with status 1.")
@click.argument("file", type=click.Path(dir_okay=False, exists=True, allow_dash=True))
@as_json
@failing_in_one_line
def import_tasks(user: str, name: str | None, skip_faulty: bool, file: str, json: bool) -> None:
    """Add the tasks in FILE, or with - from standard input, to a user's tasks.

    The whole file is checked first: if a task is faulty, nothing is added, unless you give --skip-faulty. Tasks that
    the user already has stay unchanged, so it is safe to repeat an import. Tasks in the trash are restored.

    \b
    Examples:
      flask tasks import --user ann@example.com tasks.ics
      gunzip < tasks.jsonl.gz | flask tasks import --user ann@example.com --format jsonl -
    """
    read = _named(READERS, file, name)
    user_id = find_user_id(user, or_outside=True)
    with tempfile.TemporaryFile() as valid:
        checked = _check(file, read, valid, skip_faulty=skip_faulty)
        if can_be_outside(user_id):
            # Only after the check, so that a rejected file adds no user.
            queries.add_outside_user(user_id)
        with progress("Importing", checked.valid) as tick, scope(user_id):
            added = transfer.write(user_id, checked, tick)
    result = {"user_id": user_id, **transfer.report(checked, added)}
    skipped = ", skipped {skipped}" if checked.faulty else ""
    noun = "task" if result["found"] == 1 else "tasks"
    answer(result, f"Found {{found}} {noun}: added {{added}}, left {{kept}} unchanged{skipped}.", json)
    if not json:
        for fault in checked.faults:
            click.echo(printable(f"Skipped: {fault}"), err=True)
        for kind, count in checked.left_out.most_common():
            click.echo(printable(f"Left out: {kind} ({count})."), err=True)
    if checked.faulty:
        sys.exit(1)


def _check(file: str, read: Reader, valid: IO[bytes], *, skip_faulty: bool) -> Checked:
    """Check the tasks of a file; end the command if it cannot be imported."""
    with click.open_file(file, "rb") as stream, progress("Checking") as tick:
        try:
            checked = transfer.check(stream, read, valid, tick)
        except Unreadable as error:
            raise click.ClickException(f"{error} Nothing was imported.") from error
    if checked.faults and not skip_faulty:
        more = checked.faulty - 1
        others = f" (So {'is' if more == 1 else 'are'} {more} more.)" if more else ""
        raise click.ClickException(f"{checked.faults[0]}{others} Or use --skip-faulty. Nothing was imported.")
    return checked


def _named(formats: Mapping[str, T], file: str, name: str | None) -> T:
    name = name or Path(file).suffix.removeprefix(".").lower()
    if name not in formats:
        raise click.UsageError(f"The file name does not tell the format: give --format {'|'.join(formats)}.")
    return formats[name]


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
