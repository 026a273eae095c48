"""Revoked tokens are rejected: at once in the same process, and after the next read in others."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from app.auth.queries import disable_user, enable_user
from app.database import transaction
from tests.api.support.calls import assert_problem
from tests.auth.people import PASSWORD, ago, another_app, keep_copy, make_copy_old, sql
from tests.conftest import Caller


def elsewhere(call):
    """Call in another thread, which is not part of this one's transaction."""
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(call).result()


ENDINGS = {
    "logout": lambda member: member.post("/v1/auth/logout"),
    "session": lambda member: member.sign_in().delete(f"/v1/auth/sessions/{member.session_id}"),
    "sessions": lambda member: member.sign_in().delete("/v1/auth/sessions"),
    "password": lambda member: member.sign_in().patch(
        "/v1/auth/me", json={"password": PASSWORD, "new_password": "a newer and better one"}
    ),
    "deletion": lambda member: member.delete("/v1/auth/me", json={"password": PASSWORD}),
}


@pytest.mark.parametrize("end", ENDINGS)
def test_a_revocation_works_at_once_here_and_elsewhere_after_a_read(member, other, end):
    """The process that handled the call knows at once, even if its copy is new."""
    there = member.at(other)
    assert there.get("/v1/tasks").status_code == 200
    keep_copy(member.app)
    assert ENDINGS[end](member).status_code == (200 if end == "password" else 204)

    assert_problem(member.get("/v1/tasks"), 401, "token_revoked")
    make_copy_old(other)
    assert_problem(there.get("/v1/tasks"), 401, "token_revoked")


@pytest.mark.parametrize("path", ["/v1/tasks", "/api/{user_id}/tasks", "/v1/auth/me", "/v1/auth/sessions"])
def test_every_route_rejects_a_revoked_token(member, path):
    """With token_revoked."""
    path = path.format(user_id=member.user_id)
    assert member.get(path).status_code == 200
    assert member.post("/v1/auth/logout").status_code == 204

    assert_problem(member.get(path), 401, "token_revoked")


def test_an_outside_users_logout_is_known_elsewhere(app, ann, other):
    """Logged out in one process, rejected in the next."""
    there = Caller(other, ann.user_id, ann.headers["Authorization"].split()[1])
    assert there.get("/v1/tasks").status_code == 200
    assert ann.post("/v1/auth/logout").status_code == 204
    make_copy_old(other)

    assert_problem(there.get("/v1/tasks"), 401, "token_revoked")


def test_disabling_and_enabling_are_known_elsewhere(app, member, other):
    """In both directions."""
    there = member.at(other)
    for change, status in ((disable_user, 401), (enable_user, 200)):
        with app.app_context():
            change(member.user_id)
        make_copy_old(other)
        assert there.get("/v1/tasks").status_code == status


def test_a_new_process_knows_earlier_revocations(member):
    """Its first request waits for its first copy."""
    assert member.post("/v1/auth/logout").status_code == 204
    with another_app(member.app) as later:
        assert_problem(member.at(later).get("/v1/tasks"), 401, "token_revoked")


def test_a_revocation_committed_late_is_seen(member, other):
    """Its time is its transaction's start, which reads in between have already passed."""
    there = member.at(other)
    with member.app.app_context(), transaction():
        disable_user(member.user_id)
        for _ in range(2):
            make_copy_old(other)
            assert elsewhere(lambda: there.get("/v1/tasks").status_code) == 200
    make_copy_old(other)

    assert_problem(there.get("/v1/tasks"), 401, "token_revoked")


def test_a_rolled_back_revocation_is_not_seen(member, other):
    """Neither here nor in another process."""
    with pytest.raises(ZeroDivisionError), member.app.app_context(), transaction():
        disable_user(member.user_id)
        raise ZeroDivisionError
    make_copy_old(other)

    assert member.at(other).get("/v1/tasks").status_code == 200


def test_expired_revocations_are_deleted(app, member):
    """When the same user's next session ends."""
    ended = [member.sign_in(), member.sign_in()]
    assert ended[0].post("/v1/auth/logout").status_code == 204
    sql(app, "UPDATE revocations SET expires_at = :moment WHERE user_id = :id", moment=ago(1), id=member.user_id)
    assert ended[1].post("/v1/auth/logout").status_code == 204

    rows = sql(app, "SELECT subject FROM revocations WHERE user_id = :id", id=member.user_id)
    assert [row.subject for row in rows] == [ended[1].session_id]
