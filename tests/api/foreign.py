"""Ann, who has one of everything; whoever tries to reach it; and how each of her things is named in a request."""

import secrets
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import parse_qs, quote, urlsplit
from uuid import uuid4

from flask import Flask
from werkzeug.test import TestResponse

from app.auth import queries, sessions
from app.auth.tokens import RefreshToken, token_answer
from tests.api.answers import CREATE, CREATE_BY_USER, LIST, LIST_BY_USER
from tests.conftest import Caller, new_user_id

# NOTHING is the operation by itself, which must not show or change what is foreign either.
NOTHING = "nothing"
PATH_ID, PATH_USER, CURSOR, KEY, TAG = "path id", "path user", "cursor", "idempotency key", "tag"
SESSION, EMAIL, REFRESH = "session id", "e-mail", "refresh token"

# What each parameter, and each field of a body, can name.
NAMED_BY = {
    "task_id": PATH_ID,
    "user_id": PATH_USER,
    "session_id": SESSION,
    "cursor": CURSOR,
    "Idempotency-Key": KEY,
    "If-Match": TAG,
    "If-None-Match": TAG,
    "email": EMAIL,
    "refresh_token": REFRESH,
}
# These are about the caller's own alone.
HARMLESS = {"completed", "q", "limit", "status", "sort", "title", "details", "description", "name"}
HARMLESS |= {"password", "new_password"}

SESSION_SECONDS = 3600


@dataclass
class Ann:
    """An account with tasks, a second session, and for each family a used key and a cursor."""

    caller: Caller
    email: str
    session_id: str
    secret: str
    task_id: str
    tag: str
    cursors: dict[str, str]
    key: str
    # Her belongings when somebody last looked.
    seen: list[tuple[Any, ...]] = field(default_factory=list)

    def belongings(self) -> list[tuple[Any, ...]]:
        """Everything that she can read. Her repeated creations are replays as long as nobody touched her keys."""
        found = []
        for call in (CREATE, CREATE_BY_USER):
            answer = call(self.caller, headers={"Idempotency-Key": key_of(self.key, call.path)})
            found.append((answer.status_code, answer.data, answer.headers.get("Idempotent-Replay")))
        for path in ("/v1/tasks?limit=200", f"/v1/tasks/{self.task_id}", "/v1/auth/sessions", "/v1/auth/me"):
            answer = self.caller.get(path)
            found.append((answer.status_code, answer.data, answer.headers.get("ETag")))
        return found

    def names(self) -> set[str]:
        """What no answer to anybody else holds."""
        return {self.secret, self.task_id, self.session_id, self.email}


def make_account(app: Flask) -> tuple[Caller, str]:
    """An account of this service, and its address. Its password is nobody's."""
    email = f"{new_user_id()}@example.com"
    with app.app_context():
        user, refresh = queries.register(email, "no hash", None, SESSION_SECONDS)
        token = token_answer(refresh, app.extensions["settings"])["access_token"]
    return Caller(app, user.id, str(token)), email


def make_ann(app: Flask) -> Ann:
    caller, email = make_account(app)
    with app.app_context():
        session = sessions.start_session(str(caller.user_id), SESSION_SECONDS)
    secret, key = f"secret {secrets.token_hex(8)}", secrets.token_hex(8)
    tasks = [caller.add(title=secret, completed=completed) for completed in (False, True, False)]
    for call in (CREATE, CREATE_BY_USER):
        used = call(caller, headers={"Idempotency-Key": key_of(key, call.path)})
        assert used.status_code == 201
    read = caller.get(f"/v1/tasks/{tasks[0]['id']}")
    page, array = LIST(caller, query_string="limit=1"), LIST_BY_USER(caller, query_string="limit=1")
    link = urlsplit(array.headers["Link"].partition(">")[0].lstrip("<"))
    cursors = {LIST.path: page.json["next_cursor"], LIST_BY_USER.path: parse_qs(link.query)["cursor"][0]}
    return Ann(caller, email, session.session_id, secret, tasks[0]["id"], read.headers["ETag"], cursors, key)


def key_of(key: str, path: str) -> str:
    """A key of its own for each path."""
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
        app.extensions["revocations"].add(queries.disable_user(str(caller.user_id)))
    return caller


def nobody(app: Flask) -> Caller:
    return Caller(app)


def made_up_refresh_token(user_id: str, session_id: str, generation: int = 0) -> str:
    """One of the right shape, by somebody who knows the user and the session, but not what is secret."""
    return str(replace(RefreshToken.first(user_id, session_id), generation=generation))


def name_foreign(caller: Caller, ann: Ann, operation: str, way: str, body: dict[str, Any] | None) -> TestResponse:
    """Send an operation that names something of Ann's in this way, and the caller's own in all others."""
    method, path = operation.split()
    headers, query = {}, {}
    if way == KEY:
        headers["Idempotency-Key"] = key_of(ann.key, path)
    if way == TAG:
        headers["If-None-Match" if method == "GET" else "If-Match"] = ann.tag
    if way == CURSOR:
        query["cursor"] = ann.cursors[path]
    if way == EMAIL:
        body = {**(body or {}), "email": ann.email.upper()}
    if way == REFRESH:
        body = {"refresh_token": made_up_refresh_token(str(ann.caller.user_id), ann.session_id)}
    user_id = ann.caller.user_id if way == PATH_USER else caller.user_id or "nobody"
    address = path.format(
        user_id=quote(str(user_id)),
        task_id=ann.task_id if way in (PATH_ID, PATH_USER, TAG) else uuid4(),
        session_id=ann.session_id if way == SESSION else uuid4(),
    )
    return caller.call(method, address, headers=headers, query_string=query, json=body)
