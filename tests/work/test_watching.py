"""An operator sees whether messages are sent in time."""

import json
from collections.abc import Iterator

import pytest
from flask import Flask

from app import work
from app.outbox.delivery import Again, Failed, Handler
from app.services import services_of
from app.work import work_of
from app.work.loop import ALONE
from tests.commands.calling import run
from tests.conftest import Caller, make_app
from tests.waiting import until
from tests.work.conftest import KIND, Receiver, change, run_once, send


def found(app: Flask) -> dict[str, str]:
    checks = json.loads(run(app, "doctor", "--json").stdout)["checks"]
    return next(check for check in checks if check["check"] == "outbox")


def test_doctor_counts_messages(app: Flask, user: str, receiver: Receiver) -> None:
    """And warns only if one has been due for long."""
    receiver.answer = lambda message: Failed("no") if message.body == "bad" else Again(3_600, "busy")
    for body in ("bad", "busy"):
        send(user, body, key=body)
    run_once(app)
    assert found(app)["status"] == "ok"
    # The other one is the daily purge.
    assert found(app)["message"] == "Messages: 2 waiting, 0 of them due, 0 being sent; 1 failed."

    change(app, user, "due_at = :past", past="2026-01-01T00:00:00.000000Z")
    assert found(app)["status"] == "warning"
    assert "1 of them due" in found(app)["message"]


@pytest.fixture
def measured(url: str, receiver: Receiver) -> Iterator[Flask]:
    app = make_app(url, METRICS="on")
    loop = work_of(app)
    work.init_app(app, {KIND: Handler(receiver, at_once=1)})
    work_of(app).note = loop.note
    with app.app_context():
        yield app
        work_of(app).stop(10)
        services_of(app).engine.dispose()


def test_metrics_show_what_a_look_found(measured: Flask, receiver: Receiver) -> None:
    """Without a statement of their own."""
    receiver.answer = lambda message: Again(3_600, "busy")
    send("ann")
    work_of(measured).start(ALONE)

    def shown() -> bool:
        return 'tasks_outbox_messages{state="waiting"}' in Caller(measured).get("/metrics").text

    until(shown, "the numbers of a look")
    assert "tasks_outbox_late_seconds" in Caller(measured).get("/metrics").text
