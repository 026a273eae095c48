"""Deleting an account needs its password, and removes all its data."""

import re
from collections import Counter

import pytest

from app.auth import queries
from tests.api.support.calls import assert_problem
from tests.auth.people import PASSWORD, another_app, keep_copy, log_in, register, sql
from tests.statements import each_statement

OF_TOKENS = ("personal_tokens", "user_id")


@pytest.mark.parametrize(
    ("options", "status", "code"),
    [
        ({}, 422, "validation_error"),
        ({"json": {}}, 422, "validation_error"),
        ({"json": {"password": "wrong horse battery"}}, 401, "invalid_credentials"),
        ({"data": f'{{"password": "{PASSWORD}"}}'}, 415, "unsupported_media_type"),
    ],
)
def test_deleting_an_account_needs_its_password(app, member, options, status, code):
    """A token alone, which may be stolen, deletes nothing."""
    task = member.add()

    assert_problem(member.delete("/v1/auth/me", **options), status, code)
    assert member.get("/v1/tasks").json["items"] == [task]
    assert log_in(app, member.email).status_code == 200


def test_a_deleted_account_leaves_no_data(app, member):
    """User, address, sessions and tasks are gone, and every token is rejected at once."""
    other = member.sign_in()
    member.add()
    deleted = member.delete("/v1/auth/me", json={"password": PASSWORD})

    assert (deleted.status_code, deleted.data) == (204, b"")
    for session in (member, other):
        assert_problem(session.get("/v1/tasks"), 401, "token_revoked")
        assert_problem(session.refresh(), 401, "token_revoked")
    assert_problem(log_in(app, member.email), 401, "invalid_credentials")
    for table, column in (("users", "id"), ("user_emails", "user_id"), ("sessions", "user_id"), OF_TOKENS):
        assert sql(app, f"SELECT 1 FROM {table} WHERE {column} = :id", id=member.user_id) == []


def test_an_account_with_many_tasks_is_deleted_in_parts(app, member, monkeypatch):
    """So that each statement stays within its time limit."""
    monkeypatch.setattr(queries, "MAX_AT_ONCE", 2)
    for number in range(5):
        member.post("/v1/tasks", json={"title": "tea"}, headers={"Idempotency-Key": str(number)})
    ended = Counter()
    with each_statement(lambda _, statement: ended.update(re.findall(r"DELETE FROM (\w+)", statement))):
        assert member.delete("/v1/auth/me", json={"password": PASSWORD}).status_code == 204

    assert (ended["tasks"], ended["idempotency_keys"]) == (3, 3)
    assert_problem(member.get("/v1/tasks"), 401, "token_revoked")


def test_a_deleted_accounts_address_is_free(app, member):
    """Registering with it creates a new user without tasks."""
    member.add()
    assert member.delete("/v1/auth/me", json={"password": PASSWORD}).status_code == 204
    successor = register(app, member.email)

    assert successor.user_id != member.user_id
    assert successor.get("/v1/tasks").json["items"] == []
    assert_problem(member.get("/v1/tasks"), 401, "token_revoked")


def test_a_deleted_account_cannot_create_tasks_in_any_process(app, member):
    """In a process that does not know yet, the missing row rejects the write."""
    with another_app(app) as other:
        elsewhere = member.at(other)
        assert elsewhere.get("/v1/tasks").status_code == 200
        assert member.delete("/v1/auth/me", json={"password": PASSWORD}).status_code == 204
        keep_copy(other)

        assert_problem(elsewhere.post("/v1/tasks", json={"title": "tea"}), 401, "token_revoked")
    assert sql(app, "SELECT 1 FROM users WHERE id = :id", id=member.user_id) == []
