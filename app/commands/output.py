"""How commands speak: results for people or programs on standard output, the rest on standard error."""

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
    """A refusal of the service, the database or the machine is one line and exit status 1, not a traceback."""

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
            # Nobody reads on, as in `| head`: click ends quietly.
            raise
        except OSError as error:
            raise click.ClickException(first_line(error)) from error

    return wrapper


@contextmanager
def closing_connections() -> Iterator[None]:
    """SQLite's file is whole by itself once the last process that has it open closes it."""
    try:
        yield
    finally:
        db.engine.dispose()


@contextmanager
def quiet() -> Iterator[None]:
    """Let the service log no warnings: a command says itself what went wrong, once."""
    logger = logging.getLogger("tasks")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(level)


def in_one_line(problem: Problem) -> str:
    """What a command says of a refusal. Of an outage it tells what the driver said, which no client may see."""
    if isinstance(problem, DatabaseUnavailable) and problem.detail == problem.__class__.detail and problem.__cause__:
        said = first_line(problem.__cause__).rstrip(".")
        return f"The database is unavailable: {said}. Check DATABASE_URL, and that it runs; or try again."
    return problem.detail


def first_line(error: BaseException) -> str:
    """An error's first line, without what SQLAlchemy adds to a driver's."""
    said = error.orig if isinstance(error, DBAPIError) and error.orig else error
    return printable(str(said).strip().partition("\n")[0] or type(said).__name__)


def printable(text: str) -> str:
    """Text from elsewhere for a terminal, which control characters would command."""
    return "".join(character if character.isprintable() else "\ufffd" for character in text)


def answer(result: Mapping[str, Any], sentence: str, json: bool) -> None:
    """Say what was done."""
    if json:
        print_json(result)
    else:
        click.echo(printable(sentence.format(**result)))


def print_json(value: Any) -> None:
    """A result for programs, on one line for whatever reads it."""
    click.echo(on_one_line(orjson.dumps(value).decode()))


@contextmanager
def progress(label: str, length: int | None = None) -> Iterator[Callable[[int], None]]:
    """A bar on a terminal, else nothing; `length` where it is known how much there is."""
    if not sys.stderr.isatty():
        yield lambda count: None
        return
    # Of what has no end nobody knows the length, so only how far it is will be shown.
    of = None if length is not None else repeat(None)
    with click.progressbar(of, length, label=label, file=sys.stderr, show_pos=True, show_eta=False) as bar:
        yield bar.update
