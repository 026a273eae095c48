"""`flask purge` deletes expired data, and nothing else."""

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import literal, update

from app.auth.rate_limits import LONGEST_SECONDS
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
from tests.auth.personal import script_of
from tests.commands.calling import fail, record, run_process, succeed
from tests.conftest import Caller, new_user_id
from tests.statements import messages

TRASH_KEPT = 30 * 24 * 3600
KEY_KEPT = 24 * 3600
NOTHING = {"tasks": 0, "sessions": 0}


@pytest.fixture
def app(url: str) -> Iterator[Flask]:
    with another_app(url) as app:
        yield app


def write(app: Flask, caller: Caller, statement: Any) -> None:
    """Change rows directly, as time would."""
    with app.app_context(), scope(caller.user_id):
        assert execute(statement) > 0


def age(app: Flask, caller: Caller, seconds: float, *ids: str) -> None:
    """Move deletions this far into the past, by the database's clock."""
    for task_id in ids:
        age_task(app, caller, task_id, seconds, is_deleted=True)


def deleted(caller: Caller, count: int = 1) -> list[str]:
    """Create tasks in a user's trash, and return their ids."""
    ids = [caller.add()["id"] for _ in range(count)]
    for task_id in ids:
        assert caller.delete(f"/v1/tasks/{task_id}").status_code == 204
    return ids


def ids_kept(app: Flask, caller: Caller) -> set[str]:
    """Return the number of all rows of a user's tasks."""
    with scope(caller.user_id):
        return {str(row.id) for row in sql(app, "SELECT id FROM tasks WHERE user_id = :user", user=caller.user_id)}


def test_a_deleted_task_is_kept_for_30_days(app: Flask, ann: Caller) -> None:
    """From its deletion, by the database's clock."""
    kept, ended = deleted(ann, 2)
    age(app, ann, TRASH_KEPT - 30, kept)
    age(app, ann, TRASH_KEPT, ended)

    assert record(app, "purge")["tasks"] == 1
    assert ids_kept(app, ann) == {kept}
    assert RESTORE(ann, kept).status_code == 200
    assert_problem(RESTORE(ann, ended), 404, "not_found")


def test_live_tasks_of_any_age_stay(app: Flask, ann: Caller) -> None:
    """Also those that were completed or restored long ago."""
    made = [ann.add(completed=True), ann.add(due_on="1999-12-31"), ann.add()]
    assert ann.delete(f"/v1/tasks/{made[2]['id']}").status_code == 204
    assert RESTORE(ann, made[2]["id"]).status_code == 200
    long_ago = {"created_at": ago(9 * TRASH_KEPT), "updated_at": ago(9 * TRASH_KEPT)}
    write(app, ann, update(tasks).values(long_ago))

    assert record(app, "purge")["tasks"] == 0
    assert {task["id"] for task in walk(ann)} == {task["id"] for task in made}


def test_the_id_of_a_purged_task_can_be_used_again(app: Flask, ann: Caller) -> None:
    """Until then it is taken."""
    [task_id] = deleted(ann)
    age(app, ann, TRASH_KEPT, task_id)
    assert_problem(CREATE(ann, json={"title": "again", "id": task_id}), 409, "id_taken")
    assert record(app, "purge")["tasks"] == 1

    assert ann.add(id=task_id)["title"] == "tea"


@pytest.mark.parametrize("at_once", [1, 2, 5, 6])
def test_many_tasks_are_deleted_in_parts(
    app: Flask, ann: Caller, monkeypatch: pytest.MonkeyPatch, at_once: int
) -> None:
    """So that each statement stays within its time limit."""
    monkeypatch.setattr(trash, "MAX_AT_ONCE", at_once)
    age(app, ann, TRASH_KEPT, *deleted(ann, 5))
    [kept] = deleted(ann)
    with messages(app) as sent:
        assert record(app, "purge")["tasks"] == 5

    assert len([statement for statement in sent if "DELETE FROM tasks" in statement]) == 5 // at_once + 1
    assert ids_kept(app, ann) == {kept}


def test_all_users_trash_is_purged(app: Flask, ann: Caller, bob: Caller) -> None:
    """Of accounts and of a front end's users. Newer tasks stay."""
    everybody, kept = [ann, bob, register(app)], {}
    for number, caller in enumerate(everybody, start=1):
        age(app, caller, TRASH_KEPT, *deleted(caller, number))
        kept[caller] = {caller.add()["id"], *deleted(caller)}

    assert record(app, "purge") == {"tasks": 1 + 2 + 3, "sessions": 0}
    assert {caller: ids_kept(app, caller) for caller in everybody} == kept


def test_a_second_run_deletes_nothing(app: Flask, ann: Caller) -> None:
    """It may run any number of times."""
    age(app, ann, TRASH_KEPT, *deleted(ann, 2))
    first, second = (record(app, "purge") for _ in range(2))

    assert (first, second) == (NOTHING | {"tasks": 2}, NOTHING)


def test_an_empty_service_has_nothing_to_purge(app: Flask) -> None:
    """The output says so, in both forms."""
    assert succeed(app, "purge") == "Deleted 0 tasks and 0 sessions permanently.\n"
    assert record(app, "purge") == NOTHING


def keys_of(app: Flask, caller: Caller) -> list[str]:
    with scope(caller.user_id):
        return [row.key for row in sql(app, "SELECT key FROM idempotency_keys ORDER BY key")]


def test_an_idempotency_key_is_kept_for_a_day(app: Flask, ann: Caller) -> None:
    """A newer one still replays."""
    answers = {key: CREATE(ann, headers={"Idempotency-Key": key}) for key in ("old", "young")}
    for key, seconds in (("old", KEY_KEPT), ("young", KEY_KEPT - 30)):
        then = from_now(literal(-seconds))
        write(app, ann, update(idempotency_keys).where(idempotency_keys.c.key == key).values(created_at=then))

    assert record(app, "purge") == NOTHING
    assert keys_of(app, ann) == ["young"]
    again = CREATE(ann, headers={"Idempotency-Key": "young"})
    assert (again.status_code, again.data) == (201, answers["young"].data)
    assert again.headers["Idempotent-Replay"] == "true"


def test_an_expired_session_is_deleted(app: Flask) -> None:
    """Other sessions of the user stay."""
    first = register(app)
    second = first.sign_in()
    sql(app, "UPDATE sessions SET expires_at = :then WHERE id = :id", then=ago(1), id=first.session_id)

    assert record(app, "purge") == NOTHING | {"sessions": 1}
    assert [row.id for row in sql(app, "SELECT id FROM sessions")] == [second.session_id]
    assert [session["id"] for session in listed(second)] == [second.session_id]
    assert lives(second)


def revoked(app: Flask, count: int) -> list[Member]:
    """Return members who have signed out."""
    members = [register(app) for _ in range(count)]
    for member in members:
        assert member.post("/v1/auth/logout").status_code == 204
    return members


def test_a_revocation_is_kept_while_it_rejects_a_token(app: Flask) -> None:
    """A revoked token stays rejected."""
    expired, kept = revoked(app, 2)
    sql(app, "UPDATE revocations SET expires_at = :then WHERE user_id = :user", then=ago(1), user=expired.user_id)

    assert record(app, "purge") == NOTHING
    assert [row.user_id for row in sql(app, "SELECT user_id FROM revocations")] == [kept.user_id]
    make_copy_old(app)
    assert_problem(kept.get("/v1/tasks"), 401, "token_revoked")


def test_attempts_of_long_ago_are_forgotten(app: Flask) -> None:
    """They limit no client. Those of the last minutes still count."""
    for key, seconds in (("old", LONGEST_SECONDS), ("young", LONGEST_SECONDS - 30)):
        row = {"key": key, "then": ago(seconds)}
        sql(app, "INSERT INTO login_attempts (key, started_at, count) VALUES (:key, :then, 1)", **row)

    assert record(app, "purge") == NOTHING
    assert [row.key for row in sql(app, "SELECT key FROM login_attempts")] == ["young"]


def test_idle_users_cost_no_statement(app: Flask, ann: Caller) -> None:
    """The number of statements does not depend on the users who have nothing to purge."""
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
    """Each task is deleted once."""
    for caller in (ann, bob):
        age(app, caller, TRASH_KEPT, *deleted(caller, 20))
    with ThreadPoolExecutor(4) as pool:
        ended = list(pool.map(lambda _: run_process(url, "purge", "--json"), range(4)))

    assert [(process.returncode, process.stderr) for process in ended] == [(0, "")] * 4
    assert sum(json.loads(process.stdout)["tasks"] for process in ended) == 40


def test_a_client_that_was_away_too_long_must_start_again(app: Flask, ann: Caller) -> None:
    """It cannot learn what was purged. One that was away for less has missed nothing."""
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


def test_an_interrupted_purge_continues_next_time(
    app: Flask, ann: Caller, bob: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It prints the reason in one line."""
    monkeypatch.setattr(trash, "MAX_AT_ONCE", 1)
    for caller in (ann, bob):
        age(app, caller, TRASH_KEPT, *deleted(caller))
    with failing_pages(app, after=2):
        said = fail(app, "purge")

    assert said.startswith("Error: The database is unavailable")
    assert record(app, "purge") == NOTHING | {"tasks": 1}


def test_many_tasks_with_the_same_time_are_deleted(app: Flask, ann: Caller, monkeypatch: pytest.MonkeyPatch) -> None:
    """They were deleted in one transaction."""
    monkeypatch.setattr(trash, "MAX_AT_ONCE", 3)
    ids = add_at_once(ann, *({"title": f"tea {number}"} for number in range(10)))
    operations = [{"op": "delete", "id": task_id} for task_id in ids]
    assert ann.post("/v1/tasks/batch", json={"operations": operations}).status_code == 200
    age(app, ann, TRASH_KEPT + 1, *ids)

    assert record(app, "purge")["tasks"] == 10


def test_an_operator_can_run_it(url: str, app: Flask) -> None:
    """In its own process, which prints only the result."""
    caller = Caller(app, new_user_id())
    age(app, caller, TRASH_KEPT, *deleted(caller, 2))
    ended = run_process(url, "purge")

    assert (ended.returncode, ended.stderr) == (0, "")
    assert ended.stdout == "Deleted 2 tasks and 0 sessions permanently.\n"


def test_arguments_are_rejected(app: Flask) -> None:
    """The ages are fixed."""
    for arguments in (["purge", "--days", "1"], ["purge", "everything"]):
        result = app.test_cli_runner().invoke(args=arguments)
        assert (result.exit_code, result.stdout) == (2, "")


def test_help_shows_an_example(app: Flask) -> None:
    """A line for a crontab."""
    shown = succeed(app, "purge", "--help")

    assert "  flask purge\n" in shown
    assert "30 days" in shown


def test_personal_tokens_that_expired_30_days_ago_are_deleted(app: Flask, ann: Caller) -> None:
    """Not those that are still listed, and none that never expires."""
    kept = [script_of(app, ann, expires_in_days=days) for days in (1, None, 1)]
    gone = script_of(app, ann)
    kept[0].expire(30 * 24 * 3600 - 60)
    gone.expire(30 * 24 * 3600 + 60)
    record(app, "purge")

    left = {row.token_hash for row in sql(app, "SELECT token_hash FROM personal_tokens")}
    assert left & {script.hash for script in (*kept, gone)} == {script.hash for script in kept}
