"""What is sent, and what follows from a receiver's answer."""

import socket
import time
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import pytest
from flask import Flask

from app.webhooks import sending
from app.webhooks.delivering import JITTER, PAUSES
from tests.api.support.calls import assert_problem
from tests.webhooks.conftest import Ann, Receiver, Request, make_due, reply, work
from tests.webhooks.seconds import seconds_until

pytestmark = pytest.mark.one_engine


def test_an_event_is_sent_by_the_specification(app: Flask, ann: Ann, receiver: Receiver) -> None:
    """To the URL with its query, as JSON, under the delivery's id."""
    hook = ann.hook(receiver.url)
    task = ann.add()
    work(app)

    (request,) = receiver.got
    (delivery,) = ann.deliveries(hook)
    assert request.line == "POST /hook?of=ann HTTP/1.1"
    assert request.headers["Host"] == f"127.0.0.1:{receiver.port}"
    assert request.headers["Content-Type"] == "application/json"
    assert request.headers["webhook-id"] == delivery["id"]
    assert request.json["data"]["task"] == task
    assert delivery == {
        "id": delivery["id"],
        "type": "task.created",
        "task_id": task["id"],
        "created_at": task["created_at"],
        "attempts": 1,
        "status": "delivered",
        "last_status": 204,
        "last_error": None,
        "next_attempt_at": None,
    }


def send_one(app: Flask, ann: Ann, receiver: Receiver, attempts: int = 1) -> dict[str, Any]:
    """Send an event in so many attempts; return the delivery."""
    hook = ann.hook(receiver.url)
    ann.add()
    for _ in range(attempts):
        make_due(app, ann.user_id)
        work(app)
    (delivery,) = ann.deliveries(hook)
    return delivery


@pytest.mark.parametrize("status", [200, 201, 202, 204, 299])
def test_each_2xx_is_success(app: Flask, ann: Ann, receiver: Receiver, status: int) -> None:
    receiver.answer = reply(status)

    delivery = send_one(app, ann, receiver)
    assert (delivery["status"], delivery["last_status"]) == ("delivered", status)


@pytest.mark.parametrize("status", [199, 301, 302, 307, 400, 401, 404, 429, 500, 503])
def test_all_else_is_a_failure(app: Flask, ann: Ann, receiver: Receiver, status: int) -> None:
    """Redirects too: nothing is sent to where they lead. 1xx alone is no answer."""
    other = Receiver()
    receiver.answer = reply(status, f"Location: {other.url}")

    delivery = send_one(app, ann, receiver)
    assert (delivery["status"], delivery["attempts"], len(receiver.got), other.got) == ("waiting", 1, 1, [])
    assert delivery["last_status"] == (status if status >= 200 else None)
    other.close()


def test_a_repetition_has_the_same_id_and_body(app: Flask, ann: Ann, receiver: Receiver) -> None:
    """By which a receiver knows it; only the time and the signature are new."""
    receiver.answer = reply(500)
    send_one(app, ann, receiver, attempts=3)

    assert len({request.headers["webhook-id"] for request in receiver.got}) == 1
    assert len({request.body for request in receiver.got}) == 1
    assert len(receiver.got) == 3


def test_a_failure_is_repeated_later_each_time(app: Flask, ann: Ann, receiver: Receiver) -> None:
    """By the schedule and up to a tenth more; then the webhook is switched off, and says why."""
    receiver.answer = reply(500)
    hook = ann.hook(receiver.url)
    ann.add()
    for number, pause in enumerate(PAUSES, start=1):
        make_due(app, ann.user_id)
        work(app)
        (delivery,) = ann.deliveries(hook)
        assert delivery["attempts"] == number
        # Between the attempt and this look, some seconds may have passed.
        assert pause - 30 < seconds_until(app, delivery["next_attempt_at"]) <= pause * (1 + JITTER)
    make_due(app, ann.user_id)
    work(app)

    (delivery,) = ann.deliveries(hook)
    shown = ann.get(f"/v1/webhooks/{hook['id']}").json
    assert (delivery["status"], delivery["attempts"], delivery["next_attempt_at"]) == ("failed", 10, None)
    assert (shown["enabled"], shown["disabled_reason"]) == (False, "10 attempts failed. It answered with status 500.")
    ann.add()
    assert len(ann.deliveries(hook)) == 1


def test_gone_switches_the_webhook_off(app: Flask, ann: Ann, receiver: Receiver) -> None:
    """At once; what waits for it fails without being sent. Its user can switch it on again."""
    receiver.answer = reply(410)
    hook = ann.hook(receiver.url)
    for _ in range(3):
        ann.add()
    work(app)

    assert [each["status"] for each in ann.deliveries(hook)] == ["failed"] * 3
    assert len(receiver.got) == 1
    assert ann.get(f"/v1/webhooks/{hook['id']}").json["disabled_reason"] == "It answered that it is gone (status 410)."
    assert_problem(ann.post(f"/v1/webhooks/{hook['id']}/ping"), 409, "not_deliverable")
    on = ann.patch(f"/v1/webhooks/{hook['id']}", json={"enabled": True}).json
    assert (on["enabled"], on["disabled_reason"]) == (True, None)


@pytest.mark.parametrize(("asked", "seconds"), [("120", 120), ("999999999", 86_400), ("x", 5), ("-5", 5), ("0", 5)])
def test_retry_after_is_honored(app: Flask, ann: Ann, receiver: Receiver, asked: str, seconds: float) -> None:
    """For at most a day, and never sooner than by the schedule."""
    receiver.answer = reply(429, f"Retry-After: {asked}")

    delivery = send_one(app, ann, receiver)
    assert seconds - 5 < seconds_until(app, delivery["next_attempt_at"]) <= seconds * (1 + JITTER) + 1


def test_retry_after_can_be_a_date(app: Flask, ann: Ann, receiver: Receiver) -> None:
    """RFC 9110, section 10.2.3."""
    receiver.answer = reply(503, f"Retry-After: {format_datetime(datetime.now(UTC) + timedelta(hours=2), usegmt=True)}")

    delivery = send_one(app, ann, receiver)
    assert 7_000 < seconds_until(app, delivery["next_attempt_at"]) < 7_300


def test_retry_after_holds_for_all_that_waits(app: Flask, ann: Ann, receiver: Receiver) -> None:
    """Of this webhook, not of another one."""
    receiver.answer = reply(503, "Retry-After: 3600")
    hook, other = ann.hook(receiver.url), Receiver()
    ann.hook(other.url)
    for _ in range(5):
        ann.add()
    work(app)

    assert (len(receiver.got), len(other.got)) == (1, 5)
    waits = [seconds_until(app, each["next_attempt_at"]) for each in ann.deliveries(hook)]
    assert all(3_500 < wait < 4_000 for wait in waits)
    other.close()


def drip(connection: socket.socket) -> None:
    """Send a header that never ends, a byte at a time."""
    connection.sendall(b"HTTP/1.1 200 OK\r\nX: ")
    while True:
        connection.sendall(b"x")
        time.sleep(0.02)


def gush(connection: socket.socket) -> None:
    """Send a body that never ends."""
    connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
    while True:
        connection.sendall(b"x" * 65_536)


def gush_headers(connection: socket.socket) -> None:
    connection.sendall(b"HTTP/1.1 204 OK\r\n")
    while True:
        connection.sendall(b"X: y\r\n" * 1_000)


def reset(connection: socket.socket) -> None:
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00")
    connection.close()


def keep_silent(connection: socket.socket) -> None:
    connection.recv(1)


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (drip, "It took longer than 15 s."),
        (keep_silent, "It took longer than 15 s."),
        (reset, "The connection failed: Connection reset by peer."),
        (lambda connection: None, "The connection failed: it was closed."),
        (lambda connection: connection.sendall(b"hello\r\n\r\n"), "It did not answer in HTTP."),
        (gush_headers, "It did not answer in HTTP."),
        (lambda connection: connection.sendall(b"\x00" * 9_000), "It did not answer in HTTP."),
    ],
)
def test_a_broken_receiver_fails_in_time(
    app: Flask, ann: Ann, receiver: Receiver, monkeypatch: pytest.MonkeyPatch, answer: Any, error: str
) -> None:
    """Whatever it does, and the reason says nothing of what it sent."""
    monkeypatch.setattr(sending, "WHOLE_SECONDS", 1)
    receiver.answer = answer

    delivery = send_one(app, ann, receiver)
    assert (delivery["status"], delivery["last_error"]) == ("waiting", error.replace("15", "1"))


def test_an_endless_body_is_not_read(app: Flask, ann: Ann, receiver: Receiver) -> None:
    """The status is enough."""
    receiver.answer = gush

    assert send_one(app, ann, receiver)["status"] == "delivered"


def test_answers_before_the_answer_are_passed_over(app: Flask, ann: Ann, receiver: Receiver) -> None:
    """100 Continue and 103 Early Hints."""
    early = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n"
    receiver.answer = lambda connection: connection.sendall(early + b"HTTP/1.1 202 Accepted\r\n\r\n")

    assert send_one(app, ann, receiver)["last_status"] == 202


def test_what_failed_can_be_sent_again(app: Flask, ann: Ann, receiver: Receiver) -> None:
    """At once, with all attempts; what has been delivered cannot."""
    receiver.answer = reply(500)
    hook = ann.hook(receiver.url)
    ann.add()
    work(app)
    (delivery,) = ann.deliveries(hook)
    receiver.answer = reply(204)
    path = f"/v1/webhooks/{hook['id']}/deliveries/{delivery['id']}/retry"
    assert ann.post(path).status_code == 202
    work(app)

    (again,) = ann.deliveries(hook)
    assert (again["status"], again["attempts"], again["last_error"]) == ("delivered", 1, None)
    assert_problem(ann.post(path), 409, "not_deliverable")


def test_a_ping_is_sent(app: Flask, ann: Ann, receiver: Receiver) -> None:
    """Whatever events the webhook wants; it has no task."""
    hook = ann.hook(receiver.url, events=["task.deleted"])
    assert ann.post(f"/v1/webhooks/{hook['id']}/ping").status_code == 202
    work(app)

    request: Request = receiver.got[0]
    (delivery,) = ann.deliveries(hook)
    assert (request.json["type"], request.json["data"]) == ("ping", {})
    assert (delivery["type"], delivery["task_id"], delivery["status"]) == ("ping", None, "delivered")
    assert request.json["timestamp"] == delivery["created_at"]


def test_nothing_is_sent_to_a_deleted_webhook(app: Flask, ann: Ann, receiver: Receiver) -> None:
    """What waited for it is deleted with it."""
    hook = ann.hook(receiver.url)
    ann.add()
    assert ann.delete(f"/v1/webhooks/{hook['id']}").status_code == 204
    work(app)

    assert receiver.got == []
    assert_problem(ann.get(f"/v1/webhooks/{hook['id']}/deliveries"), 404, "not_found")
