"""Mails are sent for each committed cause and for nothing else, however often processes are killed."""

import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from aiosmtpd.controller import Controller

from tests.mail.conftest import SENDER, url_of
from tests.process.conftest import free_port
from tests.reliability.audit import sqlite_query
from tests.reliability.conftest import Launch
from tests.reliability.kills import LEFT, THREADS, Database, Kills
from tests.reliability.mailed import audit_mails
from tests.reliability.mailing import (
    ADDRESS_CHANGING,
    PASSWORD_CHANGED,
    REMINDED_AFTER_SECONDS,
    REMINDER,
    RESET,
    VERIFY,
    Letters,
    Mailing,
)
from tests.waiting import until

SECONDS = int(os.environ.get("MAILS_SECONDS", "5"))
ENOUGH = 30
SUBJECTS = {VERIFY, RESET, PASSWORD_CHANGED, ADDRESS_CHANGING, REMINDER}
ORIGIN = "http://127.0.0.1:8000"


@pytest.fixture
def letters() -> Letters:
    return Letters(failing=0.1)


@pytest.fixture
def environment(letters: Letters) -> Iterator[dict[str, str]]:
    """The settings of a service that sends to a mail server, while that runs."""
    server = Controller(letters, hostname="127.0.0.1", port=free_port())
    server.start()
    yield {"SMTP_URL": url_of(server), "MAIL_FROM": SENDER, "PUBLIC_URL": ORIGIN, "THREADS": THREADS}
    server.stop()


def test_each_committed_cause_sends_its_mail_and_nothing_else_does(
    database: Database, launch: Launch, letters: Letters, environment: dict[str, str]
) -> None:
    """At least once, to its address only, with a link that works once, while all that sends is killed."""
    service = launch(database.url, **environment).wait_until_ready()
    load, kills = Mailing(service.port, letters), Kills(service, database, **environment)
    with load.running():
        kills.go_on(SECONDS, lambda: load.acknowledged() >= ENOUGH)
    letters.failing = 0
    # All reminders are due then.
    time.sleep(REMINDED_AFTER_SECONDS)
    kills.send_the_rest()
    load.use_the_rest()
    until(lambda: database.query(LEFT) == [(0,)], "the mails about new passwords")

    findings = audit_mails(load, database.query, letters.got)
    print(f"{kills}; {load}")  # noqa: T201
    assert not findings, "\n".join(findings)


@pytest.fixture
def quiet(launch: Launch, sqlite_file: Path, letters: Letters, environment: dict[str, str]) -> Mailing:
    """A load with mails of each kind, during which nothing failed."""
    letters.failing = 0
    load = Mailing(launch(f"sqlite:///{sqlite_file}", **environment).wait_until_ready().port, letters)

    def all_is_sent() -> bool:
        return sqlite_query(sqlite_file)(LEFT) == [(0,)]

    with load.running():
        until(lambda: {mail.subject for mail in letters.got} == SUBJECTS, "a mail of each kind")
    time.sleep(REMINDED_AFTER_SECONDS)
    until(all_is_sent, "all mails")
    load.use_the_rest()
    until(all_is_sent, "the mails about new passwords")
    return load


def test_the_audit_finds_each_kind_of_damage(quiet: Mailing, sqlite_file: Path) -> None:
    """And nothing in what is undamaged."""
    query, mails = sqlite_query(sqlite_file), quiet.letters.got
    mail = next(mail for mail in mails if mail.subject == RESET)
    other = next(each for each in mails if each.token and each.address != mail.address)
    reminder = next(each for each in mails if each.subject == REMINDER)

    assert audit_mails(quiet, query, mails) == []
    for damaged, words in (
        ([each for each in mails if each is not mail], "not sent"),
        ([*mails, mail._replace(id="another")], "2 mails"),
        ([*mails, mail._replace(id="another", address="bob@example.com")], "nothing asked for it"),
        ([*mails, mail._replace(id="another", text=other.text)], "of another user"),
        ([*mails, reminder._replace(id="another", text="milk")], "of another user"),
        ([*mails, mail._replace(text="milk")], "one with the same id is different"),
    ):
        assert words in str(audit_mails(quiet, query, damaged)), words
    for lost, words in (("users", "acknowledged and gone"), ("tasks", "sent, and not there")):
        assert words in str(audit_mails(quiet, lambda text, lost=lost: [] if lost in text else query(text), mails))
    for uses, words in (
        ([204, 204, 400], "worked 2 times"),
        ([204, 204], "still works"),
        ([400, 400], "did not work"),
        ([], "did not work"),
    ):
        quiet.uses[mail.token] = uses
        assert words in str(audit_mails(quiet, query, mails)), words
    # The first response was lost.
    quiet.uses[mail.token] = [0, 400, 400]
    assert audit_mails(quiet, query, mails) == []
    assert "did not work" in str(
        audit_mails(quiet, lambda text: query(text.replace("spent_at IS NOT NULL", "0")), mails)
    )
