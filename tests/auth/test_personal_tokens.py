"""Personal tokens are made, listed and ended by their user; at most 50 of one."""

from datetime import datetime, timedelta
from uuid import uuid4

import pytest

from app.auth import personal_tokens
from app.auth.revoked import revoke_sessions
from tests.api.support.calls import TIME, assert_problem, problem_of
from tests.auth.people import at_once, keep_copy, sql
from tests.auth.personal import READ, WRITE, Script, make, script_of, tokens_of
from tests.conftest import Caller, new_user_id

LISTED = {"id", "name", "scopes", "prefix", "created_at", "expires_at", "last_used_at"}
WANTED = {"name": "script", "scopes": [READ]}


def test_a_new_token_is_shown_once(ann):
    """With the response that makes it, which no cache may keep."""
    answer = ann.post("/v1/auth/tokens", json={"name": " Backup script ", "scopes": [READ]})

    assert (answer.status_code, answer.headers["Cache-Control"]) == (201, "no-store")
    made = answer.json
    assert made.keys() == LISTED | {"token"}
    assert (made["name"], made["scopes"], made["last_used_at"]) == ("Backup script", [READ], None)
    assert made["prefix"] == made["token"][:16]
    assert all(TIME.fullmatch(made[name]) for name in ("created_at", "expires_at"))
    assert tokens_of(ann) == [{name: made[name] for name in LISTED}]


@pytest.mark.parametrize(("options", "days"), [({}, 90), ({"expires_in_days": 1}, 1), ({"expires_in_days": 366}, 366)])
def test_a_token_lives_for_some_days(ann, options, days):
    """90 if nothing is said."""
    made = make(ann, **options)

    began, ends = (datetime.fromisoformat(made[name]) for name in ("created_at", "expires_at"))
    assert ends - began == timedelta(days=days)


def test_a_token_can_live_forever(app, ann):
    """With null."""
    script = script_of(app, ann, expires_in_days=None)

    assert script.made["expires_at"] is None
    assert script.get("/v1/tasks").status_code == 200


@pytest.mark.parametrize(
    ("scopes", "shown"), [([READ, READ], [READ]), ([WRITE], [WRITE]), ([WRITE, READ], [READ, WRITE])]
)
def test_scopes_are_shown_as_given_once_each(ann, scopes, shown):
    """In one order."""
    assert make(ann, *scopes)["scopes"] == shown


@pytest.mark.one_engine
@pytest.mark.parametrize(
    ("body", "faulty"),
    [
        ({}, {"name", "scopes"}),
        ({**WANTED, "scopes": []}, {"scopes"}),
        ({**WANTED, "scopes": READ}, {"scopes"}),
        ({**WANTED, "scopes": None}, {"scopes"}),
        ({**WANTED, "scopes": ["tasks:delete"]}, {"scopes.0"}),
        ({**WANTED, "scopes": ["TASKS:READ"]}, {"scopes.0"}),
        ({**WANTED, "name": " "}, {"name"}),
        ({**WANTED, "name": "x" * 101}, {"name"}),
        ({**WANTED, "name": "x\0"}, {"name"}),
        ({**WANTED, "expires_in_days": 0}, {"expires_in_days"}),
        ({**WANTED, "expires_in_days": 367}, {"expires_in_days"}),
        ({**WANTED, "expires_in_days": 1.5}, {"expires_in_days"}),
        ({**WANTED, "expires_in_days": "7"}, {"expires_in_days"}),
        ({**WANTED, "expires_in_days": True}, {"expires_in_days"}),
        ({**WANTED, "token": "tasks_pat_mine"}, {"token"}),
    ],
)
def test_a_bad_wish_is_rejected(ann, body, faulty):
    """It names the field, and nothing is made."""
    assert_problem(ann.post("/v1/auth/tokens", json=body), 422, "validation_error", *faulty)
    assert tokens_of(ann) == []


def test_tokens_are_listed_newest_first(app, ann, bob):
    """Only the caller's own."""
    make(bob)
    ids = [make(ann)["id"] for _ in range(3)]

    assert [token["id"] for token in tokens_of(ann)] == ids[::-1]


def test_only_the_hash_is_stored(app, ann):
    """Nobody who reads the database can use a token."""
    script = script_of(app, ann)
    [row] = sql(app, "SELECT * FROM personal_tokens WHERE user_id = :id", id=ann.user_id)

    assert script.token not in str(row._asdict())
    assert row.token_hash == script.hash


def test_an_expired_token_is_listed_for_30_days(app, ann):
    """So that its user learns why a script has stopped."""
    expired, gone = script_of(app, ann), script_of(app, ann)
    expired.expire(30 * 86_400 - 60)
    gone.expire(30 * 86_400 + 60)

    assert [token["id"] for token in tokens_of(ann)] == [expired.id]
    expired.end()
    assert tokens_of(ann) == []


def test_an_ended_token_is_not_listed_and_cannot_be_ended_again(app, ann):
    """Like one that never existed."""
    script = script_of(app, ann)
    script.end()

    assert tokens_of(ann) == []
    for token_id in (script.id, uuid4()):
        assert_problem(ann.delete(f"/v1/auth/tokens/{token_id}"), 404, "not_found")


def test_a_user_has_at_most_50_tokens(app, ann):
    """Expired ones do not count, and each one that is ended makes room."""
    scripts = [script_of(app, ann, READ) for _ in range(50)]

    refused = ann.post("/v1/auth/tokens", json=WANTED)
    assert_problem(refused, 409, "limit_reached")
    assert "50 personal tokens" in refused.json["detail"]
    for make_room in (scripts[0].end, lambda: scripts[1].expire(1)):
        make_room()
        make(ann)
        assert_problem(ann.post("/v1/auth/tokens", json=WANTED), 409, "limit_reached")


@pytest.mark.parametrize("has_row", [True, False])
def test_concurrent_creations_never_exceed_the_limit(app, monkeypatch, has_row):
    """Also the first writes of a user who has no row yet."""
    monkeypatch.setattr(personal_tokens, "MAX_PERSONAL_TOKENS", 5)
    user_id = new_user_id()
    if has_row:
        Caller(app, user_id).add()

    answers = at_once(50, lambda: Caller(app, user_id).post("/v1/auth/tokens", json=WANTED))

    outcomes = [answer.status_code if answer.status_code == 201 else problem_of(answer) for answer in answers]
    assert outcomes.count(201) == len(tokens_of(Caller(app, user_id))) == 5
    assert {*outcomes} <= {201, (409, "limit_reached"), (503, "database_unavailable")}


def test_the_first_write_of_an_outside_user_can_be_a_token(app):
    """It works, and what it writes belongs to the user."""
    ann = Caller(app, new_user_id())
    task = script_of(app, ann).add()

    assert ann.get("/v1/tasks").json["items"] == [task]
    assert task["user_id"] == ann.user_id


def test_an_accounts_token_shares_its_tasks(app, member):
    """It is the same user."""
    task = Script(app, member, make(member, WRITE)).add()

    assert member.get(f"/v1/tasks/{task['id']}").json == task


def test_a_revoked_session_makes_no_token(app, member):
    """Even if this process does not know yet: what ends all tokens of a user must not miss one."""
    assert member.get("/v1/tasks").status_code == 200
    keep_copy(app)
    with app.app_context():
        revoke_sessions(member.user_id, [member.session_id])

    assert_problem(member.post("/v1/auth/tokens", json=WANTED), 401, "token_revoked")
    assert sql(app, "SELECT id FROM personal_tokens WHERE user_id = :id", id=member.user_id) == []
