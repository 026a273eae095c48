"""Other issuers' users on /v1/auth: they need no account, and may leave and come back."""

import time

import jwt
import pytest

from app.auth import queries
from app.auth.identity import Identity
from app.services import services_of
from tests.api.support.calls import TIME, assert_problem
from tests.conftest import OWN_SECRET, Caller, new_user_id, shared_token

ENDING = pytest.mark.parametrize(("method", "path"), [("POST", "/logout"), ("DELETE", "/sessions"), ("DELETE", "/me")])


def with_token(caller, app, **claims):
    """Return the same user with another token."""
    return Caller(app, caller.user_id, shared_token(caller.user_id, **claims))


# Of a user whose token says nothing of an address.
UNVERIFIED = {"email_verified": False, "pending_email": None, "reminder_mail": False}


def test_me_needs_no_row(ann):
    """Before the first write there is an id and nothing else."""
    answer = ann.get("/v1/auth/me")

    assert answer.status_code == 200
    assert answer.json == {"id": ann.user_id, "email": None, "name": None, "created_at": None, **UNVERIFIED}


def test_me_shows_the_row_once_there_is_one(ann):
    """The address stays unknown."""
    ann.add()
    answer = ann.get("/v1/auth/me")

    assert (answer.status_code, answer.json["id"], answer.json["email"]) == (200, ann.user_id, None)
    assert TIME.fullmatch(answer.json["created_at"])


@pytest.mark.parametrize(
    ("claims", "name", "email"),
    [
        ({"name": "Ann", "email": "Ann@Example.com"}, "Ann", "Ann@Example.com"),
        ({"name": " Ann ", "email": "ann@example.com", "email_verified": True}, "Ann", "ann@example.com"),
        ({"name": "Ann", "email": "ann@example.com", "email_verified": False}, "Ann", None),
        ({"name": "Ann", "email": "ann@example.com", "emailVerified": False}, "Ann", "ann@example.com"),
        ({"name": "Ann", "email": "ann@example.com", "email_verified": "false"}, "Ann", None),
        ({"name": "Ann"}, "Ann", None),
        ({"email": "ann@example.com"}, None, "ann@example.com"),
        ({"name": "a" * 100, "email": f"{'a' * 60}@{'b' * 60}.example"}, "a" * 100, f"{'a' * 60}@{'b' * 60}.example"),
        ({"name": "a" * 101, "email": f"a@{'b' * 260}.example"}, None, None),
        ({"name": " ", "email": "nowhere"}, None, None),
        ({"name": "A\x00nn", "email": "a\x00@example.com"}, None, None),
        ({"name": ["Ann"], "email": {"address": "ann@example.com"}}, None, None),
        ({"name": 7, "email": True}, None, None),
    ],
    ids=lambda value: str(value)[:60],
)
def test_me_shows_who_the_token_says_it_is(app, ann, claims, name, email):
    """Each valid claim by itself, with or without a row; nothing of it is stored."""
    told = with_token(ann, app, **claims)
    for _ in range(2):
        answer = told.get("/v1/auth/me")
        assert (answer.status_code, answer.json["name"], answer.json["email"]) == (200, name, email)
        told.add()

    silent = ann.get("/v1/auth/me").json
    assert (silent["name"], silent["email"]) == (None, None)


def test_a_name_that_was_set_is_shown_before_the_tokens(app, ann):
    """Taken back, it is the token's again; the address is always the token's."""
    told = with_token(ann, app, name="Ann Token", email="ann@example.com")
    for name, shown in (("Ann", "Ann"), (None, "Ann Token")):
        changed = told.patch("/v1/auth/me", json={"name": name})

        assert (changed.status_code, changed.json["name"], changed.json["email"]) == (200, shown, "ann@example.com")
        assert told.get("/v1/auth/me").json == changed.json


def test_an_accounts_token_names_nobody(app, member):
    """Only the row does, whatever such a token says besides."""
    claims = jwt.decode(member.access_token, options={"verify_signature": False})
    forged = {"name": "Eve", "email": "eve@example.com"}
    token = jwt.encode(claims | forged, OWN_SECRET, "HS256", headers={"typ": "at+jwt"})

    assert Caller(app, member.user_id, token).get("/v1/auth/me").json == member.get("/v1/auth/me").json


@pytest.mark.parametrize("is_known", [False, True])
def test_a_name_can_be_set(ann, is_known):
    """It may be the user's first write."""
    if is_known:
        ann.add()
    changed = ann.patch("/v1/auth/me", json={"name": "Ann"})

    assert (changed.status_code, changed.json["name"]) == (200, "Ann")
    assert ann.get("/v1/auth/me").json == changed.json


def test_a_password_cannot_be_set(ann):
    """It is kept by the issuer; no row is made for it either."""
    body = {"name": "Ann", "password": "correct horse battery", "new_password": "a newer and better one"}

    assert_problem(ann.patch("/v1/auth/me", json=body), 422, "validation_error", "password")
    assert ann.get("/v1/auth/me").json["created_at"] is None


def test_outside_users_have_no_sessions(ann):
    """The issuer keeps them."""
    listed = ann.get("/v1/auth/sessions")

    assert (listed.status_code, listed.json) == (200, {"items": []})
    assert_problem(ann.delete(f"/v1/auth/sessions/{new_user_id()}"), 404, "not_found")


@ENDING
@pytest.mark.parametrize("issued", [-600, -1, 0])
def test_ending_sessions_rejects_all_earlier_tokens(app, ann, method, path, issued):
    """Not only the calling one."""
    old = with_token(ann, app, iat=int(time.time()) + issued)
    assert old.get("/v1/tasks").status_code == 200
    assert ann.call(method, f"/v1/auth{path}").status_code == 204

    assert_problem(old.get("/v1/tasks"), 401, "token_revoked")
    assert_problem(ann.post("/v1/tasks", json={"title": "tea"}), 401, "token_revoked")


@ENDING
@pytest.mark.parametrize("ahead", [0.000_000_5, 1.25, 8])
def test_ending_sessions_covers_a_token_from_a_clock_that_is_ahead(app, ann, method, path, ahead):
    """It rejects the calling token and all that were issued before it, but not later ones."""
    iat = time.time() + ahead
    early, before, later = (with_token(ann, app, iat=iat + seconds) for seconds in (0, -0.5, 1))
    assert early.get("/v1/tasks").status_code == 200
    assert early.call(method, f"/v1/auth{path}").status_code == 204

    assert_problem(early.get("/v1/tasks"), 401, "token_revoked")
    assert_problem(before.get("/v1/tasks"), 401, "token_revoked")
    assert later.get("/v1/tasks").status_code == 200


def test_ending_sessions_never_undoes_an_earlier_end(app, ann):
    """With an older token, or a clock that has gone back."""
    early = with_token(ann, app, iat=time.time() + 8)
    between = with_token(ann, app, iat=time.time() + 7)
    older = with_token(ann, app, iat=time.time() - 60, jti="another")
    assert [caller.get("/v1/tasks").status_code for caller in (early, between, older)] == [200] * 3
    with app.app_context():
        for caller in (early, older):
            iat = services_of(app).verifier.verify(caller.headers["Authorization"].split()[1]).issued_at
            services_of(app).revocations.add(queries.revoke_outside_tokens(Identity(ann.user_id, None, iat)))

    assert_problem(between.get("/v1/tasks"), 401, "token_revoked")


@ENDING
def test_ending_sessions_rejects_tokens_without_iat(app, ann, method, path):
    """They could have been issued before."""
    undated = with_token(ann, app, iat=None)
    assert undated.get("/v1/tasks").status_code == 200
    assert undated.call(method, f"/v1/auth{path}").status_code == 204

    assert_problem(undated.get("/v1/tasks"), 401, "token_revoked")
    assert_problem(with_token(ann, app, iat=None, jti="another").get("/v1/tasks"), 401, "token_revoked")


@ENDING
def test_ending_sessions_rejects_only_the_callers_tokens(ann, bob, method, path):
    """Other users' tokens stay valid."""
    assert ann.call(method, f"/v1/auth{path}").status_code == 204

    assert bob.get("/v1/tasks").status_code == 200


def test_a_token_made_after_a_logout_finds_the_tasks(app, ann):
    """A logout deletes nothing."""
    task = ann.add()
    assert ann.post("/v1/auth/logout").status_code == 204
    later = with_token(ann, app, iat=int(time.time()) + 2)

    assert later.get("/v1/tasks").json["items"] == [task]


def test_a_token_made_after_a_deletion_starts_from_zero(app, ann):
    """Deletion needs no password. Afterwards there are no tasks, and writing is allowed."""
    ann.add()
    assert ann.patch("/v1/auth/me", json={"name": "Ann"}).status_code == 200
    assert ann.delete("/v1/auth/me").status_code == 204
    later = with_token(ann, app, iat=int(time.time()) + 2)

    assert later.get("/v1/tasks").json["items"] == []
    assert later.get("/v1/auth/me").json == {
        "id": ann.user_id,
        "email": None,
        "name": None,
        "created_at": None,
        **UNVERIFIED,
    }
    task = later.add()
    assert later.get("/v1/tasks").json["items"] == [task]
    assert_problem(ann.get("/v1/tasks"), 401, "token_revoked")


def test_a_user_without_a_row_can_be_deleted(app, ann):
    """The tokens are rejected although there is no row to delete."""
    assert ann.delete("/v1/auth/me").status_code == 204

    assert_problem(ann.get("/v1/tasks"), 401, "token_revoked")
    assert with_token(ann, app, iat=int(time.time()) + 2).get("/v1/tasks").status_code == 200


def test_deleting_twice_rejects_tokens_made_in_between(app, ann):
    """The later call counts."""
    assert ann.delete("/v1/auth/me").status_code == 204
    later = with_token(ann, app, iat=time.time() + 0.001)
    time.sleep(0.002)
    assert later.delete("/v1/auth/me").status_code == 204

    assert_problem(later.get("/v1/tasks"), 401, "token_revoked")
