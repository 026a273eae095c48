"""Shared by the tests of the database: separate apps, and the `flask` command in its own process."""

import subprocess
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager, suppress
from typing import Any

import pytest
from flask import Flask

from app.database import scope, transaction
from app.services import services_of
from tests.commands.calling import start
from tests.conftest import make_app
from tests.postgres import Server
from tests.waiting import LONGEST_WAIT_SECONDS, until

NewApp = Callable[..., Flask]


@pytest.fixture
def new_app() -> Iterator[NewApp]:
    """Return a function that makes apps for one test, whose connections are closed afterwards."""
    made = []

    def make(url: str, **changes: str) -> Flask:
        made.append(make_app(url, **changes))
        return made[-1]

    yield make
    for app in made:
        services_of(app).engine.dispose()


@pytest.fixture(scope="session")
def postgresql_app(postgresql: Server, postgresql_template: str) -> Iterator[Flask]:
    """An app on PostgreSQL, for PostgreSQL's own behaviour."""
    app = make_app(postgresql.url(postgresql.create_database(template=postgresql_template)))
    yield app
    services_of(app).engine.dispose()


def start_flask(url: str, *arguments: str) -> subprocess.Popen[str]:
    """The `flask` command on a database, as an operator runs it."""
    return start(url, *arguments, text=True, streams={"stdin": None, "stderr": subprocess.STDOUT})


def finish(process: subprocess.Popen[str]) -> tuple[int, str]:
    """Return the exit status and all output."""
    with closing(process.stdout):
        output, _ = process.communicate(timeout=60)
    return process.returncode, output


def wait_until_waiting(server: Server, count: int) -> None:
    """Wait this many seconds for locks of others."""
    waiting = f"SELECT pid FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND usename = '{server.role}'"
    until(lambda: len(server.sql(waiting)) == count, f"{count} to wait")


class _Undone(Exception):
    """Roll a transaction back."""


@contextmanager
def held_open(app: Flask, user_id: str, write: Callable[[], Any], undo: bool = False) -> Iterator[Callable[[], None]]:
    """Open a transaction that has written, and return a function that ends it."""
    has_written, may_end = threading.Event(), threading.Event()

    def work() -> None:
        with suppress(_Undone), app.app_context(), scope(user_id), transaction():
            write()
            has_written.set()
            assert may_end.wait(LONGEST_WAIT_SECONDS)
            if undo:
                raise _Undone

    with ThreadPoolExecutor(1) as pool:
        late = pool.submit(work)

        def end() -> None:
            may_end.set()
            late.result(LONGEST_WAIT_SECONDS)

        try:
            assert has_written.wait(LONGEST_WAIT_SECONDS)
            yield end
        finally:
            may_end.set()
