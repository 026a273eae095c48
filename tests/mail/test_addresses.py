"""An address is verified by a link that is sent to it, and replaced only by one that is."""

from collections.abc import Callable

import pytest
from flask import Flask

from tests.api.support.calls import assert_problem
from tests.auth.people import PASSWORD, Member, another_app, at_once, log_in, new_email, register, sign_up, sql
from tests.commands.calling import record
from tests.conftest import Caller, new_user_id, shared_token
from tests.mail.conftest import NEW_PASSWORD, Mailbox, deliver, forget, reset, url_of, verify


def me(member: Member) -> dict[str, object]:
    answer = member.get("/v1/auth/me")
    assert answer.status_code == 200, answer.text
    return dict(answer.json)


def change(member: Member, email: str, **body: str) -> dict[str, object]:
    answer = member.patch("/v1/auth/me", json={"email": email, "password": member.password, **body})
    assert answer.status_code == 200, answer.text
    return dict(answer.json)


def test_registering_sends_a_link_that_verifies(app: Flask, mailbox: Mailbox) -> None:
    """Once."""
    member = register(app)
    assert me(member)["email_verified"] is False
    deliver(app)
    token = mailbox.token(member.email)

    assert (verify(app, token), verify(app, token)) == (204, 400)
    assert me(member)["email_verified"] is True


def test_the_link_can_be_sent_again(app: Flask, mailbox: Mailbox) -> None:
    """At most three an hour; none once the address is verified."""
    member = register(app)
    for _ in range(5):
        assert member.post("/v1/auth/email/send").status_code == 202
    deliver(app)
    # The mails that were asked for before the newest one find its link, and are not sent.
    assert 1 <= len(mailbox.to(member.email)) <= 3
    assert verify(app, mailbox.token(member.email)) == 204
    before = len(mailbox.mails)
    assert member.post("/v1/auth/email/send").status_code == 202
    deliver(app)

    assert len(mailbox.mails) == before


def test_a_new_address_counts_once_it_is_verified(app: Flask, member: Member, mailbox: Mailbox) -> None:
    """Until then the old one does; it is told at once."""
    new = new_email()
    changed = change(member, new)
    assert (changed["email"], changed["pending_email"], changed["email_verified"]) == (member.email, new, True)
    assert log_in(app, new).status_code == 401
    deliver(app)
    assert mailbox.to(member.email)[-1]["Subject"] == "Your address is about to change"

    assert verify(app, mailbox.token(new)) == 204
    changed = me(member)
    assert (changed["email"], changed["pending_email"], changed["email_verified"]) == (new, None, True)
    assert (log_in(app, new).status_code, log_in(app, member.email).status_code) == (200, 401)
    assert sign_up(app, member.email).status_code == 201


def test_an_address_that_is_taken_by_then_is_an_invalid_link(app: Flask, member: Member, mailbox: Mailbox) -> None:
    """Nobody is told before, and nothing changes."""
    other = register(app)
    spelled = other.email.replace("ann", "Ann")
    change(member, spelled)
    deliver(app)

    assert verify(app, mailbox.token(spelled)) == 400
    assert (log_in(app, member.email).status_code, log_in(app, other.email).status_code) == (200, 200)
    assert me(other)["email_verified"] is False


def test_of_two_that_verify_one_address_at_once_one_gets_it(app: Flask, mailbox: Mailbox) -> None:
    """The other's link is invalid."""
    members, new = [register(app), register(app)], new_email()
    tokens = []
    for member in members:
        change(member, new)
        deliver(app)
        tokens.append(mailbox.token(new))
    left = iter(tokens)

    assert sorted(at_once(2, lambda: verify(app, next(left)))) == [204, 400]
    assert sorted(me(member)["email"] == new for member in members) == [False, True]


def keep_the_address(member: Member) -> None:
    change(member, member.email)


def change_the_password(member: Member) -> None:
    body = {"password": member.password, "new_password": NEW_PASSWORD}
    assert member.patch("/v1/auth/me", json=body).status_code == 200


@pytest.mark.parametrize("drop", [keep_the_address, change_the_password])
def test_a_pending_address_can_be_dropped(
    app: Flask, member: Member, mailbox: Mailbox, drop: Callable[[Member], None]
) -> None:
    """Its link is invalid then."""
    new = new_email()
    change(member, new)
    deliver(app)
    drop(member)

    assert verify(app, mailbox.token(new)) == 400
    assert me(member)["pending_email"] is None


def test_a_reset_drops_what_an_intruder_asked_for(app: Flask, member: Member, mailbox: Mailbox) -> None:
    """Otherwise the intruder's link would take over the account."""
    intruders = new_email()
    change(member, intruders)
    deliver(app)
    forget(app, member.email)
    assert reset(app, mailbox.token(member.email)).status_code == 204

    assert verify(app, mailbox.token(intruders)) == 400
    assert log_in(app, member.email, NEW_PASSWORD).status_code == 200


def test_address_and_password_can_change_together(app: Flask, member: Member, mailbox: Mailbox) -> None:
    """The new address stays pending."""
    new = new_email()
    assert change(member, new, new_password=NEW_PASSWORD)["pending_email"] == new
    deliver(app)

    assert verify(app, mailbox.token(new)) == 204
    assert log_in(app, new, NEW_PASSWORD).status_code == 200


def test_another_spelling_counts_at_once(app: Flask, member: Member) -> None:
    """It is the same address, and stays verified."""
    changed = change(member, member.email.upper())

    assert (changed["email"], changed["pending_email"], changed["email_verified"]) == (member.email.upper(), None, True)


@pytest.mark.parametrize("body", [{}, {"password": "wrong"}])
def test_a_change_needs_the_password(app: Flask, member: Member, body: dict[str, str]) -> None:
    """The right one."""
    answer = member.patch("/v1/auth/me", json={"email": new_email(), **body})

    assert answer.status_code == (401 if body else 422)
    assert me(member)["pending_email"] is None


@pytest.fixture(scope="module")
def without_mail(new_database):
    with another_app(new_database()) as app:
        yield app


def test_without_a_mail_server_the_new_address_counts_at_once(without_mail: Flask) -> None:
    """Unverified; one that is taken is 409; the old one is free."""
    member, other, new = register(without_mail), register(without_mail), new_email()
    assert_problem(member.patch("/v1/auth/me", json={"email": other.email, "password": PASSWORD}), 409, "email_taken")
    changed = change(member, new)

    assert (changed["email"], changed["pending_email"], changed["email_verified"]) == (new, None, False)
    assert log_in(without_mail, new).status_code == 200
    assert sign_up(without_mail, member.email).status_code == 201


def test_of_two_changes_at_once_one_counts(without_mail: Flask) -> None:
    """And the other address stays free."""
    member, wanted = register(without_mail), [new_email(), new_email()]
    left = iter(wanted)

    def call() -> int:
        return member.patch("/v1/auth/me", json={"email": next(left), "password": PASSWORD}).status_code

    assert set(at_once(2, call)) <= {200, 401}
    mine = me(member)["email"]
    assert [log_in(without_mail, email).status_code == 200 for email in wanted] == [email == mine for email in wanted]
    assert sorted(sign_up(without_mail, email).status_code for email in wanted) == [201, 409]


@pytest.mark.one_engine
def test_without_a_mail_server_the_routes_do_not_exist(without_mail: Flask) -> None:
    """Nor do the pages."""
    caller = Caller(without_mail)
    for path in ("password/forgot", "password/reset", "email/verify", "email/send"):
        for method in ("GET", "POST"):
            assert_problem(caller.call(method, f"/v1/auth/{path}", json={}), 404, "not_found")
    for page in ("/reset-password", "/verify-email"):
        assert_problem(caller.get(page), 404, "not_found")


def test_verified_addresses_can_be_required(new_mail_app: Callable[..., Flask], mail_server, mailbox: Mailbox) -> None:
    """Registering makes the account and sends the link; so does a sign-in with the right password."""
    app = new_mail_app(SMTP_URL=url_of(mail_server), REQUIRE_VERIFIED_EMAIL="on")
    email = new_email()
    assert_problem(sign_up(app, email), 403, "email_unverified")
    assert_problem(log_in(app, email, "wrong"), 401, "invalid_credentials")
    assert_problem(log_in(app, email), 403, "email_unverified")
    deliver(app)
    assert verify(app, mailbox.token(email)) == 204
    assert log_in(app, email).status_code == 200

    by_hand = new_email()
    assert_problem(sign_up(app, by_hand), 403, "email_unverified")
    for changed in (True, False):
        assert record(app, "users", "verify", by_hand)["changed"] is changed
    assert log_in(app, by_hand).status_code == 200


def test_accounts_from_before_are_not_verified(app: Flask) -> None:
    """Nobody has opened a link."""
    member = register(app)
    sql(app, "UPDATE users SET email_verified_at = NULL, pending_email = NULL WHERE id = :user", user=member.user_id)

    assert (me(member)["email_verified"], me(member)["pending_email"]) == (False, None)


@pytest.mark.parametrize(("claim", "shown"), [(True, True), ("true", True), (False, False), (None, False)])
def test_an_issuers_user_is_as_verified_as_the_token_says(app: Flask, claim: object, shown: bool) -> None:
    """With no link of this service's own."""
    user_id = new_user_id()
    token = shared_token(user_id, email="ann@example.com", email_verified=claim)
    caller = Caller(app, user_id, token)

    assert caller.get("/v1/auth/me").json["email_verified"] is shown
    assert caller.post("/v1/auth/email/send").status_code == 202
