"""Ann, who has one of everything; callers who try to reach it; and the names of her things in requests."""

import secrets
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import parse_qs, quote, urlsplit
from uuid import uuid4

from flask import Flask
from werkzeug.test import TestResponse

from app.auth import queries, sessions
from app.auth.links import RESET, VERIFY, LinkToken
from app.auth.tokens import RefreshToken, token_answer
from app.services import services_of
from tests.api.support.calls import BATCH, CHANGES, CREATE, CREATE_BY_USER, LIST, LIST_BY_USER
from tests.api.support.replicas import changes
from tests.conftest import Caller, new_user_id

# NOTHING is the operation by itself, which must not show or change another user's data either.
NOTHING = "nothing"
PATH_ID, PATH_USER, CURSOR, SINCE = "path id", "path user", "cursor", "since token"
KEY, TAG, NEW_ID = "idempotency key", "tag", "new task's id"
SESSION, TOKEN, EMAIL, REFRESH = "session id", "personal token's id", "e-mail", "refresh token"
LINK = "token of a link"
# The operations of a batch that name a task, each a separate way.
IN_BATCH = {f"{op} in a batch": op for op in ("update", "complete", "reopen", "move", "delete")}
WEBHOOK, DELIVERY = "webhook's id", "delivery's id"
LIST_ID, PARENT_ID, NEIGHBOUR = "list id", "parent id", "neighbour"
LIST_FILTER, PARENT_FILTER = "list filter", "parent filter"
# The operations of a batch that put the caller's own task into a list, under a task or next to one of Ann's.
PUT_IN_BATCH = {
    f"{name} of {op} in a batch": (op, name)
    for op, names in (
        ("create", ("list_id", "parent_id")),
        ("update", ("list_id", "parent_id")),
        ("move", ("list_id", "parent_id", "before", "after")),
    )
    for name in names
}


def _put(*ops: str, name: str) -> set[str]:
    return {f"{name} of {op} in a batch" for op in ops}


# The kinds of things that a parameter or a field can name. A nested field's name begins with its parent's.
NAMED_BY = {
    "task_id": {PATH_ID},
    "user_id": {PATH_USER},
    "session_id": {SESSION},
    "pat_id": {TOKEN},
    "webhook_id": {WEBHOOK},
    "delivery_id": {DELIVERY},
    "cursor": {CURSOR},
    "since": {SINCE},
    "id": {NEW_ID},
    "list_id": {LIST_ID},
    "parent_id": {PARENT_ID},
    "before": {NEIGHBOUR},
    "after": {NEIGHBOUR},
    "list": {LIST_FILTER},
    "parent": {PARENT_FILTER},
    **{f"operations.task.{name}": _put("create", name=name) for name in ("list_id", "parent_id")},
    **{f"operations.changes.{name}": _put("update", name=name) for name in ("list_id", "parent_id")},
    **{f"operations.{name}": _put("move", name=name) for name in ("list_id", "parent_id", "before", "after")},
    "operations.task.id": {NEW_ID},
    "operations.id": {*IN_BATCH},
    "Idempotency-Key": {KEY},
    "If-Match": {TAG},
    "If-None-Match": {TAG},
    "email": {EMAIL},
    "refresh_token": {REFRESH},
    "token": {LINK},
}
# These concern only the caller's own data.
HARMLESS = {"completed", "q", "limit", "status", "sort", "title", "details", "description", "name", "format"}
HARMLESS |= {"priority", "tag", "tags", "due_before", "due_after", "overdue", "deleted", "due_on", "due_at"}
HARMLESS |= {"time_zone", "recurrence", "operations", "operations.op", "operations.task", "operations.changes"}
HARMLESS |= {"password", "new_password", "total", "file", "skip_faulty", "color", "place", "tasks"}
HARMLESS |= {"end_tokens", "scopes", "expires_in_days", "reminders", "before_minutes", "at", "reminder_mail"}
HARMLESS |= {"url", "events", "enabled"}
HARMLESS |= {"wait", "lists"}

SESSION_SECONDS = 3600

# What Ann can read, in addition to her repeated creations.
READS = ["/v1/tasks?limit=200", "/v1/tasks/{task_id}", "/v1/auth/sessions", "/v1/auth/me", "/v1/tasks?deleted=true"]
READS += ["/v1/lists", "/v1/lists/{list_id}", "/v1/auth/tokens", "/v1/webhooks"]
READS += ["/v1/webhooks/{webhook_id}", "/v1/webhooks/{webhook_id}/deliveries"]
# An address needs no look-up. Nothing is sent, because the tests' app does no work after the response.
HOOK = {"url": "https://8.8.8.8/hook"}


@dataclass
class Ann:
    """An account with tasks, one of them in the trash, a second session, a personal token, a webhook, for each list a
    cursor, and for each creation a used key.
    """

    caller: Caller
    email: str
    session_id: str
    token_id: str
    webhook_id: str
    delivery_id: str
    secret: str
    task_id: str
    trashed_id: str
    list_id: str
    tag: str
    cursors: dict[str, str]
    key: str
    # Her belongings at the last look.
    seen: list[tuple[Any, ...]] = field(default_factory=list)

    def belongings(self) -> list[tuple[Any, ...]]:
        """Return everything that she can read. Her repeated creations are replays unless somebody used her keys."""
        found = []
        for call in (CREATE, CREATE_BY_USER, BATCH):
            answer = call(self.caller, headers={"Idempotency-Key": key_of(self.key, call.path)})
            found.append((answer.status_code, answer.data, answer.headers.get("Idempotent-Replay")))
        for path in READS:
            answer = self.caller.get(path.format(**vars(self)))
            found.append((answer.status_code, answer.data, answer.headers.get("ETag")))
        told = changes(self.caller)
        return [*found, (200, told["changed"] + told["deleted"], None)]

    def names(self) -> set[str]:
        """Return strings that no response to another user may contain."""
        ids = {self.task_id, self.trashed_id, self.list_id, self.session_id, self.token_id}
        ids |= {self.webhook_id, self.delivery_id}
        return {self.secret, self.email, *ids}


def make_account(app: Flask) -> tuple[Caller, str]:
    """Register an account, and return it with its address. Its password is not used again."""
    email = f"{new_user_id()}@example.com"
    with app.app_context():
        user, refresh = queries.register(email, "no hash", None, SESSION_SECONDS)
        token = token_answer(refresh, services_of(app).settings)["access_token"]
    return Caller(app, user.id, str(token)), email


def make_ann(app: Flask) -> Ann:
    caller, email = make_account(app)
    with app.app_context():
        session = sessions.start_session(str(caller.user_id), SESSION_SECONDS)
    made = caller.post("/v1/auth/tokens", json={"name": "script", "scopes": ["tasks:write"]})
    assert made.status_code == 201, made.text
    secret, key = f"secret {secrets.token_hex(8)}", secrets.token_hex(8)
    hook = caller.post("/v1/webhooks", json={**HOOK, "description": secret})
    assert hook.status_code == 201, hook.text
    headers = {"Idempotency-Key": key_of(key, "/v1/lists")}
    list_id = caller.post("/v1/lists", json={"name": secret}, headers=headers).json["id"]
    tasks = [caller.add(title=secret, completed=completed) for completed in (False, True, False, False)]
    assert caller.delete(f"/v1/tasks/{tasks[3]['id']}").status_code == 204
    for call in (CREATE, CREATE_BY_USER, BATCH):
        used = call(caller, headers={"Idempotency-Key": key_of(key, call.path)})
        assert used.status_code == (200 if call is BATCH else 201)
    read = caller.get(f"/v1/tasks/{tasks[0]['id']}")
    page, array = LIST(caller, query_string="limit=1"), LIST_BY_USER(caller, query_string="limit=1")
    link = urlsplit(array.headers["Link"].partition(">")[0].lstrip("<"))
    cursors = {
        LIST.path: page.json["next_cursor"],
        LIST_BY_USER.path: parse_qs(link.query)["cursor"][0],
        CHANGES.path: changes(caller, limit=1)["next"],
    }
    sent = caller.get(f"/v1/webhooks/{hook.json['id']}/deliveries").json["items"]
    ids = tasks[0]["id"], tasks[3]["id"], list_id
    hooks = hook.json["id"], sent[0]["id"]
    return Ann(
        caller, email, session.session_id, made.json["id"], *hooks, secret, *ids, read.headers["ETag"], cursors, key
    )


def key_of(key: str, path: str) -> str:
    """A separate key for each path."""
    return f"{key}{path}"


def another_user(app: Flask) -> Caller:
    caller = Caller(app, new_user_id())
    caller.add()
    return caller


def another_account(app: Flask) -> Caller:
    caller, _ = make_account(app)
    caller.add()
    return caller


def unknown_user(app: Flask) -> Caller:
    return Caller(app, new_user_id())


def disabled_user(app: Flask) -> Caller:
    caller = another_user(app)
    with app.app_context():
        services_of(app).revocations.add(queries.disable_user(str(caller.user_id)))
    return caller


def without_token(app: Flask) -> Caller:
    return Caller(app)


def made_up_refresh_token(user_id: str, session_id: str, generation: int = 0) -> str:
    """Return a forged one of the right form: the forger knows the user and the session, but no secret."""
    return str(replace(RefreshToken.first(user_id, session_id), generation=generation))


def with_id(body: dict[str, Any], task_id: str) -> dict[str, Any]:
    """The same creation, or a batch of them, with a client-made id."""
    if "operations" not in body:
        return {**body, "id": task_id}
    return {"operations": [{**each, "task": {**each["task"], "id": task_id}} for each in body["operations"]]}


def operation_on(task_id: str, op: str) -> dict[str, Any]:
    more = {"update": {"changes": {"title": "changed"}}, "move": {"place": "first"}}
    return {"op": op, "id": task_id, **more.get(op, {})}


def putting(ann: Ann, own_id: str, op: str, name: str) -> dict[str, Any]:
    """Return an operation that puts an own task where Ann's list or task is."""
    where = {name: ann.list_id if name == "list_id" else ann.task_id}
    if op == "create":
        return {"op": op, "task": {"title": "tea", **where}}
    if op == "update":
        return {"op": op, "id": own_id, "changes": where}
    return {"op": op, "id": own_id, **where, **({"place": "first"} if name.endswith("_id") else {})}


def body_at(ann: Ann, way: str, path: str, own_id: str, body: Any) -> Any:
    """Return a body that names Ann's list, or her task as a parent or a neighbour."""
    if way == PARENT_ID:
        return {**(body or {}), "parent_id": ann.task_id}
    if way == NEIGHBOUR:
        return {"after": ann.list_id if "lists" in path else ann.task_id}
    if way in PUT_IN_BATCH:
        return {"operations": [putting(ann, own_id, *PUT_IN_BATCH[way])]}
    return body if "{list_id}" in path else {**(body or {}), "list_id": ann.list_id}


def name_foreign(
    caller: Caller, ann: Ann, operation: str, way: str, body: dict[str, Any] | bytes | None
) -> TestResponse:
    """Send an operation that names one of Ann's things in this way, and otherwise the caller's own."""
    method, path = operation.split()
    headers: dict[str, str] = {}
    query: dict[str, str] = {}
    if way == KEY:
        headers["Idempotency-Key"] = key_of(ann.key, path)
    if way == TAG:
        headers["If-None-Match" if method == "GET" else "If-Match"] = ann.tag
    if way in (CURSOR, SINCE):
        query["cursor" if way == CURSOR else "since"] = ann.cursors[path]
    own_id = ""
    if way in (LIST_ID, PARENT_ID, NEIGHBOUR) or way in PUT_IN_BATCH:
        # What is the caller's own, if the caller has a token.
        own = caller.post(
            "/v1/lists" if "lists" in path else "/v1/tasks", json={"name" if "lists" in path else "title": "own"}
        ).json
        own_id = own.get("id", str(uuid4()))
        body = body_at(ann, way, path, own_id, body)
    if way == DELIVERY:
        own_id = caller.post("/v1/webhooks", json=HOOK).json.get("id", str(uuid4()))
    if way in (LIST_FILTER, PARENT_FILTER):
        query |= {"list": ann.list_id} if way == LIST_FILTER else {"parent": ann.task_id}
    if way == NEW_ID:
        body = with_id(body or {}, ann.list_id if "lists" in path else ann.task_id)
    if way in IN_BATCH:
        body = {"operations": [operation_on(ann.task_id, IN_BATCH[way])]}
    if way == EMAIL:
        body = {**(body or {}), "email": ann.email.upper()}
    if way == REFRESH:
        body = {"refresh_token": made_up_refresh_token(str(ann.caller.user_id), ann.session_id)}
    if way == LINK:
        purpose = RESET if path.endswith("/reset") else VERIFY
        body = {**(body or {}), "token": str(LinkToken(purpose, str(ann.caller.user_id), 43 * "a"))}
    user_id = ann.caller.user_id if way == PATH_USER else caller.user_id or "nobody"
    # Only a task in the trash can be restored.
    task_id = ann.trashed_id if path.endswith("/restore") else ann.task_id
    address = path.format(
        user_id=quote(str(user_id)),
        task_id=task_id if way in (PATH_ID, PATH_USER, TAG) else own_id or uuid4(),
        list_id=ann.list_id if way in (LIST_ID, TAG) else own_id or uuid4(),
        session_id=ann.session_id if way == SESSION else uuid4(),
        webhook_id=ann.webhook_id if way == WEBHOOK else own_id or uuid4(),
        delivery_id=ann.delivery_id if way in (WEBHOOK, DELIVERY) else uuid4(),
        pat_id=ann.token_id if way == TOKEN else uuid4(),
    )
    sent = {"data": body, "content_type": "application/jsonl"} if isinstance(body, bytes) else {"json": body}
    return caller.call(method, address, headers=headers, query_string=query, **sent)
