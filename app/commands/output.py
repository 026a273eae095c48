"""How commands speak: results for people or programs on standard output, the rest on standard error."""

import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import wraps
from typing import Any

import click
import orjson

from app.problems import Problem

as_json = click.option("--json", is_flag=True, help="Print the result as JSON, for programs.")


def failing_in_one_line(command: Callable[..., None]) -> Callable[..., None]:
    """A refusal of the service is one line and exit status 1, not a traceback."""

    @wraps(command)
    def wrapper(*args: Any, **kwargs: Any) -> None:
        try:
            command(*args, **kwargs)
        except Problem as problem:
            raise click.ClickException(problem.detail) from problem

    return wrapper


def answer(result: Mapping[str, Any], sentence: str, json: bool) -> None:
    """Say what was done."""
    click.echo(orjson.dumps(result).decode() if json else sentence.format(**result))


@contextmanager
def progress(label: str, length: int | None = None) -> Iterator[Callable[[int], None]]:
    """A bar on a terminal, else nothing; `length` where it is known how much there is."""
    if not sys.stderr.isatty():
        yield lambda count: None
        return
    with click.progressbar(length=length or 0, label=label, file=sys.stderr, show_pos=True, show_eta=False) as bar:
        yield bar.update
