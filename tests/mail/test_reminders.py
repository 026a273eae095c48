"""Reminders by mail: for accounts that ask for them and whose address is verified."""

from typing import Any

import pytest
from flask import Flask

from app.mail import reminders
from app.services import services_of
from tests.api.support.calls import assert_problem
from tests.api.support.reminding import fire_times, go_back, in_minutes, let_pass
from tests.auth.people import Member, register, sql
from tests.conftest import Caller, NewDatabase, make_app, new_user_id
from tests.mail.conftest import Mailbox, deliver
from tests.work import conftest as messages

pytestmark = pytest.mark.both_engines


def want(member: Caller, wanted: Any = True) -> Any:
    return member.patch("/v1/auth/me", json={"reminder_mail": wanted})


def add(member: Caller, title: str = "Buy tea", **task: Any) -> None:
    member.add(**{"title": title, "reminders": [{"at": in_minutes(60)}], **task})


def reminded(app: Flask, member: Member, mailbox: Mailbox) -> list[str]:
    """Let all reminders of an account be due, and return the text of each new mail."""
    let_pass(app, member)
    before = len(mailbox.to(member.email))
    deliver(app)
    return [str(mail.get_content()) for mail in mailbox.to(member.email)[before:]]


def test_who_asks_for_it_gets_a_mail(app: Flask, member: Member, mailbox: Mailbox) -> None:
    """With the title in its body alone."""
    assert want(member).json["reminder_mail"] is True
    assert member.get("/v1/auth/me").json["reminder_mail"] is True
    add(member, "Buy\ntea {0}", due_on="2050-03-14")

    (text,) = reminded(app, member, mailbox)

    assert "- Buy tea {0} (due 2050-03-14)" in text.splitlines()
    mail = mailbox.to(member.email)[-1]
    assert (mail["Subject"], mail["Auto-Submitted"]) == ("Reminder of a task", "auto-generated")
    assert reminded(app, member, mailbox) == []


def test_a_time_is_that_of_the_tasks_zone(app: Flask, member: Member, mailbox: Mailbox) -> None:
    """In UTC without one."""
    assert want(member).status_code == 200
    add(member, "one", due_at="2050-03-14T09:00:00Z", time_zone="Asia/Tokyo")
    add(member, "two", due_at="2050-03-14T09:00:00Z")

    (text,) = reminded(app, member, mailbox)

    assert "- one (due 2050-03-14 18:00 Asia/Tokyo)" in text.splitlines()
    assert "- two (due 2050-03-14 09:00 UTC)" in text.splitlines()


def test_all_that_is_due_is_one_mail(app: Flask, member: Member, mailbox: Mailbox, monkeypatch: Any) -> None:
    """After an outage of two hours, too. It names the first ones, and counts the others."""
    monkeypatch.setattr(reminders, "TASKS_SHOWN", 3)
    assert want(member).status_code == 200
    for number in range(5):
        minutes = [{"before_minutes": each} for each in (0, 30, 60)]
        add(member, f"task {number}", due_at=in_minutes(70 + number), reminders=minutes)
    go_back(app, member, 120)

    deliver(app)

    mail = mailbox.to(member.email)[-1]
    assert len(mailbox.to(member.email)) == 2, "the link that verified the address, and the reminder"
    assert mail["Subject"] == "Reminder of 5 tasks"
    lines = mail.get_content().splitlines()
    assert [line.partition(" (")[0] for line in lines if line.startswith("-")] == ["- task 0", "- task 1", "- task 2"]
    assert "and 2 more." in lines
    assert fire_times(app, member) == set()


@pytest.mark.parametrize("why", ["asked for none", "changed their mind", "unverified", "disabled"])
def test_others_get_none(app: Flask, member: Member, mailbox: Mailbox, why: str) -> None:
    """And their reminders are gone all the same."""
    if why != "asked for none":
        assert want(member).status_code == 200
    if why == "changed their mind":
        assert want(member, False).json["reminder_mail"] is False
    add(member)
    if why == "unverified":
        sql(app, f"UPDATE users SET email_verified_at = NULL WHERE id = '{member.user_id}'")
    if why == "disabled":
        sql(app, f"UPDATE users SET disabled_at = created_at WHERE id = '{member.user_id}'")

    assert reminded(app, member, mailbox) == []
    assert fire_times(app, member) == set()


def test_a_mail_that_waits_goes_only_to_who_still_wants_it(app: Flask, member: Member, mailbox: Mailbox) -> None:
    """The mail server was away meanwhile."""
    assert want(member).status_code == 200
    add(member)
    mailbox.answer = lambda _: "451 later"
    assert reminded(app, member, mailbox) == []
    assert want(member, False).status_code == 200
    mailbox.answer = lambda _: "250 OK"
    messages.change(app, str(member.user_id), "due_at = created_at")
    deliver(app)

    assert len(mailbox.to(member.email)) == 1


def test_only_accounts_can_ask_for_it(app: Flask) -> None:
    """The service does not know the addresses of a front end's users."""
    caller = Caller(app, new_user_id())

    assert_problem(want(caller), 422, "validation_error")
    assert want(caller, False).json["reminder_mail"] is False
    assert caller.get("/v1/auth/me").json["reminder_mail"] is False


def test_a_service_that_sends_no_mail_says_so(new_database: NewDatabase) -> None:
    """Instead of promising one."""
    app = make_app(new_database())

    answer = want(register(app))
    services_of(app).engine.dispose()

    assert_problem(answer, 422, "validation_error")
    assert answer.json["errors"] == {"reminder_mail": ["This service sends no mail: leave it out."]}


@pytest.mark.parametrize("value", [None, 1, "true", []])
def test_it_is_a_boolean(app: Flask, member: Member, value: Any) -> None:
    """No other value passes for one."""
    assert_problem(want(member, value), 422, "validation_error")
