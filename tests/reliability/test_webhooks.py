"""Webhooks are told of each committed change and of nothing else, however often processes are killed."""

import os
import random
import time
from collections.abc import Iterator
from copy import deepcopy
from pathlib import Path

import pytest

from tests.reliability.audit import audit, sqlite_query
from tests.reliability.conftest import Launch
from tests.reliability.kills import LEFT, THREADS, Database, Kills
from tests.reliability.load import Client, Load
from tests.reliability.told import Told, audit_told
from tests.waiting import until
from tests.webhooks.conftest import Receiver, reply

SECONDS = int(os.environ.get("WEBHOOKS_SECONDS", "8"))
ENOUGH = 100
ENVIRONMENT = {"WEBHOOKS_ALLOW_PRIVATE": "on", "THREADS": THREADS}


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


def add_webhooks(load: Load, receiver: Receiver) -> None:
    """Give each user a webhook whose path has the user's id."""
    for user in load.users:
        made = Client(load.port, user.token, kept=False).call(
            "POST", "/v1/webhooks", {"url": f"http://127.0.0.1:{receiver.port}/{user.id}"}
        )
        assert made.status == 201, made


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
    kills = Kills(service, database, **ENVIRONMENT)
    with load.running():
        kills.go_on(SECONDS, lambda: load.acknowledged() >= ENOUGH)
    kills.send_the_rest()

    told = told_by(receiver)
    events = len({each.id for each in told})
    print(f"{kills}; {load.acknowledged()} writes acknowledged, {events} events, {len(told)} requests")  # noqa: T201
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
