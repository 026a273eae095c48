"""What ends a user's personal tokens, what leaves them, and what only stops them."""

import pytest

from app.auth import queries
from tests.api.support.calls import assert_problem
from tests.auth.people import PASSWORD, keep_copy, make_copy_old, sql
from tests.auth.personal import forget, script_of, tokens_of
from tests.auth.tokens import assert_refused
from tests.conftest import Caller

NEW = {"password": PASSWORD, "new_password": "a newer and better one"}


def set_password(member):
    with member.app.app_context():
        queries.set_password(member.user_id, "a hash")


ENDING = {
    "end sessions": lambda member: member.delete("/v1/auth/sessions"),
    "change password and end": lambda member: member.patch("/v1/auth/me", json={**NEW, "end_tokens": True}),
    "set password": set_password,
    "delete": lambda member: member.delete("/v1/auth/me", json={"password": PASSWORD}),
}
LEAVING = {
    "logout": lambda member: member.post("/v1/auth/logout"),
    "end session": lambda member: member.delete(f"/v1/auth/sessions/{member.session_id}"),
    "change password": lambda member: member.patch("/v1/auth/me", json=NEW),
    "change password and keep": lambda member: member.patch("/v1/auth/me", json={**NEW, "end_tokens": False}),
}
OUTSIDE_ENDING = ("/v1/auth/sessions", "/v1/auth/me")


@pytest.mark.parametrize("change", ENDING)
@pytest.mark.parametrize("is_remembered", [True, False])
def test_what_ends_the_tokens_of_an_account(member, other, change, is_remembered):
    """All of them, in each process, whether or not it has seen them."""
    scripts = [script_of(member.app, member) for _ in range(2)]
    if is_remembered:
        assert [
            script.at(place).get("/v1/tasks").status_code for script in scripts for place in (member.app, other)
        ] == [200] * 4
    ENDING[change](member)
    make_copy_old(member.app)
    make_copy_old(other)

    for script in scripts:
        assert_refused(script.get("/v1/tasks"), "token_revoked")
        assert_refused(script.at(other).get("/v1/tasks"), "token_revoked")
    assert sql(member.app, "SELECT id FROM personal_tokens WHERE user_id = :id", id=member.user_id) == []


@pytest.mark.parametrize("change", LEAVING)
def test_what_leaves_the_tokens_of_an_account(member, other, change):
    """A script goes on when its user's browser is signed out."""
    script = script_of(member.app, member)
    assert LEAVING[change](member).status_code < 300
    make_copy_old(other)

    assert script.get("/v1/tasks").status_code == script.at(other).get("/v1/tasks").status_code == 200


def test_an_outside_users_logout_leaves_the_tokens(app, ann, other):
    """It rejects the tokens that the front end has issued until now."""
    script = script_of(app, ann)
    assert ann.post("/v1/auth/logout").status_code == 204
    make_copy_old(other)
    forget(app)

    assert_refused(ann.get("/v1/tasks"), "token_revoked")
    assert script.get("/v1/tasks").status_code == script.at(other).get("/v1/tasks").status_code == 200


@pytest.mark.parametrize("path", OUTSIDE_ENDING)
def test_what_ends_the_tokens_of_an_outside_user(app, ann, other, path):
    """At once in the same process, and after a read in others."""
    script = script_of(app, ann)
    assert script.at(other).get("/v1/tasks").status_code == 200
    keep_copy(app)
    assert ann.delete(path).status_code == 204
    make_copy_old(other)

    assert_refused(script.get("/v1/tasks"), "token_revoked")
    assert_refused(script.at(other).get("/v1/tasks"), "token_revoked")


def test_a_disabled_users_tokens_wait(app, member, other):
    """They are rejected until the user is enabled again."""
    script = script_of(app, member)
    for change, status in ((queries.disable_user, 401), (queries.enable_user, 200)):
        with app.app_context():
            change(member.user_id)
        for place in (app, other):
            make_copy_old(place)
            forget(place)
            assert script.at(place).get("/v1/tasks").status_code == status


def test_ending_one_token_leaves_the_others(app, ann):
    """And the user's other tokens."""
    ended, kept = script_of(app, ann), script_of(app, ann)
    ended.end()

    assert_refused(ended.get("/v1/tasks"), "token_revoked")
    assert kept.get("/v1/tasks").status_code == ann.get("/v1/tasks").status_code == 200
    assert [token["id"] for token in tokens_of(ann)] == [kept.id]


@pytest.mark.one_engine
@pytest.mark.parametrize("value", [True, False])
def test_tokens_end_only_together_with_a_password(member, value):
    """The body must say which."""
    answer = member.patch("/v1/auth/me", json={"end_tokens": value})

    assert_problem(answer, 422, "validation_error", "new_password")


def test_an_outside_user_ends_no_token_by_a_password(app, ann):
    """There is none here."""
    script = script_of(app, ann)
    assert_problem(ann.patch("/v1/auth/me", json={**NEW, "end_tokens": True}), 422, "validation_error", "password")

    assert script.get("/v1/tasks").status_code == 200
    assert isinstance(ann, Caller)
