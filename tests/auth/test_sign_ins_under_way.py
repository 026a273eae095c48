"""A verified password counts only while it is the account's: a concurrent change wins."""

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import bcrypt
import pytest
from flask import Flask
from werkzeug.test import TestResponse

from app.auth import queries, sessions
from app.auth.identity import Identity
from app.auth.tokens import RefreshToken
from app.database import transaction
from app.services import services_of
from tests.api.support.calls import assert_problem
from tests.auth.people import PASSWORD, Member, another_app, at_once, listed, lives, log_in, register, sql
from tests.commands.calling import fail
from tests.conftest import Caller
from tests.waiting import LONGEST_WAIT_SECONDS

NEW_PASSWORD = "battery staple horse"
# Time for another thread to reach a lock.
A_MOMENT = 0.3

Call = Callable[[], TestResponse]


def change_password(member: Member) -> None:
    body = {"password": PASSWORD, "new_password": NEW_PASSWORD}
    assert member.patch("/v1/auth/me", json=body).status_code == 200


def delete(member: Member) -> None:
    assert member.delete("/v1/auth/me", json={"password": PASSWORD}).status_code == 204


def set_password(member: Member) -> None:
    with member.app.app_context():
        queries.set_password(member.user_id, services_of(member.app).passwords.hash(NEW_PASSWORD))


def disable(member: Member) -> None:
    with member.app.app_context():
        queries.disable_user(member.user_id)


CHANGES = [change_password, set_password, disable, delete]


class Held:
    """An app in which a request that has verified a password waits until the test continues it."""

    def __init__(self, app: Flask) -> None:
        self.app = app
        self.verified, self._goes_on = threading.Event(), threading.Event()
        passwords = services_of(app).passwords
        verify = passwords.verify

        def verify_and_wait(*given: Any) -> bool:
            outcome = verify(*given)
            self.verified.set()
            assert self._goes_on.wait(LONGEST_WAIT_SECONDS)
            return bool(outcome)

        passwords.verify = verify_and_wait

    def hold(self, call: Call, meanwhile: Callable[[], None]) -> TestResponse:
        """Return a call's response if this happens between its check of the password and its write."""
        with ThreadPoolExecutor(1) as thread:
            answer: Future[TestResponse] = thread.submit(call)
            try:
                assert self.verified.wait(LONGEST_WAIT_SECONDS)
                meanwhile()
            finally:
                self._goes_on.set()
            return answer.result()


@pytest.fixture
def held(app: Flask) -> Iterator[Held]:
    with another_app(app) as other:
        yield Held(other)


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.__name__)
def test_a_sign_in_fails_after_a_concurrent_change(
    app: Flask, held: Held, member: Member, change: Callable[[Member], None]
) -> None:
    """Like one a moment later: 401, and no session."""
    answer = held.hold(lambda: log_in(held.app, member.email), lambda: change(member))

    assert_problem(answer, 401, "invalid_credentials")
    ids = [row.id for row in sql(app, "SELECT id FROM sessions WHERE user_id = :id", id=member.user_id)]
    assert ids in ([], [member.session_id])


@pytest.mark.parametrize(
    "change",
    [
        lambda user_id: queries.delete_user(Identity(user_id)),
        queries.disable_user,
        lambda user_id: queries.set_password(user_id, "another hash"),
    ],
    ids=["deletion", "disabling", "password"],
)
def test_a_sign_in_waits_for_an_uncommitted_change(
    app: Flask, held: Held, member: Member, change: Callable[[str], object]
) -> None:
    """It then reads the account again."""
    begun = threading.Event()
    with ThreadPoolExecutor(1) as thread:
        waiting = thread.submit(held.hold, lambda: log_in(held.app, member.email), begun.wait)
        assert held.verified.wait(LONGEST_WAIT_SECONDS)
        with app.app_context(), transaction():
            change(member.user_id)
            begun.set()
            time.sleep(A_MOMENT)
            assert not waiting.done()
        answer = waiting.result()

    assert_problem(answer, 401, "invalid_credentials")


@pytest.mark.parametrize("kind", ["sign-in", "renewal"])
def test_a_change_of_password_waits_for_an_uncommitted_session(app: Flask, member: Member, kind: str) -> None:
    """And ends it."""
    [row] = sql(app, "SELECT password_hash FROM users WHERE id = :id", id=member.user_id)
    with ThreadPoolExecutor(1) as thread:
        with app.app_context(), transaction():
            if kind == "sign-in":
                assert sessions.start_session(member.user_id, 3_600, row.password_hash)
            else:
                assert sessions.renew_session(RefreshToken.parse(member.refresh_token), 3_600)
            changing = thread.submit(set_password, member)
            time.sleep(A_MOMENT)
            assert not changing.done()
        changing.result()

    assert sql(app, "SELECT id FROM sessions WHERE user_id = :id", id=member.user_id) == []


def test_no_session_survives_a_change_of_password(app: Flask) -> None:
    """Four clients sign in all the time; sessions with the old password end."""
    for _ in range(5):
        member, barrier = register(app), threading.Barrier(5)

        def sign_in(member: Member = member, barrier: threading.Barrier = barrier) -> list[TestResponse]:
            barrier.wait()
            return [log_in(app, member.email) for _ in range(3)]

        with ThreadPoolExecutor(4) as threads:
            signing_in = [threads.submit(sign_in) for _ in range(4)]
            barrier.wait()
            change_password(member)
        answers = [answer for future in signing_in for answer in future.result()]

        assert {answer.status_code for answer in answers} <= {200, 401, 429}
        assert [session["id"] for session in listed(member)] == [member.session_id]


def test_one_of_two_concurrent_changes_of_a_password_succeeds(held: Held, member: Member) -> None:
    """The later one has verified a password that is no longer valid."""
    body = {"password": PASSWORD, "new_password": "a third password"}
    there = member.at(held.app)
    answer = held.hold(lambda: there.patch("/v1/auth/me", json=body), lambda: change_password(member))

    assert_problem(answer, 401, "invalid_credentials")
    assert log_in(member.app, member.email, NEW_PASSWORD).status_code == 200
    assert lives(member)


def test_an_account_is_not_deleted_with_a_password_changed_meanwhile(held: Held, member: Member) -> None:
    """Nor is any of its data."""
    there = member.at(held.app)
    answer = held.hold(
        lambda: there.delete("/v1/auth/me", json={"password": PASSWORD}), lambda: change_password(member)
    )

    assert_problem(answer, 401, "invalid_credentials")
    assert lives(member)
    assert log_in(member.app, member.email, NEW_PASSWORD).status_code == 200


def test_concurrent_sign_ins_renew_a_hash_and_all_succeed(app: Flask, member: Member) -> None:
    """The second one finds another hash than it verified, but of the same password."""
    kept = bcrypt.hashpw(PASSWORD.encode(), bcrypt.gensalt(4)).decode()
    sql(app, "UPDATE users SET password_hash = :hash WHERE id = :id", hash=kept, id=member.user_id)

    answers = at_once(6, lambda: log_in(app, member.email))

    assert [answer.status_code for answer in answers] == [200] * 6
    for answer in answers:
        assert Caller(app, member.user_id, answer.json["access_token"]).get("/v1/tasks").status_code == 200


def test_no_token_is_printed_for_a_user_disabled_or_deleted_meanwhile(
    app: Flask, member: Member, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`flask users token` checks the account again in the statement that begins the session."""
    found = queries.find_user

    def find_and_disable(user_id: str) -> Any:
        row = found(user_id)
        if row:
            queries.disable_user(user_id)
        return row

    monkeypatch.setattr(queries, "find_user", find_and_disable)

    assert "are rejected" in fail(app, "users", "token", member.user_id)
    ids = [row.id for row in sql(app, "SELECT id FROM sessions WHERE user_id = :id", id=member.user_id)]
    assert ids == [member.session_id]
