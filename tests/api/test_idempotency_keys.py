"""How long an Idempotency-Key is stored, and that it is stored with its task and only for its user."""

import time
from concurrent.futures import ThreadPoolExecutor

import psycopg2
import pytest
from sqlalchemy import delete, insert, literal, select, update

from app.auth import queries
from app.auth.models import users
from app.auth.tokens import token_answer
from app.database import execute, fetch_all, scope
from app.database.columns import from_now, now
from app.database.scopes import UnscopedStatement
from app.services import services_of
from app.tasks import idempotency
from app.tasks.models import idempotency_keys
from tests.api.support.calls import CREATE, assert_problem
from tests.api.test_idempotency import EVERY_CREATE, KEY, is_replay, tasks_of, told
from tests.auth.people import sql
from tests.conftest import Caller, make_app, new_user_id, shared_token
from tests.postgres import not_on_a_cluster

DAY = 24 * 3600
ONLY_POSTGRESQL = pytest.mark.parametrize("engine", ["postgresql"], indirect=True, scope="session")
INSUFFICIENT_PRIVILEGE = "42501"

# After the task has been written and before its key is complete.
FAILING = {
    "sqlite": ["CREATE TRIGGER failing BEFORE UPDATE ON idempotency_keys BEGIN SELECT RAISE(ABORT, 'failing'); END"],
    "postgresql": [
        "CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RAISE EXCEPTION ''failing''; END'",
        "CREATE TRIGGER failing BEFORE UPDATE ON idempotency_keys FOR EACH ROW EXECUTE FUNCTION fail()",
    ],
}
MENDED = {"sqlite": "DROP TRIGGER failing", "postgresql": "DROP TRIGGER failing ON idempotency_keys"}


def keys_of(app, user_id):
    """Return the stored keys of a user."""
    with app.app_context(), scope(user_id):
        return [
            row.key for row in fetch_all(select(idempotency_keys.c.key).where(idempotency_keys.c.user_id == user_id))
        ]


def age_keys(app, user_id, seconds):
    """Move a user's keys that far into the past."""
    older = update(idempotency_keys).where(idempotency_keys.c.user_id == user_id)
    with app.app_context(), scope(user_id):
        assert execute(older.values(created_at=from_now(literal(-seconds)))) == 1


@EVERY_CREATE
def test_a_key_is_valid_for_24_hours(app, ann, create):
    """A minute before that it replays. Afterwards it is a new key for any body, and is valid as long again."""
    first = create(ann, headers=KEY)
    age_keys(app, ann.user_id, DAY - 60)
    replay = create(ann, headers=KEY)
    age_keys(app, ann.user_id, DAY + 1)
    renewed, again = (create(ann, headers=KEY, json={"title": "coffee"}) for _ in range(2))

    assert told(replay) == told(first)
    assert [is_replay(answer) for answer in (replay, renewed, again)] == [True, False, True]
    assert told(again) == told(renewed)
    assert [task["title"] for task in tasks_of(ann)] == ["coffee", "tea"]


@EVERY_CREATE
def test_an_expired_key_makes_one_task_for_many_at_once(app, ann, create):
    """One request renews it, and the others replay."""
    assert create(ann, headers=KEY).status_code == 201
    age_keys(app, ann.user_id, DAY + 1)
    callers = [Caller(app, ann.user_id) for _ in range(20)]
    with ThreadPoolExecutor(len(callers)) as pool:
        answers = list(pool.map(lambda caller: create(caller, headers=KEY), callers))

    assert len({told(answer)[0] for answer in answers}) == 1
    assert sum(map(is_replay, answers)) == 19
    assert len(tasks_of(ann)) == 2


def test_expired_keys_are_deleted(app, ann, bob, monkeypatch):
    """By some of their user's next creations with a key, here by each. Newer keys and other users' stay."""
    monkeypatch.setattr(idempotency, "CLEANUP_ONE_IN", 1)
    for caller in (ann, bob):
        assert CREATE(caller, headers={"Idempotency-Key": "old"}).status_code == 201
        age_keys(app, caller.user_id, DAY + 1)
    for key in ("young", "new"):
        assert CREATE(ann, headers={"Idempotency-Key": key}).status_code == 201

    assert sorted(keys_of(app, ann.user_id)) == ["new", "young"]
    assert keys_of(app, bob.user_id) == ["old"]


@pytest.fixture
def own_app(new_database):
    """An app on its own database, which a test may break."""
    app = make_app(new_database())
    yield app
    services_of(app).engine.dispose()


@not_on_a_cluster("a distributed table has no trigger")
@EVERY_CREATE
def test_a_failed_transaction_stores_neither_task_nor_key(own_app, engine, create):
    """So repeating the request after a fault creates the task once."""
    ann = Caller(own_app, new_user_id())
    for statement in FAILING[engine]:
        sql(own_app, statement)
    failed = create(ann, headers=KEY)
    assert_problem(failed, 500, "internal_error")
    assert (tasks_of(ann), keys_of(own_app, ann.user_id)) == ([], [])

    sql(own_app, MENDED[engine])
    corrected, again = create(ann, headers=KEY), create(ann, headers=KEY)
    assert told(again) == told(corrected)
    assert (is_replay(corrected), is_replay(again), len(tasks_of(ann))) == (False, True, 1)


@EVERY_CREATE
@pytest.mark.parametrize("headers", [KEY, {}], ids=["with a key", "without"])
def test_a_deleted_account_cannot_create_a_task(app, create, headers):
    """Its token was valid when it was issued: 401, with or without a key, and no row comes back."""
    with app.app_context():
        user, refresh = queries.register(f"{new_user_id()}@example.com", "no hash", None, DAY)
        token = token_answer(refresh, services_of(app).settings)["access_token"]
        execute(delete(users).where(users.c.id == user.id))
        gone = Caller(app, user.id, token)
        assert_problem(create(gone, headers=headers), 401, "token_revoked")
        assert queries.find_user(user.id) is None


@EVERY_CREATE
def test_keys_are_deleted_with_their_user(app, ann, create):
    """A user of another issuer who comes back afterwards starts from zero."""
    first = create(ann, headers=KEY)
    assert ann.delete("/v1/auth/me").status_code == 204
    assert_problem(create(ann, headers=KEY), 401, "token_revoked")
    back = Caller(app, ann.user_id, shared_token(ann.user_id, iat=int(time.time()) + 5))
    renewed = create(back, headers=KEY)

    assert (first.status_code, renewed.status_code, is_replay(renewed)) == (201, 201, False)
    assert [task["id"] for task in tasks_of(back)] == [renewed.json["id"]]


def test_keys_need_a_scope(app, ann):
    """On both engines, like tasks."""
    assert CREATE(ann, headers=KEY).status_code == 201

    with app.app_context():
        for statement in (select(idempotency_keys), delete(idempotency_keys), insert(idempotency_keys)):
            with pytest.raises(UnscopedStatement):
                execute(statement)


@ONLY_POSTGRESQL
def test_the_database_hides_other_users_keys(app, ann, bob):
    """Row-level security: a query for Ann's rows in Bob's scope finds and changes nothing."""
    first = CREATE(ann, headers=KEY)
    anns = idempotency_keys.c.user_id == ann.user_id
    with app.app_context(), scope(bob.user_id):
        assert fetch_all(select(idempotency_keys)) == []
        assert execute(update(idempotency_keys).where(anns).values(answer="stolen")) == 0
        assert execute(delete(idempotency_keys).where(anns)) == 0
    replay = CREATE(ann, headers=KEY)

    assert told(replay) == told(first)
    assert is_replay(replay)


@ONLY_POSTGRESQL
def test_the_database_rejects_a_key_for_another_user(app, ann, bob):
    """So a user cannot plant a response for Ann."""
    ann.add()
    row = {"user_id": ann.user_id, "key": "planted", "request_hash": "x", "created_at": now()}
    with app.app_context(), scope(bob.user_id), pytest.raises(psycopg2.Error) as refused:
        execute(insert(idempotency_keys).values(row))

    assert refused.value.pgcode == INSUFFICIENT_PRIVILEGE
    assert keys_of(app, ann.user_id) == []
