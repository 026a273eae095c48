"""Every statement that the service sends is one that Citus accepts, without a cluster to ask.

Citus sends an UPDATE to the machine that has the user, whose clock differs. So it refuses functions that depend on more
than their arguments (PostgreSQL calls them STABLE or VOLATILE) where it would have to compute them there.
"""

import re
from collections.abc import Iterator
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import update

from app.auth import personal_tokens, rate_limits, revoked, sessions
from app.auth import queries as accounts
from app.auth.problems import RateLimited
from app.auth.tokens import PersonalToken
from app.database import PURGE, execute, scope
from app.outbox.log import postpone_messages
from app.tasks import trash
from app.tasks.models import lists, tasks
from app.webhooks import store
from tests.conftest import Caller, new_user_id
from tests.postgres import Server
from tests.statements import each_statement

PASSWORD = "correct horse battery"
# The column by which Citus finds the machine of a row; all other tables have the user's id.
FOUND_BY = {"users": "id", "user_emails": "email", "login_attempts": "key", "personal_tokens": "token_hash"}
# These change the rows of all users, a bounded number at a time or by their age.
OF_EVERYBODY = re.compile(r"DELETE FROM (\w+) WHERE \1\.(started_at|expires_at|deleted_at|created_at) <= (?!.*SELECT)")

PURGES = tuple(each.purge_expired for each in (sessions, revoked, rate_limits, personal_tokens))

FUNCTION = re.compile(r"\b([a-z_0-9]+)\(")


def use_accounts(app: Flask) -> None:
    """All that accounts do."""
    email = f"{new_user_id()}@example.com"
    caller = Caller(app)

    def sign_in(password: str = PASSWORD) -> Caller:
        answer = caller.post("/v1/auth/login", json={"email": email, "password": password})
        return Caller(app, email, answer.json["access_token"]) if answer.status_code == 200 else caller

    registered = caller.post("/v1/auth/register", json={"email": email, "password": PASSWORD, "name": "Ann"})
    assert registered.status_code == 201
    assert caller.post("/v1/auth/register", json={"email": email, "password": PASSWORD}).status_code == 409
    assert sign_in("wrong horse battery") is caller
    refresh = {"refresh_token": registered.json["refresh_token"]}
    for status in (200, 401):
        assert caller.post("/v1/auth/refresh", json=refresh).status_code == status
    ann = sign_in()
    sessions = ann.get("/v1/auth/sessions").json["items"]
    assert ann.delete(f"/v1/auth/sessions/{sessions[-1]['id']}").status_code == 204
    assert ann.patch("/v1/auth/me", json={"name": "Anna"}).status_code == 200
    use_personal_tokens(app, ann)
    change = {"password": PASSWORD, "new_password": f"{PASSWORD} staple"}
    assert ann.patch("/v1/auth/me", json=change).status_code == 200
    assert sign_in(f"{PASSWORD} staple").post("/v1/auth/logout").status_code == 204
    assert sign_in(f"{PASSWORD} staple").delete("/v1/auth/sessions").status_code == 204
    leaving = sign_in(f"{PASSWORD} staple")
    assert leaving.delete("/v1/auth/me", json={"password": f"{PASSWORD} staple"}).status_code == 204


def use_personal_tokens(app: Flask, ann: Caller) -> None:
    """Make, use, list and end them; one is left."""
    for days in (None, 1):
        wanted = {"name": "script", "scopes": ["tasks:read"], "expires_in_days": days}
        made = ann.post("/v1/auth/tokens", json=wanted)
        assert made.status_code == 201
        assert Caller(app, "ann", made.json["token"]).get("/v1/tasks").status_code == 200
    with app.app_context():
        personal_tokens.note_use(PersonalToken(made.json["token"]).hash)
    assert ann.get("/v1/auth/tokens").status_code == 200
    assert ann.delete(f"/v1/auth/tokens/{made.json['id']}").status_code == 204


def use_tasks(app: Flask) -> None:
    """All that can be done with tasks, in both families."""
    ann = Caller(app, new_user_id())
    day = {"due_on": "2026-03-14", "recurrence": "FREQ=DAILY"}
    for task in ({}, day):
        key = {"Idempotency-Key": new_user_id()}
        for _ in range(2):
            created = ann.post("/v1/tasks", json={"title": "tea", **task}, headers=key)
        path, old = f"/v1/tasks/{created.json['id']}", f"/api/{ann.user_id}/tasks/{created.json['id']}"
        assert ann.put(path, json={"title": "tea", "completed": True, **task}).status_code == 200
        assert ann.patch(path, json={"completed": False, "due_on": None, "recurrence": None}).status_code == 200
        assert ann.patch(path, json={"title": "milk"}, headers={"If-Match": "*"}).status_code == 200
        assert ann.patch(f"{old}/complete", json={"completed": True}).status_code == 200
        assert ann.patch(path, json={"title": "milk"}, headers={"If-Match": '"1"'}).status_code == 412
        assert ann.post(f"{path}/toggle").status_code == 200
        assert ann.delete(path).status_code == 204
        for _ in range(2):
            assert ann.post(f"{path}/restore").status_code == 200
        work = [
            {"op": "create", "task": {"title": "bread"}},
            {"op": "update", "id": created.json["id"], "changes": {"priority": "high"}},
            *({"op": op, "id": created.json["id"]} for op in ("complete", "reopen", "delete")),
        ]
        assert ann.post("/v1/tasks/batch", json={"operations": work}).status_code == 200
    for query in ("", "?total=true&q=t&tag=home&overdue=true&sort=due", "?deleted=true", "?due_after=2026-03-14"):
        assert ann.get(f"/v1/tasks{query}").status_code == 200
    assert ann.get(f"/api/{ann.user_id}/tasks?limit=1").status_code == 200
    for path in ("summary?time_zone=Europe/Berlin", "changes", "export"):
        assert ann.get(f"/v1/tasks/{path}").status_code == 200
    since = ann.get("/v1/tasks/changes?limit=1").json["next"]
    assert ann.get(f"/v1/tasks/changes?since={since}").status_code == 200
    file = ann.get("/v1/tasks/export").data
    for _ in range(2):
        assert ann.post("/v1/tasks/import", data=file, content_type="application/jsonl").status_code == 200
    assert ann.delete("/v1/auth/me").status_code == 204


def use_webhooks(app: Flask) -> None:
    """All that can be done with webhooks, and what they are told of."""
    ann = Caller(app, new_user_id())
    made = ann.post("/v1/webhooks", json={"url": "https://8.8.8.8/"}).json
    hook = f"/v1/webhooks/{made['id']}"
    assert ann.patch(hook, json={"enabled": True}).status_code == 200
    assert ann.post(f"{hook}/ping").status_code == 202
    assert ann.post(f"{hook}/rotate").status_code == 200
    sent = ann.get(f"{hook}/deliveries").json["items"]
    assert ann.post(f"{hook}/deliveries/{sent[0]['id']}/retry").status_code == 202
    with app.app_context(), scope(str(ann.user_id)):
        assert store.find_webhook(str(ann.user_id), made["id"])
        postpone_messages(str(ann.user_id), store.KIND, made["id"], 60)
        store.switch_off(str(ann.user_id), made["id"], made["url"], "x")
    assert ann.get(hook).json["enabled"] is False
    assert ann.delete(hook).status_code == 204
    assert ann.get("/v1/webhooks").json == {"items": []}
    watched = Caller(app, new_user_id())
    assert watched.post("/v1/webhooks", json={"url": "https://8.8.8.8/"}).status_code == 201
    use_families_of(app, watched)


def use_families(app: Flask) -> None:
    use_families_of(app, Caller(app, new_user_id()))


def use_families_of(app: Flask, ann: Caller) -> None:
    """All that can be done with lists, subtasks and positions."""

    def send(method: str, path: str, body: object = None, status: int = 200, **headers: str) -> dict[str, Any]:
        answer = ann.call(method, f"/v1/{path}", json=body, headers=headers)
        assert answer.status_code == status, answer.text
        return dict(answer.json) if answer.data else {}

    ids = [send("POST", "lists", {"name": "x"}, 201)["id"] for _ in range(3)]
    send("GET", "lists")
    send("GET", f"lists/{ids[0]}")
    send("PUT", f"lists/{ids[0]}", {"name": "y"})
    send("PATCH", f"lists/{ids[0]}", {"color": "#000000"}, **{"If-Match": '"2"'})
    rule = {"due_on": "2026-03-14", "recurrence": "FREQ=DAILY"}
    parent, other, inbox = (ann.add(**task)["id"] for task in ({"list_id": ids[0], **rule}, {"list_id": ids[0]}, {}))
    subtasks = [ann.add(parent_id=parent)["id"] for _ in range(3)]
    for place in ({"place": "first"}, {"place": "last"}):
        for where in ({}, {"list_id": None}, {"list_id": ids[0]}, {"parent_id": parent}, {"parent_id": None}):
            send("POST", f"tasks/{other}/move", {**place, **where})
            send("POST", f"tasks/{subtasks[0]}/move", {"place": "first", "parent_id": parent})
        send("POST", f"lists/{ids[0]}/move", place)
    for name in ("before", "after"):
        for neighbour in (parent, inbox, subtasks[0]):
            send("POST", f"tasks/{other}/move", {name: neighbour})
        send("POST", f"lists/{ids[0]}/move", {name: ids[1]})
    with app.app_context(), scope(str(ann.user_id)):
        for table in (tasks, lists):
            execute(update(table).where(table.c.user_id == ann.user_id).values(position=""))
    send("POST", f"tasks/{inbox}/move", {"place": "first"})
    send("POST", f"tasks/{subtasks[0]}/move", {"after": subtasks[1]})
    send("POST", f"tasks/{parent}/move", {"place": "last", "list_id": ids[0]})
    send("POST", f"tasks/{other}/move", {"before": parent})
    send("POST", f"lists/{ids[0]}/move", {"place": "first"})
    send("PATCH", f"tasks/{parent}", {"completed": True})
    send("PATCH", f"tasks/{subtasks[0]}", {"completed": False})
    send("PATCH", f"tasks/{parent}", {"list_id": ids[1]})
    for task_id in (subtasks[0], parent):
        send("DELETE", f"tasks/{task_id}", status=204)
        send("POST", f"tasks/{task_id}/restore")
    for task_id in subtasks:
        send("DELETE", f"tasks/{task_id}", status=204)
    send("PATCH", f"tasks/{parent}", {"parent_id": other, "recurrence": None})
    operations = [
        {"op": "create", "task": {"title": "x", "parent_id": other}},
        {"op": "move", "id": parent, "before": inbox},
    ]
    send("POST", "tasks/batch", {"operations": operations})
    for query in ("list=none", f"list={ids[0]}&list=none", f"parent={other}", "parent=none&sort=-position"):
        send("GET", f"tasks?{query}")
    for list_id, fate in zip(ids, ("keep", "trash", "keep"), strict=True):
        send("DELETE", f"lists/{list_id}?tasks={fate}", status=204)
    send("DELETE", "auth/me", status=204)


def administer(app: Flask) -> None:
    """What commands do, and limits that are reached."""
    with app.app_context():
        user = accounts.add_account(f"{new_user_id()}@example.com", "a hash", None)
        accounts.disable_user(user.id)
        accounts.enable_user(user.id)
        accounts.set_password(user.id, "another hash")
        accounts.list_users()
        with scope(PURGE):
            for purge in (trash.purge_tasks, trash.purge_keys, *PURGES):
                assert sum(purge()) >= 0
        rate_limits.count_request(user.id, 1)
        with pytest.raises(RateLimited):
            rate_limits.count_request(user.id, 1)


@pytest.fixture(scope="module")
def sent(postgresql_app: Flask) -> set[str]:
    """Each statement of all that the service can do, without its literals."""
    found: set[str] = set()

    def note(_cursor: object, statement: str) -> None:
        found.add(re.sub(r"'[^']*'", "''", statement))

    with pytest.MonkeyPatch.context() as patch, each_statement(note):
        patch.setattr(rate_limits, "CLEANUP_ONE_IN", 1)
        for use in (use_accounts, use_tasks, use_families, use_webhooks, administer):
            use(postgresql_app)
    return found


@pytest.fixture(scope="module")
def changing(postgresql: Server) -> set[str]:
    """The functions whose result depends on more than their arguments, whatever their types."""
    query = "SELECT proname FROM pg_proc GROUP BY proname HAVING bool_and(provolatile <> 'i')"
    return {name for (name,) in postgresql.sql(query)}


def cases(statement: str) -> Iterator[str]:
    """The parts of a statement inside CASE and COALESCE, however deep."""
    for token in re.finditer(r"\bCASE\b|\bEND\b|\bcoalesce\(|\(|\)", statement):
        if token[0] in ("CASE", "coalesce("):
            yield _inside(statement, token)


def _inside(statement: str, opening: re.Match[str]) -> str:
    depth = 1
    ends = ("CASE", "END") if opening[0] == "CASE" else ("(", ")")
    for token in re.finditer(r"\bCASE\b|\bEND\b|\(|\)", statement[opening.end() :]):
        depth += (token[0] == ends[0]) - (token[0] == ends[1])
        if depth == 0:
            return statement[opening.end() : opening.end() + token.start()]
    raise AssertionError(f"it does not end: {statement[opening.start() :]}")


def changing_in(text: str, changing: set[str]) -> set[str]:
    return set(FUNCTION.findall(text)) & changing


def test_the_scenario_is_complete(sent: set[str]) -> None:
    """Every kind of write is in it."""
    for start in (
        "INSERT INTO tasks",
        "UPDATE tasks",
        "DELETE FROM tasks",
        "INSERT INTO lists",
        "UPDATE lists",
        "DELETE FROM lists",
        "UPDATE sessions",
        "INSERT INTO revocations",
    ):
        assert any(start in statement for statement in sent), start


def test_no_clock_in_a_condition_of_an_update(sent: set[str], changing: set[str]) -> None:
    """Neither in CASE nor in COALESCE."""
    updates = [statement for statement in sent if "UPDATE " in statement and "INSERT INTO" not in statement]

    assert updates
    assert [(u, found) for u in updates for part in cases(u) if (found := changing_in(part, changing))] == []


def test_no_clock_and_no_subquery_in_what_is_returned(sent: set[str], changing: set[str]) -> None:
    """Nor a cast, because that of a date depends on the session."""
    returned = [statement.partition(" RETURNING ")[2] for statement in sent if " RETURNING " in statement]

    assert returned
    refused = ("CAST(", "SELECT")
    assert [text for text in returned if changing_in(text, changing) or any(map(text.__contains__, refused))] == []


def test_no_clock_and_no_subquery_after_a_conflict(sent: set[str], changing: set[str]) -> None:
    """ON CONFLICT compares the new row with the old one, and nothing else."""
    handled = [s.partition(" ON CONFLICT ")[2].partition(" RETURNING ")[0] for s in sent if " ON CONFLICT " in s]

    assert handled
    assert [text for text in handled if changing_in(text, changing) or "SELECT" in text] == []


def test_each_write_finds_its_machine(sent: set[str]) -> None:
    """An UPDATE or DELETE compares the distribution column with a value, or is one of the few for all users."""
    for statement in sent:
        for verb, table in re.findall(r"\b(UPDATE|DELETE FROM) (\w+)", statement):
            if (verb == "UPDATE" and "ON CONFLICT" in statement) or table == "SET":
                continue
            found_by = f"{table}.{FOUND_BY.get(table, 'user_id')} = "
            assert found_by in statement or OF_EVERYBODY.search(statement), statement
