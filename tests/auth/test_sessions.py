"""Listing and ending sessions, and disabling users."""

from uuid import uuid4

import pytest

from app.auth.queries import disable_user, enable_user
from app.services import services_of
from tests.api.support.calls import TIME, assert_problem
from tests.auth.people import listed, lives, log_in, register
from tests.conftest import new_user_id

SESSION = {"id", "created_at", "used_at", "expires_at", "current"}


def set_disabled(member, change):
    """Run an operator's command in the app's process."""
    with member.app.app_context():
        services_of(member.app).revocations.add(change(member.user_id))


def test_sessions_are_listed_newest_first(member):
    """With a mark on the calling one."""
    second = member.sign_in()
    third = member.sign_in()
    sessions = listed(second)

    assert [session["id"] for session in sessions] == [third.session_id, second.session_id, member.session_id]
    assert [session["current"] for session in sessions] == [False, True, False]
    for session in sessions:
        assert set(session) == SESSION
        assert all(TIME.fullmatch(session[name]) for name in ("created_at", "used_at", "expires_at"))


def test_one_session_can_be_ended(member):
    """Another device is signed out, and this one is not."""
    other = member.sign_in()
    assert member.delete(f"/v1/auth/sessions/{other.session_id}").status_code == 204

    assert not lives(other)
    assert [session["id"] for session in listed(member)] == [member.session_id]
    assert_problem(member.delete(f"/v1/auth/sessions/{other.session_id}"), 404, "not_found")


def test_the_current_session_can_be_ended_by_its_id(member):
    """Like a logout."""
    assert member.delete(f"/v1/auth/sessions/{member.session_id}").status_code == 204

    assert not lives(member)


def test_another_users_session_looks_absent(app, ann, member):
    """It can neither be ended nor noticed."""
    other = register(app)
    for caller in (other, ann):
        for session_id in (member.session_id, uuid4(), new_user_id(), "current"):
            assert_problem(caller.delete(f"/v1/auth/sessions/{session_id}"), 404, "not_found")

    assert lives(member)


def test_all_sessions_can_be_ended(app, member):
    """Including this one, but no other user's. Signing in again works."""
    others, stranger = [member.sign_in(), member.sign_in()], register(app)
    assert member.delete("/v1/auth/sessions").status_code == 204

    assert not any(lives(session) for session in (member, *others))
    assert lives(stranger)
    assert lives(member.sign_in())


def test_logging_out_ends_only_this_session(member):
    """At once, with all its tokens."""
    other, renewed = member.sign_in(), member.renew()
    assert renewed.post("/v1/auth/logout").status_code == 204

    assert not lives(renewed)
    assert_problem(member.get("/v1/tasks"), 401, "token_revoked")
    assert_problem(renewed.post("/v1/auth/logout"), 401, "token_revoked")
    assert lives(other)


def test_a_disabled_account_is_rejected_until_enabled(app, member):
    """Access token, refresh token and password; afterwards each works as before."""
    set_disabled(member, disable_user)

    assert_problem(member.get("/v1/tasks"), 401, "token_revoked")
    assert_problem(member.refresh(), 401, "token_revoked")
    assert_problem(log_in(app, member.email), 401, "invalid_credentials")

    set_disabled(member, enable_user)

    assert lives(member)
    assert log_in(app, member.email).status_code == 200


@pytest.mark.parametrize("is_known", [False, True])
def test_a_disabled_outside_user_is_rejected_until_enabled(app, ann, bob, is_known):
    """For all tokens that the issuer signs meanwhile, with a row or without."""
    if is_known:
        ann.add()
    ann.app = app
    set_disabled(ann, disable_user)

    assert_problem(ann.get("/v1/tasks"), 401, "token_revoked")
    assert_problem(ann.post("/v1/tasks", json={"title": "tea"}), 401, "token_revoked")
    assert bob.get("/v1/tasks").status_code == 200

    set_disabled(ann, enable_user)

    assert ann.get("/v1/tasks").status_code == 200


def test_enabling_does_not_restore_ended_sessions(member):
    """They stay ended."""
    other = member.sign_in()
    assert other.post("/v1/auth/logout").status_code == 204
    set_disabled(member, disable_user)
    set_disabled(member, enable_user)

    assert not lives(other)
    assert lives(member)
