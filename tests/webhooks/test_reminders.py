"""Reminders are sent to webhooks when they are due."""

import pytest
from flask import Flask

from tests.api.support.reminding import go_back, in_minutes
from tests.webhooks.conftest import Ann, Receiver, work

pytestmark = pytest.mark.both_engines


def test_a_due_reminder_is_sent_once(app: Flask, ann: Ann, receiver: Receiver) -> None:
    """With the task as it is, and the reminders that fire; not to those who do not want it."""
    ann.hook(receiver.url, events=["task.reminder"])
    task = ann.add(due_at=in_minutes(20), reminders=[{"before_minutes": 15}, {"before_minutes": 1}])
    go_back(app, ann, 10)
    for _ in range(2):
        work(app)

    (request,) = receiver.got
    data = request.json["data"]
    assert (request.json["type"], data["changed"], data["reminders"]) == ("task.reminder", [], [{"before_minutes": 15}])
    assert (data["task"]["id"], data["version"]) == (task["id"], 1)
