"""The output of commands: results on standard output, for people or programs; the rest on standard error."""

import logging
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import wraps
from itertools import repeat
from typing import Any

import click
import orjson
from sqlalchemy.exc import DBAPIError

from app.database import db
from app.database.outages import DRIVER_ERRORS
from app.http.problems import DatabaseUnavailable, Problem
from app.http.strict_json import on_one_line

as_json = click.option("--json", is_flag=True, help="Print the result as JSON, for programs.")


def failing_in_one_line(command: Callable[..., None]) -> Callable[..., None]:
    """Report an error of the service, database or machine in one line with exit status 1, without a traceback."""

    @wraps(command)
    def wrapper(*args: Any, **kwargs: Any) -> None:
        try:
            with quiet(), closing_connections():
                command(*args, **kwargs)
        except Problem as problem:
            raise click.ClickException(in_one_line(problem)) from problem
        except DRIVER_ERRORS as error:
            raise click.ClickException(f"The database refused: {first_line(error)}.") from error
        except BrokenPipeError:
            # The reader has gone, as with `| head`: click ends quietly.
            raise
        except OSError as error:
            raise click.ClickException(first_line(error)) from error

    return wrapper


@contextmanager
def closing_connections() -> Iterator[None]:
    """Close the connections at the end: the last process to close SQLite's file merges the -wal into it."""
    try:
        yield
    finally:
        db.engine.dispose()


@contextmanager
def quiet() -> Iterator[None]:
    """Silence the service's warnings, because the command itself reports what went wrong."""
    logger = logging.getLogger("tasks")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(level)


def in_one_line(problem: Problem) -> str:
    """Return the message for a problem; for an outage include the driver's message, which no client may see."""
    if isinstance(problem, DatabaseUnavailable) and problem.detail == problem.__class__.detail and problem.__cause__:
        said = first_line(problem.__cause__).rstrip(".")
        return f"The database is unavailable: {said}. Check DATABASE_URL and that the database runs, or try again."
    return problem.detail


def first_line(error: BaseException) -> str:
    """Return an error's first line, without SQLAlchemy's additions to a driver's error."""
    said = error.orig if isinstance(error, DBAPIError) and error.orig else error
    return printable(str(said).strip().partition("\n")[0] or type(said).__name__)


def printable(text: str) -> str:
    """Make outside text safe for a terminal: replace control characters."""
    return "".join(character if character.isprintable() else "\ufffd" for character in text)


def answer(result: Mapping[str, Any], sentence: str, json: bool) -> None:
    """Print the result of a command, as JSON or as a sentence."""
    if json:
        print_json(result)
    else:
        click.echo(printable(sentence.format(**result)))


def print_json(value: Any) -> None:
    """Print a result for programs, on one line for every reader."""
    click.echo(on_one_line(orjson.dumps(value).decode()))


@contextmanager
def progress(label: str, length: int | None = None) -> Iterator[Callable[[int], None]]:
    """Show a progress bar on a terminal, otherwise nothing; give `length` if it is known."""
    if not sys.stderr.isatty():
        yield lambda count: None
        return
    # Without a length, an endless iterator makes click show only the position.
    of = None if length is not None else repeat(None)
    with click.progressbar(of, length, label=label, file=sys.stderr, show_pos=True, show_eta=False) as bar:
        yield bar.update
