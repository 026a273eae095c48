"""`flask tasks`: a user's tasks to and from files."""

import os
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
from app.auth.identity import LOCAL_USER_PREFIX
from app.commands.output import answer, as_json, failing_in_one_line, progress
from app.tasks import transfer
from app.tasks.formats import FORMATS, Format, Unreadable

tasks = AppGroup("tasks", help="A user's tasks to and from files.")

STANDARD_STREAM = "-"

of_user = click.option("--user", required=True, help="A user's id, or an account's e-mail address.")
in_format = click.option(
    "--format", "format_name", type=click.Choice(list(FORMATS)), help="By default what the file's name ends with."
)


@tasks.command("export")
@of_user
@in_format
@click.argument("file", type=click.Path(dir_okay=False, allow_dash=True), default=STANDARD_STREAM)
@failing_in_one_line
def export_tasks(user: str, format_name: str | None, file: str) -> None:
    """Write all tasks of a user, but for the trash, into FILE, or to standard output.

    \b
    Examples:
      flask tasks export --user ann@example.com tasks.ics
      flask tasks export --user ann@example.com --format jsonl | gzip > tasks.jsonl.gz
    """
    format_ = _format_of(file, format_name)
    user_id = _user_id(user)
    with _written(file) as stream, progress("Octets") as tick:
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
    """Add the tasks in FILE, or from standard input with -, to those of a user.

    The whole file is checked first: with one mistake in it, nothing is added. Tasks that the user has already stay as
    they are, so it may be repeated; those in the trash come back.

    \b
    Examples:
      flask tasks import --user ann@example.com tasks.ics
      gunzip < tasks.jsonl.gz | flask tasks import --user ann@example.com --format jsonl -
    """
    format_ = _format_of(file, format_name)
    user_id = _user_id(user, makes_outside_user=True)
    with tempfile.TemporaryFile() as checked:
        found = _check(file, format_, checked)
        checked.seek(0)
        with progress("Importing", found) as tick:
            added = transfer.write(user_id, map(orjson.loads, checked), tick)
    result = {"user_id": user_id, "found": found, "added": added, "kept": found - added}
    answer(result, "Found {found} tasks: added {added}, kept {kept} that were there.", json)


def _check(file: str, format_: Format, checked: IO[bytes]) -> int:
    """Write the tasks of a file, once they are known to fit, line by line into another; how many."""
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
    name = name or Path(file).suffix.removeprefix(".")
    if name not in FORMATS:
        raise click.UsageError(f"Which format is it? Give --format {'|'.join(FORMATS)}.")
    return FORMATS[name]


def _user_id(user: str, makes_outside_user: bool = False) -> str:
    """The id of who is meant; a user known only to a front end has no row before the first write."""
    found = queries.find_user_by_email(user) if "@" in user else queries.find_user(user)
    if found:
        return str(found.id)
    if makes_outside_user and "@" not in user and not user.startswith(LOCAL_USER_PREFIX):
        queries.add_outside_user(user)
        return user
    raise click.ClickException(f"There is no user {user!r}.")


@contextmanager
def _written(file: str) -> Iterator[IO[bytes]]:
    """Where to write; a file appears once it is whole."""
    if file == STANDARD_STREAM:
        yield sys.stdout.buffer
        return
    target = Path(file)
    with tempfile.NamedTemporaryFile(dir=target.parent, prefix=f".{target.name}.", delete=False) as stream:
        try:
            yield stream
            stream.close()
            # As open() would have made it, for a temporary file is nobody else's to read.
            umask = os.umask(0)
            os.umask(umask)
            os.chmod(stream.name, 0o666 & ~umask)
            os.replace(stream.name, target)
        except BaseException:
            os.unlink(stream.name)
            raise
