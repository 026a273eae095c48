"""Webhooks are told of each committed change and of nothing else, however often processes are killed."""

import os
import random
import signal
import sqlite3
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from copy import deepcopy
from pathlib import Path

import pytest

from app.settings import PROJECT
from tests.conftest import migrate, settings_for
from tests.postgres import Server
from tests.process.conftest import BIN, Service
from tests.reliability.audit import Query, audit, sqlite_query
from tests.reliability.conftest import Launch
from tests.reliability.load import Client, Load
from tests.reliability.told import Told, audit_told
from tests.waiting import LONGEST_WAIT_SECONDS, until
from tests.webhooks.conftest import Receiver, reply

SECONDS = int(os.environ.get("WEBHOOKS_SECONDS", "8"))
ENOUGH = 100
# As time would; a lease of a killed process ends after a minute.
MAKE_DUE = "UPDATE outbox SET due_at = '2026-01-01T00:00:00.000000Z' WHERE finished_at IS NULL AND kind = 'webhook'"
# An attempt fails in one of ten cases, and a webhook is switched off after ten in a row.
ROUNDS = 9
LEFT = "SELECT count(*) FROM outbox WHERE kind = 'webhook' AND finished_at IS NULL"
ENVIRONMENT = {"WEBHOOKS_ALLOW_PRIVATE": "on"}


class Database:
    """A database of either engine: its URL, and what reads and changes it without the service."""

    def __init__(self, url: str, query: Query, run: Callable[[str], object]) -> None:
        self.url, self.query, self.run = url, query, run


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Database:
    if request.param == "sqlite":
        file = tmp_path / "tasks.db"

        def run(statement: str) -> None:
            with closing(sqlite3.connect(file, timeout=60)) as connection, connection:
                connection.execute(statement)

        return Database(migrate(f"sqlite:///{file}"), sqlite_query(file), run)
    server: Server = request.getfixturevalue("postgresql")
    name = server.create_database()

    def ask(statement: str) -> list[tuple]:
        return server.sql(statement, name)

    return Database(migrate(server.url(name)), ask, ask)


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    """One that fails now and then, and is slow now and then."""
    chance, receiver = random.Random(1), Receiver()

    def answer(connection: object) -> None:
        time.sleep(0.05 if chance.random() < 0.05 else 0)
        reply(500 if chance.random() < 0.1 else 204)(connection)

    receiver.answer = answer
    yield receiver
    receiver.close()


def worker(url: str, *options: str) -> subprocess.Popen[bytes]:
    environment = {"PATH": f"{BIN}:/usr/bin:/bin", **settings_for(url, **ENVIRONMENT)}
    return subprocess.Popen(
        [str(BIN / "flask"), "work", *options], cwd=PROJECT, env=environment, stderr=subprocess.DEVNULL
    )


def add_webhooks(load: Load, receiver: Receiver) -> None:
    """Give each user a webhook whose path has the user's id."""
    for user in load.users:
        made = Client(load.port, user.token, kept=False).call(
            "POST", "/v1/webhooks", {"url": f"http://127.0.0.1:{receiver.port}/{user.id}"}
        )
        assert made.status == 201, made


def kill_again_and_again(service: Service, url: str, load: Load) -> int:
    """Kill a worker of the service and `flask work`, in turns; return how often."""
    ends_at, killed, other = time.monotonic() + SECONDS, 0, worker(url)
    while time.monotonic() < ends_at or load.acknowledged() < ENOUGH:
        time.sleep(1.5)
        with suppress(ProcessLookupError, IndexError):
            os.kill(service.workers()[0], signal.SIGKILL)
        other.kill()
        other.wait()
        killed += 2
        other = worker(url)
    other.kill()
    other.wait()
    return killed


def send_the_rest(database: Database) -> None:
    """Send all that waits, in as many attempts as it takes: the receiver still fails now and then."""
    for _ in range(ROUNDS):
        database.run(MAKE_DUE)
        assert worker(database.url, "--once").wait(LONGEST_WAIT_SECONDS * 5) == 0
        if [int(count) for (count,) in database.query(LEFT)] == [0]:
            return
    raise AssertionError("some were never sent")


def told_by(receiver: Receiver) -> list[Told]:
    return [
        Told(request.line.split()[1].strip("/"), request.headers["webhook-id"], request.json)
        for request in receiver.got
    ]


def test_each_committed_change_is_told_of_and_nothing_else(
    database: Database, launch: Launch, receiver: Receiver
) -> None:
    """At least once, with its version's contents, to its user only, while every process that sends is killed."""
    service = launch(database.url, **ENVIRONMENT).wait_until_ready()
    load = Load(service.port)
    add_webhooks(load, receiver)
    with load.running():
        killed = kill_again_and_again(service, database.url, load)
    send_the_rest(database)

    told = told_by(receiver)
    print(f"{load.acknowledged()} acknowledged, {len(told)} requests, {killed} killed")  # noqa: T201
    assert not (findings := audit(load, database.query)), findings
    assert audit_told(load, database.query, told) == []


def test_the_audit_finds_each_kind_of_damage(launch: Launch, sqlite_file: Path, receiver: Receiver) -> None:
    """And nothing in what is undamaged."""
    load = Load(launch(f"sqlite:///{sqlite_file}", **ENVIRONMENT).wait_until_ready().port, users=2)
    receiver.answer = reply(204)
    add_webhooks(load, receiver)
    with load.running():
        time.sleep(1)
    until(lambda: sqlite_query(sqlite_file)(LEFT) == [(0,)], "all to be sent")
    told, query = told_by(receiver), sqlite_query(sqlite_file)
    assert audit_told(load, query, told) == []

    kept = [each for each in told if each.event["type"] != "task.deleted"]
    last = max(kept, key=lambda each: each.event["data"]["version"])
    newer, other = deepcopy(last), deepcopy(last)
    newer.event["data"]["version"] += 1
    other.event["data"]["task"]["title"] = "milk"
    rest = [each for each in told if each is not last]
    for damaged, words in (
        (rest, "not told"),
        ([*told, newer], "told, and not there"),
        ([*told, last._replace(id="another")], "2 events"),
        ([*rest, last._replace(user_id="bob")], "another user was told"),
        ([*told, other], "two events are different"),
        ([*rest, other], "acknowledged"),
    ):
        assert words in str(audit_told(load, query, damaged)), words
