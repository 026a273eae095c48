"""Requests stay cheap: they make no needless calls, and compile no statement twice.

Forbidden functions are replaced by one that raises, so that a call would end in 500.
"""

from collections.abc import Callable
from itertools import combinations
from typing import Any, NoReturn

import jwt
import marshmallow
import pytest
from flask import Flask
from sqlalchemy import Connection, Row
from sqlalchemy.engine.cursor import CursorResult
from sqlalchemy.orm import Session

from app.database.statements import compiled
from app.services import services_of
from app.tasks.schemas import Task
from tests.conftest import Caller, new_user_id, shared_token
from tests.database.test_messages import CALLS

Call = tuple[str, str, str, dict[str, Any] | None, int]

EVERY_CALL = pytest.mark.parametrize("call", CALLS, ids=lambda call: " ".join(map(str, call)))

# The objects that SQLAlchemy makes for each statement and row, and its ORM for each request.
SQLALCHEMY = ((Connection, "__init__"), (CursorResult, "__init__"), (Row, "__init__"), (Session, "__init__"))
MARSHMALLOW = (
    (marshmallow.Schema, "dump"),
    (marshmallow.Schema, "_serialize"),
    (marshmallow.fields.Field, "serialize"),
)
PYJWT = ((jwt.PyJWT, "decode"), (jwt.PyJWT, "decode_complete"), (jwt.PyJWS, "decode_complete"))

Forbid = Callable[..., None]


@pytest.fixture
def forbid(monkeypatch: pytest.MonkeyPatch) -> Forbid:
    """Return a function that lets methods raise until the test ends."""

    def refuse(*_args: Any, **_kwargs: Any) -> NoReturn:
        raise AssertionError("this was not to be called")

    def forbid_all(*methods: tuple[type, str]) -> None:
        for owner, name in methods:
            monkeypatch.setattr(owner, name, refuse)

    return forbid_all


def make_call(caller: Caller, call: Call, task_id: str) -> None:
    """Send the request, and check its response."""
    family, method, path, body, status = call
    answer = caller.call(method, (family + path).format(user=caller.user_id, id=task_id), json=body)
    assert answer.status_code == status, answer.text


@EVERY_CALL
def test_a_statement_creates_no_sqlalchemy_objects(ann: Caller, forbid: Forbid, call: Call) -> None:
    """It runs on the driver itself: without a connection, result, row or session."""
    task = ann.add()
    forbid(*SQLALCHEMY)

    make_call(ann, call, task["id"])


@EVERY_CALL
def test_marshmallow_dumps_no_response(ann: Caller, forbid: Forbid, call: Call) -> None:
    """Schemas load requests and describe responses; the encoder writes responses."""
    task = ann.add()
    forbid(*MARSHMALLOW)

    make_call(ann, call, task["id"])


@EVERY_CALL
def test_a_statement_is_compiled_once(ann: Caller, call: Call) -> None:
    """The second request of a kind, for another task, finds its SQL compiled."""
    tasks = [ann.add() for _ in range(2)]
    make_call(ann, call, tasks[0]["id"])
    before = compiled.cache_info()

    make_call(ann, call, tasks[1]["id"])

    after = compiled.cache_info()
    assert after.misses == before.misses
    assert after.hits > before.hits


@pytest.mark.parametrize(
    "headers",
    [{"If-Match": '"{}"'}, {"If-None-Match": '"9{}"'}, {"If-Match": '"{}", "77"', "If-None-Match": '"8", "9"'}],
    ids=" and ".join,
)
def test_a_condition_is_compiled_once(ann: Caller, headers: dict[str, str]) -> None:
    """With any number of versions."""
    path, misses = f"/v1/tasks/{ann.add()['id']}/toggle", []

    for version in (1, 2, 3):
        named = {name: value.format(version) for name, value in headers.items()}
        assert ann.post(path, headers=named).status_code == 200
        misses.append(compiled.cache_info().misses)

    assert misses[1:] == misses[:1] * 2


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH"])
def test_the_order_of_a_bodys_fields_compiles_nothing_new(ann: Caller, method: str) -> None:
    """A JSON object has no order."""
    body: dict[str, Any] = {"title": "tea", "details": "green", "completed": True}
    path = "/v1/tasks" if method == "POST" else f"/v1/tasks/{ann.add()['id']}"
    status = 201 if method == "POST" else 200
    assert ann.call(method, path, json=body).status_code == status
    before = compiled.cache_info().misses

    assert ann.call(method, path, json=dict(reversed(body.items()))).status_code == status

    assert compiled.cache_info().misses == before


def test_all_forms_of_lists_and_changes_stay_compiled(app: Flask, ann: Caller) -> None:
    """The caches have room for all of them."""
    tasks = [ann.add(), ann.add()]
    body: dict[str, Any] = {"title": "tea", "details": None, "completed": True}
    changes = [dict(some) for count in (1, 2, 3) for some in combinations(body.items(), count)]
    filters = ["", "&completed=true", "&completed=false", "&q=e", "&completed=true&q=e", "&completed=false&q=e"]
    sorts = ["created_at", "-created_at", "updated_at", "-updated_at", "title", "-title"]

    def send_all() -> set[int]:
        lists = [ann.get(f"/v1/tasks?sort={sort}{filter_}") for sort in sorts for filter_ in filters]
        written = [ann.patch(f"/v1/tasks/{task['id']}", json=change) for task in tasks for change in changes]
        return {answer.status_code for answer in (*lists, *written)}

    assert send_all() == {200}
    before = compiled.cache_info().misses
    assert send_all() == {200}

    assert compiled.cache_info().misses == before


@EVERY_CALL
def test_a_remembered_token_is_not_verified_again(ann: Caller, forbid: Forbid, call: Call) -> None:
    """Its signature was checked by the request before."""
    task = ann.add()
    forbid(*PYJWT)

    make_call(ann, call, task["id"])


def test_another_token_is_verified(app: Flask, ann: Caller, forbid: Forbid) -> None:
    """Even of the same user, because the token is remembered. (So the test above forbids the right call.)"""
    ann.add()
    forbid(*PYJWT)

    assert Caller(app, ann.user_id, shared_token(ann.user_id, jti="another")).get("/v1/tasks").status_code == 500
    assert Caller(app, new_user_id()).get("/v1/tasks").status_code == 500


def test_the_forbidden_calls_would_fail(app: Flask, forbid: Forbid) -> None:
    """SQLAlchemy's own execution and marshmallow's dump do call them."""
    engine = services_of(app).engine
    with engine.connect() as connection:
        result = connection.exec_driver_sql("SELECT 1")
        forbid(*SQLALCHEMY, *MARSHMALLOW)
        with pytest.raises(AssertionError, match="not to be called"):
            connection.exec_driver_sql("SELECT 1")
        with pytest.raises(AssertionError, match="not to be called"):
            result.one()

    with pytest.raises(AssertionError, match="not to be called"):
        engine.connect()
    with pytest.raises(AssertionError, match="not to be called"):
        Task().dump({"title": "tea"})
