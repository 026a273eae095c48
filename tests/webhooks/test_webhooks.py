"""The operations on webhooks."""

import base64
from concurrent.futures import ThreadPoolExecutor

import pytest
from flask import Flask

from app.services import services_of
from app.tasks.events import EVENTS
from tests.api.support.calls import assert_problem
from tests.conftest import Caller
from tests.statements import messages
from tests.webhooks.conftest import Ann, Receiver, bodies, work

pytestmark = pytest.mark.both_engines

URL = "http://127.0.0.1:9/"


def test_a_webhook_is_shown_as_it_was_made(ann: Ann) -> None:
    """Its secret only when it is made. Without `events`, it wants all of them."""
    made = ann.hook(URL, description="My calendar")

    secret = made.pop("secret")
    assert len(base64.b64decode(secret.removeprefix("whsec_"))) == 32
    assert (made["url"], made["events"], made["description"]) == (URL, list(EVENTS), "My calendar")
    assert (made["enabled"], made["disabled_reason"]) == (True, None)
    assert ann.get(f"/v1/webhooks/{made['id']}").json == made
    assert ann.get("/v1/webhooks").json == {"items": [made]}


def test_a_webhook_is_changed_and_deleted(ann: Ann) -> None:
    """Only in the fields that are named."""
    made = ann.hook(URL)
    path = f"/v1/webhooks/{made['id']}"
    changes = {"events": ["task.deleted", "task.created"], "description": "x", "enabled": False}
    changed = ann.patch(path, json=changes)
    assert changed.status_code == 200
    assert changed.json["events"] == ["task.created", "task.deleted"]
    assert {name: changed.json[name] for name in ("url", "description", "enabled")} == {
        "url": URL,
        "description": "x",
        "enabled": False,
    }
    assert ann.patch(path, json={}).json == changed.json
    assert ann.delete(path).status_code == 204
    assert_problem(ann.get(path), 404, "not_found")


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"url": 7},
        {"url": URL, "events": []},
        {"url": URL, "events": ["ping"]},
        {"url": URL, "events": None},
        {"url": URL, "enabled": False},
        {"url": URL, "secret": "x"},
        {"url": "http://127.0.0.1/" + "x" * 2_000},
        {"url": URL, "description": "x" * 201},
    ],
)
def test_a_wrong_body_is_rejected(ann: Ann, body: object) -> None:
    assert_problem(ann.post("/v1/webhooks", json=body), 422, "validation_error")
    assert ann.get("/v1/webhooks").json == {"items": []}


def test_there_are_at_most_ten(app: Flask, ann: Ann) -> None:
    """However many are made at once."""
    for _ in range(8):
        ann.hook(URL)
    with ThreadPoolExecutor(6) as pool:
        made = list(pool.map(lambda _: ann.post("/v1/webhooks", json={"url": URL}), range(6)))

    assert sorted(answer.status_code for answer in made) == [201, 201, 409, 409, 409, 409]
    assert {answer.json.get("code") for answer in made} == {None, "limit_reached"}


def test_a_new_secret_and_the_old_one_sign(app: Flask, ann: Ann, receiver: Receiver) -> None:
    """Two signatures, until the old secret's time is over; another rotation ends the oldest at once."""
    made = ann.hook(receiver.url)
    ann.add()
    work(app)
    rotated = ann.post(f"/v1/webhooks/{made['id']}/rotate")
    assert rotated.status_code == 200
    assert rotated.json["secret"] != made["secret"]
    ann.add()
    work(app)

    signatures = [len(request.headers["webhook-signature"].split()) for request in receiver.got]
    assert signatures == [1, 2]
    assert rotated.headers["Cache-Control"] == "no-store"


def test_deleting_the_account_deletes_its_webhooks(app: Flask, ann: Ann) -> None:
    """And what was to be sent."""
    ann.hook(URL)
    ann.add()
    assert ann.delete("/v1/auth/me").status_code == 204

    assert bodies(app, ann.user_id) == []


def test_a_user_whose_webhooks_are_off_pays_nothing(app: Flask, ann: Ann) -> None:
    """A write is one statement again."""
    made = ann.hook(URL)
    assert ann.patch(f"/v1/webhooks/{made['id']}", json={"enabled": False}).status_code == 200
    task = ann.add()
    with messages(app) as sent:
        assert ann.post(f"/v1/tasks/{task['id']}/toggle").status_code == 200
        assert ann.post("/v1/tasks", json={"title": "tea"}).status_code == 201

    assert len(sent) == 2


def test_others_do_not_receive_it(app: Flask, ann: Ann, receiver: Receiver) -> None:
    """Each user's webhooks are told of that user's tasks only."""
    ann.hook(receiver.url)
    bob = Ann(app, f"{ann.user_id}x")
    bob.hook(receiver.url, events=["task.deleted"])
    bob.add()
    work(app)

    assert receiver.got == []


def test_personal_tokens_cannot_make_webhooks(app: Flask, ann: Ann) -> None:
    """Who finds one must not be told of all later changes."""
    made = ann.post("/v1/auth/tokens", json={"name": "x", "scopes": ["tasks:write"]}).json
    script = Caller(app, ann.user_id, made["token"])

    assert_problem(script.post("/v1/webhooks", json={"url": URL}), 403, "insufficient_scope")
    assert services_of(app).settings.webhooks_allow_private
