"""`flask purge`: what nobody can ask for any more is gone; all else stays."""

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import literal, update

from app.auth.rate_limits import FAILURES_SECONDS
from app.database import execute, scope
from app.database.columns import from_now
from app.tasks import trash
from app.tasks.models import idempotency_keys, tasks
from tests.api.support.calls import CREATE, RESTORE, assert_problem
from tests.api.support.lists import add_at_once, walk
from tests.api.support.past import age_task, aged
from tests.api.support.replicas import Replica, tasks_of
from tests.api.test_export import failing_pages
from tests.auth.people import Member, ago, another_app, listed, lives, make_copy_old, register, sql
from tests.commands.calling import fail, record, run_process, succeed
from tests.conftest import Caller, new_user_id
from tests.statements import messages

TRASH_KEPT = 30 * 24 * 3600
KEY_KEPT = 24 * 3600
NOTHING = {"users": 0, "tasks": 0, "sessions": 0}


@pytest.fixture
def app(url: str) -> Iterator[Flask]:
    with another_app(url) as app:
        yield app


def write(app: Flask, caller: Caller, statement: Any) -> None:
    """Change rows themselves, as time does."""
    with app.app_context(), scope(caller.user_id):
        assert execute(statement) > 0


def age(app: Flask, caller: Caller, seconds: float, *ids: str) -> None:
    """Let tasks have been deleted so long ago, by the database's clock."""
    for task_id in ids:
        age_task(app, caller, task_id, seconds, is_deleted=True)


def deleted(caller: Caller, count: int = 1) -> list[str]:
    """Tasks in somebody's trash; their ids."""
    ids = [caller.add()["id"] for _ in range(count)]
    for task_id in ids:
        assert caller.delete(f"/v1/tasks/{task_id}").status_code == 204
    return ids


def ids_kept(app: Flask, caller: Caller) -> set[str]:
    """Of all rows that there are of somebody's tasks."""
    with scope(caller.user_id):
        return {str(row.id) for row in sql(app, "SELECT id FROM tasks WHERE user_id = :user", user=caller.user_id)}


def test_a_task_is_kept_for_30_days_and_no_longer(app: Flask, ann: Caller) -> None:
    """From its deletion, by the database's clock."""
    kept, ended = deleted(ann, 2)
    age(app, ann, TRASH_KEPT - 30, kept)
    age(app, ann, TRASH_KEPT, ended)

    assert record(app, "purge")["tasks"] == 1
    assert ids_kept(app, ann) == {kept}
    assert RESTORE(ann, kept).status_code == 200
    assert_problem(RESTORE(ann, ended), 404, "not_found")


def test_what_is_live_stays_however_old_it_is(app: Flask, ann: Caller) -> None:
    """Also where it was completed, or restored, long ago."""
    made = [ann.add(completed=True), ann.add(due_on="1999-12-31"), ann.add()]
    assert ann.delete(f"/v1/tasks/{made[2]['id']}").status_code == 204
    assert RESTORE(ann, made[2]["id"]).status_code == 200
    long_ago = {"created_at": ago(9 * TRASH_KEPT), "updated_at": ago(9 * TRASH_KEPT)}
    write(app, ann, update(tasks).values(long_ago))

    assert record(app, "purge")["tasks"] == 0
    assert {task["id"] for task in walk(ann)} == {task["id"] for task in made}


def test_the_id_of_a_purged_task_is_free(app: Flask, ann: Caller) -> None:
    """Until then it is taken."""
    [task_id] = deleted(ann)
    age(app, ann, TRASH_KEPT, task_id)
    assert_problem(CREATE(ann, json={"title": "again", "id": task_id}), 409, "id_taken")
    assert record(app, "purge")["tasks"] == 1

    assert ann.add(id=task_id)["title"] == "tea"


@pytest.mark.parametrize("at_once", [1, 2, 5, 6])
def test_many_tasks_are_ended_a_part_at_a_time(
    app: Flask, ann: Caller, monkeypatch: pytest.MonkeyPatch, at_once: int
) -> None:
    """So that each statement ends in time, however many there are."""
    monkeypatch.setattr(trash, "MAX_AT_ONCE", at_once)
    age(app, ann, TRASH_KEPT, *deleted(ann, 5))
    [kept] = deleted(ann)
    with messages(app) as sent:
        assert record(app, "purge")["tasks"] == 5

    assert len([statement for statement in sent if "DELETE FROM tasks" in statement]) == 5 // at_once + 1
    assert ids_kept(app, ann) == {kept}


def test_everybodys_trash_is_purged(app: Flask, ann: Caller, bob: Caller) -> None:
    """Of accounts and of users of a front end; each keeps what is not old."""
    everybody, kept = [ann, bob, register(app)], {}
    for number, caller in enumerate(everybody, start=1):
        age(app, caller, TRASH_KEPT, *deleted(caller, number))
        kept[caller] = {caller.add()["id"], *deleted(caller)}

    assert record(app, "purge") == {"users": 3, "tasks": 1 + 2 + 3, "sessions": 0}
    assert {caller: ids_kept(app, caller) for caller in everybody} == kept


def test_there_may_be_more_users_than_are_read_at_once(app: Flask) -> None:
    """The last of them like the first."""
    names = [f"user {number:04}" for number in range(1_001)]
    for user in names:
        sql(app, "INSERT INTO users (id, created_at) VALUES (:user, :now)", user=user, now=ago(0))
    for user in (names[0], names[-1]):
        caller = Caller(app, user)
        age(app, caller, TRASH_KEPT, *deleted(caller))

    assert record(app, "purge") == {"users": len(names), "tasks": 2, "sessions": 0}


def test_a_second_run_finds_nothing(app: Flask, ann: Caller) -> None:
    """It may be run as often as one likes."""
    age(app, ann, TRASH_KEPT, *deleted(ann, 2))
    first, second = (record(app, "purge") for _ in range(2))

    assert (first, second) == (NOTHING | {"users": 1, "tasks": 2}, NOTHING | {"users": 1})


def test_a_new_service_has_nothing_to_purge(app: Flask) -> None:
    """And says so, to people and to programs."""
    assert succeed(app, "purge") == "Checked 0 users. Deleted 0 tasks and 0 sessions permanently.\n"
    assert record(app, "purge") == NOTHING


def keys_of(app: Flask, caller: Caller) -> list[str]:
    with scope(caller.user_id):
        return [row.key for row in sql(app, "SELECT key FROM idempotency_keys ORDER BY key")]


def test_a_key_is_kept_for_a_day(app: Flask, ann: Caller) -> None:
    """Then nobody repeats its request; a younger one is answered as the first time."""
    answers = {key: CREATE(ann, headers={"Idempotency-Key": key}) for key in ("old", "young")}
    for key, seconds in (("old", KEY_KEPT), ("young", KEY_KEPT - 30)):
        then = from_now(literal(-seconds))
        write(app, ann, update(idempotency_keys).where(idempotency_keys.c.key == key).values(created_at=then))

    assert record(app, "purge") == NOTHING | {"users": 1}
    assert keys_of(app, ann) == ["young"]
    again = CREATE(ann, headers={"Idempotency-Key": "young"})
    assert (again.status_code, again.data) == (201, answers["young"].data)
    assert again.headers["Idempotent-Replay"] == "true"


def test_an_expired_session_is_ended(app: Flask) -> None:
    """Others of the same user live on."""
    first = register(app)
    second = first.sign_in()
    sql(app, "UPDATE sessions SET expires_at = :then WHERE id = :id", then=ago(1), id=first.session_id)

    assert record(app, "purge") == NOTHING | {"users": 1, "sessions": 1}
    assert [row.id for row in sql(app, "SELECT id FROM sessions")] == [second.session_id]
    assert [session["id"] for session in listed(second)] == [second.session_id]
    assert lives(second)


def revoked(app: Flask, count: int) -> list[Member]:
    """Members who have signed out."""
    members = [register(app) for _ in range(count)]
    for member in members:
        assert member.post("/v1/auth/logout").status_code == 204
    return members


def test_a_revocation_is_kept_as_long_as_it_refuses_something(app: Flask) -> None:
    """A token that was revoked stays so."""
    expired, kept = revoked(app, 2)
    sql(app, "UPDATE revocations SET expires_at = :then WHERE user_id = :user", then=ago(1), user=expired.user_id)

    assert record(app, "purge") == NOTHING | {"users": 2}
    assert [row.user_id for row in sql(app, "SELECT user_id FROM revocations")] == [kept.user_id]
    make_copy_old(app)
    assert_problem(kept.get("/v1/tasks"), 401, "token_revoked")


def test_attempts_of_long_ago_are_forgotten(app: Flask) -> None:
    """Nobody is limited by them any more; those of the last minutes still count."""
    for key, seconds in (("old", FAILURES_SECONDS), ("young", FAILURES_SECONDS - 30)):
        row = {"key": key, "then": ago(seconds)}
        sql(app, "INSERT INTO login_attempts (key, started_at, count) VALUES (:key, :then, 1)", **row)

    assert record(app, "purge") == NOTHING
    assert [row.key for row in sql(app, "SELECT key FROM login_attempts")] == ["young"]


def test_idle_users_cost_no_statement(app: Flask, ann: Caller) -> None:
    """However many have nothing to purge, each table is asked as often."""
    age(app, ann, TRASH_KEPT, *deleted(ann))
    sent = []
    for idle in (1, 20):
        for number in range(idle):
            user = f"idle {idle} {number}"
            sql(app, "INSERT INTO users (id, created_at) VALUES (:user, :now)", user=user, now=ago(0))
        with messages(app) as statements:
            record(app, "purge")
        sent.append(sorted(statements))

    assert sent[0] == sent[1]


def test_several_at_once_share_the_work(url: str, app: Flask, ann: Caller, bob: Caller) -> None:
    """Each task is ended once, whoever does it."""
    for caller in (ann, bob):
        age(app, caller, TRASH_KEPT, *deleted(caller, 20))
    with ThreadPoolExecutor(4) as pool:
        ended = list(pool.map(lambda _: run_process(url, "purge", "--json"), range(4)))

    assert [(process.returncode, process.stderr) for process in ended] == [(0, "")] * 4
    assert sum(json.loads(process.stdout)["tasks"] for process in ended) == 40


def test_a_client_that_was_away_too_long_begins_anew(app: Flask, ann: Caller) -> None:
    """It could not be told what was purged; one that was away for less has missed nothing."""
    early, late = Replica(ann), Replica(ann)
    gone = ann.add()
    ann.add()
    for replica in (early, late):
        replica.read_to_the_end()
    assert ann.delete(f"/v1/tasks/{gone['id']}").status_code == 204
    late.read_to_the_end()
    age(app, ann, TRASH_KEPT, gone["id"])
    assert record(app, "purge")["tasks"] == 1

    too_old = aged(str(early.token), ann, seconds=TRASH_KEPT)
    assert_problem(ann.get("/v1/tasks/changes", query_string={"since": too_old}), 410, "resync_required")
    late.token = aged(str(late.token), ann, seconds=TRASH_KEPT - 600)
    late.read_to_the_end()
    assert late.tasks == tasks_of(ann)


def test_a_purge_that_is_broken_off_goes_on_next_time(
    app: Flask, ann: Caller, bob: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It says why in one line."""
    monkeypatch.setattr(trash, "MAX_AT_ONCE", 1)
    for caller in (ann, bob):
        age(app, caller, TRASH_KEPT, *deleted(caller))
    with failing_pages(app, after=2):
        said = fail(app, "purge")

    assert said.startswith("Error: The database is unavailable")
    assert record(app, "purge") == NOTHING | {"users": 2, "tasks": 1}


def test_many_tasks_of_one_moment_are_ended(app: Flask, ann: Caller, monkeypatch: pytest.MonkeyPatch) -> None:
    """Deleted in one transaction, they have one time."""
    monkeypatch.setattr(trash, "MAX_AT_ONCE", 3)
    ids = add_at_once(ann, *({"title": f"tea {number}"} for number in range(10)))
    operations = [{"op": "delete", "id": task_id} for task_id in ids]
    assert ann.post("/v1/tasks/batch", json={"operations": operations}).status_code == 200
    age(app, ann, TRASH_KEPT + 1, *ids)

    assert record(app, "purge")["tasks"] == 10


def test_an_operator_runs_it(url: str, app: Flask) -> None:
    """In a process of its own, which says what it did and nothing else."""
    caller = Caller(app, new_user_id())
    age(app, caller, TRASH_KEPT, *deleted(caller, 2))
    ended = run_process(url, "purge")

    assert (ended.returncode, ended.stderr) == (0, "")
    assert ended.stdout == "Checked 1 users. Deleted 2 tasks and 0 sessions permanently.\n"


def test_arguments_are_refused(app: Flask) -> None:
    """It takes none: what is old is not the caller's choice."""
    for arguments in (["purge", "--days", "1"], ["purge", "everything"]):
        result = app.test_cli_runner().invoke(args=arguments)
        assert (result.exit_code, result.stdout) == (2, "")


def test_help_shows_an_example(app: Flask) -> None:
    """A line to copy into a crontab."""
    shown = succeed(app, "purge", "--help")

    assert "  flask purge\n" in shown
    assert "30 days" in shown
