"""Brute force: the number of attempts at the password of an address is limited."""

import hashlib
import math
import time
from datetime import datetime

import pytest

from app.auth import rate_limits
from app.auth.queries import disable_user
from tests.api.support.calls import assert_problem
from tests.auth.people import (
    PASSWORD,
    ago,
    another_app,
    assert_limited,
    at_once,
    log_in,
    new_email,
    register,
    sql,
)
from tests.postgres import not_on_a_cluster

WRONG = "wrong horse battery"
WINDOW = 15 * 60


@pytest.fixture(params=["known", "unknown"])
def email(app, request):
    """Return an account's address, and one without an account."""
    return register(app).email if request.param == "known" else new_email()


def counted(app, email):
    """Return an address's count of attempts, and the time of the first."""
    key = f"email {hashlib.sha256(email.casefold().encode()).hexdigest()}"
    rows = sql(app, "SELECT count AS attempts, started_at FROM login_attempts WHERE key = :key", key=key)
    started = rows[0].started_at
    return rows[0].attempts, datetime.fromisoformat(started) if isinstance(started, str) else started


def let_pass(app, email, seconds):
    """Move the start of the window back."""
    key = f"email {hashlib.sha256(email.casefold().encode()).hexdigest()}"
    sql(app, "UPDATE login_attempts SET started_at = :moment WHERE key = :key", moment=ago(seconds), key=key)


def fail(app, email, times):
    for _ in range(times):
        assert_problem(log_in(app, email, WRONG), 401, "invalid_credentials")


def test_after_ten_failures_an_address_gets_429(app, email):
    """With or without an account, so that the response does not reveal whether there is one."""
    fail(app, email, 10)

    assert 0 < assert_limited(log_in(app, email, WRONG)) <= WINDOW
    assert assert_limited(log_in(app, email, PASSWORD))


def test_all_spellings_of_an_address_share_a_count(app, email):
    """Because they are the same address for a login."""
    fail(app, email.upper(), 4)
    fail(app, f" {email.title()} ", 6)

    assert assert_limited(log_in(app, email))
    assert assert_limited(log_in(app, email.swapcase()))


def test_retry_after_is_the_end_of_the_window(app, email):
    """A login after that time is accepted."""
    fail(app, email, 10)
    let_pass(app, email, 600)
    before = time.time()
    seconds = assert_limited(log_in(app, email))
    end = counted(app, email)[1].timestamp() + WINDOW

    assert math.ceil(end - time.time()) <= seconds <= math.ceil(end - before)
    assert seconds <= 300


def test_retry_after_is_at_most_one_window(app, email):
    """Also for an attempt whose time is before that of the first counted one."""
    fail(app, email, 10)
    let_pass(app, email, -1)

    assert assert_limited(log_in(app, email)) <= WINDOW


def test_rejected_attempts_do_not_prolong_the_window(app, member):
    """Afterwards the password works."""
    fail(app, member.email, 10)
    let_pass(app, member.email, WINDOW - 60)
    started = counted(app, member.email)[1]
    for _ in range(3):
        assert assert_limited(log_in(app, member.email)) <= 60
    assert counted(app, member.email)[1] == started

    let_pass(app, member.email, WINDOW)

    assert log_in(app, member.email).status_code == 200


def test_a_new_window_counts_from_zero(app, email):
    """After ten more failures the address gets 429 again."""
    fail(app, email, 10)
    let_pass(app, email, WINDOW)
    fail(app, email, 10)

    assert assert_limited(log_in(app, email, WRONG)) > WINDOW - 60


def test_concurrent_attempts_are_all_counted(app, email):
    """Of 50 at once, exactly 10 are checked."""
    answers = at_once(50, lambda: log_in(app, email, WRONG))

    refused = [answer for answer in answers if answer.status_code != 401]
    assert len(refused) == 40
    assert all(0 < assert_limited(answer) <= WINDOW for answer in refused)
    assert counted(app, email)[0] == 50


def test_a_success_is_not_counted(app, member):
    """A user may sign in any number of times. Failures stay counted."""
    fail(app, member.email, 9)
    for _ in range(3):
        assert log_in(app, member.email).status_code == 200
    assert counted(app, member.email)[0] == 9
    fail(app, member.email, 1)

    assert assert_limited(log_in(app, member.email))


def test_other_addresses_are_not_affected(app, email, member):
    """Nor are signed-in users."""
    signed_in = register(app)
    fail(app, signed_in.email, 10)

    assert log_in(app, member.email).status_code == 200
    assert signed_in.get("/v1/tasks").status_code == 200
    assert signed_in.refresh().status_code == 200


@pytest.mark.parametrize(
    ("method", "body"),
    [("PATCH", {"password": WRONG, "new_password": "a newer and better one"}), ("DELETE", {"password": WRONG})],
)
def test_wrong_passwords_with_a_stolen_token_count_too(app, member, method, body):
    """All places that ask for a password share a count."""
    fail(app, member.email, 5)
    for _ in range(5):
        assert_problem(member.call(method, "/v1/auth/me", json=body), 401, "invalid_credentials")

    assert assert_limited(member.call(method, "/v1/auth/me", json={**body, "password": PASSWORD}))
    assert assert_limited(log_in(app, member.email))


def test_a_disabled_account_has_the_same_limit(app, member):
    """So that guessing does not reveal that it is disabled."""
    with app.app_context():
        disable_user(member.user_id)
    fail(app, member.email, 10)

    assert assert_limited(log_in(app, member.email))


def test_all_processes_share_the_count(app, email):
    """It is in the database."""
    with another_app(app) as other:
        fail(app, email, 5)
        fail(other, email, 5)

        assert assert_limited(log_in(app, email))
        assert assert_limited(log_in(other, email))


def test_the_count_does_not_store_the_address(app):
    """A mistyped address leaves no trace."""
    email = new_email()
    fail(app, email, 1)

    assert counted(app, email)[0] == 1
    assert sql(app, "SELECT 1 FROM login_attempts WHERE key LIKE :part", part=f"%{email}%") == []


@not_on_a_cluster("there only `flask purge` deletes them")
def test_old_windows_are_deleted_a_few_at_a_time(new_database, monkeypatch):
    """By requests, which each have little time; those that still count stay."""
    monkeypatch.setattr(rate_limits, "CLEANUP_ONE_IN", 1)
    monkeypatch.setattr(rate_limits, "CLEANUP_ROWS", 3)
    with another_app(new_database()) as app, app.app_context():
        for number, seconds in enumerate([rate_limits.LONGEST_SECONDS - 30, *[rate_limits.LONGEST_SECONDS + 1] * 7]):
            row = {"key": f"window {number}", "then": ago(seconds)}
            sql(app, "INSERT INTO login_attempts (key, started_at, count) VALUES (:key, :then, 1)", **row)
        left = []
        for number in range(4):
            rate_limits.count_request(f"client {number}", 30)
            left.append(len(sql(app, "SELECT key FROM login_attempts WHERE key LIKE 'window %'")))

    assert left == [5, 2, 1, 1]
