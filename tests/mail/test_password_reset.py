"""A forgotten password is replaced by whoever reads the address's mails, and nobody learns which addresses exist."""

from datetime import UTC, datetime, timedelta

import pytest
from flask import Flask

from app.auth import rate_limits
from app.times import rfc3339
from tests.api.support.calls import assert_problem
from tests.auth.people import PASSWORD, Member, another_app, lives, log_in, make_copy_old, new_email, register, sql
from tests.auth.personal import script_of
from tests.commands.calling import succeed
from tests.conftest import Caller
from tests.mail.conftest import NEW_PASSWORD, Mailbox, deliver, forget, reset
from tests.statements import messages


def test_a_link_sets_a_new_password(app: Flask, member: Member, mailbox: Mailbox) -> None:
    """Once; then the old one is wrong, and the owner is told by another mail."""
    forget(app, member.email)
    token = mailbox.token(member.email)

    assert (reset(app, token).status_code, reset(app, token).status_code) == (204, 400)
    assert log_in(app, member.email, NEW_PASSWORD).status_code == 200
    assert_problem(log_in(app, member.email), 401, "invalid_credentials")
    deliver(app)
    assert mailbox.to(member.email)[-1]["Subject"] == "Your password was changed"


def test_it_ends_all_sessions_and_personal_tokens(app: Flask, member: Member, mailbox: Mailbox) -> None:
    """In this process at once, in others with their next reading of revocations."""
    other, script = member.sign_in(), script_of(app, member)
    forget(app, member.email)
    with another_app(str(app.extensions["services"].settings.database_url.render_as_string(False))) as elsewhere:
        assert member.at(elsewhere).get("/v1/tasks").status_code == 200
        assert reset(app, mailbox.token(member.email)).status_code == 204
        make_copy_old(elsewhere)
        assert_problem(member.at(elsewhere).get("/v1/tasks"), 401, "token_revoked")

    assert not lives(member)
    assert not lives(other)
    assert script.get("/v1/tasks").status_code == 401


def test_it_verifies_the_address(app: Flask, mailbox: Mailbox) -> None:
    """The mail was read there."""
    member = register(app)
    assert member.get("/v1/auth/me").json["email_verified"] is False
    forget(app, member.email)
    assert reset(app, mailbox.token(member.email)).status_code == 204

    signed_in = Member(app, member.email, log_in(app, member.email, NEW_PASSWORD).json)
    assert signed_in.get("/v1/auth/me").json["email_verified"] is True


def test_nothing_is_sent_to_an_unknown_address(app: Flask, mailbox: Mailbox) -> None:
    """And the response says nothing."""
    forget(app, new_email())

    assert mailbox.mails == []


@pytest.mark.parametrize("state", ["disabled", "deleted", "without a password"])
def test_accounts_that_cannot_sign_in_get_nothing(app: Flask, member: Member, mailbox: Mailbox, state: str) -> None:
    """As if there were none."""
    if state == "disabled":
        succeed(app, "users", "disable", member.email)
    elif state == "deleted":
        assert member.delete("/v1/auth/me", json={"password": PASSWORD}).status_code == 204
    else:
        sql(app, "UPDATE users SET password_hash = NULL WHERE id = :user", user=member.user_id)
    before = len(mailbox.mails)
    forget(app, member.email)

    assert len(mailbox.mails) == before


def test_known_and_unknown_addresses_take_the_same_statements(
    app: Flask, member: Member, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So that neither the response nor its time tells which is which."""
    # By chance, either deletes old counts too.
    monkeypatch.setattr(rate_limits, "CLEANUP_ONE_IN", 10**9)
    sent = []
    for email in (member.email, new_email()):
        with messages(app) as statements:
            assert Caller(app).post("/v1/auth/password/forgot", json={"email": email}).status_code == 202
        sent.append(list(statements))

    assert sent[0] == sent[1]


@pytest.mark.parametrize("spelling", [str, str.upper])
def test_an_address_gets_three_mails_an_hour(app: Flask, member: Member, mailbox: Mailbox, spelling: type[str]) -> None:
    """More are still 202. The fourth link that was asked for is not sent, and the third works."""
    for _ in range(5):
        forget(app, spelling(member.email))

    assert len(mailbox.to(member.email)) == 1 + 3
    assert reset(app, mailbox.token(member.email)).status_code == 204


def test_a_request_that_fails_takes_no_mail_of_the_hour(app: Flask, member: Member, mailbox: Mailbox) -> None:
    """It is counted in the transaction that asks for the mail."""
    sql(app, "ALTER TABLE outbox RENAME TO away")
    for _ in range(3):
        assert Caller(app).post("/v1/auth/password/forgot", json={"email": member.email}).status_code == 503
    sql(app, "ALTER TABLE away RENAME TO outbox")
    forget(app, member.email)

    assert reset(app, mailbox.token(member.email)).status_code == 204


def test_the_limit_outlives_the_purge(app: Flask, member: Member, mailbox: Mailbox) -> None:
    """It is counted for longer than failed attempts are."""
    for _ in range(3):
        forget(app, member.email)
    then = rfc3339(datetime.now(UTC) - timedelta(minutes=50))
    sql(app, "UPDATE login_attempts SET started_at = :then", then=then)
    succeed(app, "purge")
    forget(app, member.email)

    assert len(mailbox.to(member.email)) == 1 + 3


def test_a_mail_goes_to_the_stored_address(app: Flask, mailbox: Mailbox) -> None:
    """Not to the typed one, which is merely equal to it."""
    member = register(app, "Ann.Stored@example.com")
    forget(app, "ann.STORED@EXAMPLE.com")

    assert mailbox.to(member.email)[-1]["Subject"] == "Reset your password"


def test_a_new_link_replaces_the_older(app: Flask, member: Member, mailbox: Mailbox) -> None:
    """At most one works."""
    forget(app, member.email)
    older = mailbox.token(member.email)
    forget(app, member.email)

    assert_problem(reset(app, older), 400, "link_invalid")
    assert reset(app, mailbox.token(member.email)).status_code == 204


@pytest.mark.parametrize(
    "state", ["expired", "spent", "of a changed password", "of another purpose", "of a disabled user"]
)
def test_a_link_that_does_not_work_is_one_error(app: Flask, member: Member, mailbox: Mailbox, state: str) -> None:
    """It does not say why, and changes nothing."""
    forget(app, member.email)
    token = mailbox.token(member.email)
    password = PASSWORD
    if state == "expired":
        sql(app, "UPDATE links SET expires_at = :then", then=rfc3339(datetime.now(UTC)))
    elif state == "spent":
        password = "the first new password"
        assert reset(app, token, password).status_code == 204
    elif state == "of a changed password":
        password = "the first new password"
        changes = {"password": PASSWORD, "new_password": password}
        assert member.patch("/v1/auth/me", json=changes).status_code == 200
    elif state == "of another purpose":
        token = token.replace("tasks_reset", "tasks_verify")
    else:
        succeed(app, "users", "disable", member.email)
    answers = [reset(app, given) for given in (token, f"tasks_reset_{'0' * 32}_{'a' * 43}", "nonsense")]

    for answer in answers:
        assert_problem(answer, 400, "link_invalid")
    assert len({answer.json["detail"] for answer in answers}) == 1
    if state == "of a disabled user":
        succeed(app, "users", "enable", member.email)
    assert log_in(app, member.email, password).status_code == 200


def test_looking_at_a_link_does_not_spend_it(app: Flask, member: Member, mailbox: Mailbox) -> None:
    """Scanners of mails open every link."""
    forget(app, member.email)
    token = mailbox.token(member.email)
    for method in ("GET", "HEAD"):
        assert Caller(app).call(method, f"/reset-password?token={token}").status_code == 200
        assert Caller(app).call(method, "/v1/auth/password/reset").status_code == 405

    assert reset(app, token).status_code == 204


def test_failed_attempts_still_count_after_a_reset(app: Flask, member: Member, mailbox: Mailbox) -> None:
    """Otherwise each reset would give an attacker ten more."""
    for _ in range(10):
        assert_problem(log_in(app, member.email, "wrong"), 401, "invalid_credentials")
    forget(app, member.email)
    assert reset(app, mailbox.token(member.email)).status_code == 204

    assert_problem(log_in(app, member.email, NEW_PASSWORD), 429, "rate_limited")


def test_a_common_password_is_refused_and_spends_nothing(app: Flask, member: Member, mailbox: Mailbox) -> None:
    """As everywhere."""
    forget(app, member.email)
    token = mailbox.token(member.email)

    assert_problem(reset(app, token, "password1"), 422, "validation_error")
    assert reset(app, token).status_code == 204


def test_no_token_is_in_the_database(app: Flask, member: Member, mailbox: Mailbox) -> None:
    """Neither in the message nor with the link."""
    forget(app, member.email)
    secret = mailbox.token(member.email).rpartition("_")[2]
    [link] = sql(app, "SELECT * FROM links WHERE purpose = 'reset' AND user_id = :user", user=member.user_id)

    assert secret not in str(link)
