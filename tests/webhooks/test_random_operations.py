"""After any operation, what is to be sent is what a comparison of all tasks before and after it says."""

from typing import Any

import pytest
from flask import Flask
from hypothesis.stateful import initialize, invariant

from tests.api.support.calls import page
from tests.api.support.machines import run_machine
from tests.api.test_arrangement import Operations
from tests.webhooks.conftest import bodies

pytestmark = pytest.mark.both_engines

# What the service shows of a task; in the trash or not.
Seen = dict[str, tuple[dict[str, Any], bool]]


class Watched(Operations):
    """The operations of a user with a webhook. The model of `Operations` holds as for one without."""

    @initialize()
    def start(self) -> None:
        super().start()
        made = self.caller.post("/v1/webhooks", json={"url": "https://8.8.8.8/"})
        assert made.status_code == 201, made.text
        self.known: Seen = {}
        self.told = 0

    def all_tasks(self) -> Seen:
        live, trash = (page(self.caller, limit=200, **query)[0] for query in ({}, {"deleted": "true"}))
        return {task["id"]: (task, is_deleted) for is_deleted in (False, True) for task in (live, trash)[is_deleted]}

    @invariant()
    def all_is_told(self) -> None:
        if not hasattr(self, "known"):
            return
        before, self.known = self.known, self.all_tasks()
        found = bodies(self.app, self.caller.user_id)[self.told :]
        self.told += len(found)
        events = {body["data"]["task"]["id"]: body for body in found}
        assert len(events) == len(found)
        assert {id_: (body["type"], set(body["data"]["changed"])) for id_, body in events.items()} == {
            id_: expected for id_, now in self.known.items() if (expected := happened(before.get(id_), now))
        }
        assert {id_: body["data"]["task"] for id_, body in events.items()} == {
            id_: self.known[id_][0] for id_ in events
        }
        for id_ in events.keys() - {id_ for id_, (_, is_deleted) in self.known.items() if is_deleted}:
            assert self.caller.get(f"/v1/tasks/{id_}").headers["ETag"] == f'"{events[id_]["data"]["version"]}"'


def happened(
    before: tuple[dict[str, Any], bool] | None, now: tuple[dict[str, Any], bool]
) -> tuple[str, set[str]] | None:
    """Return the event of a task, and the fields that are different."""
    task, is_deleted = now
    if before is None:
        return "task.created", set()
    old, was_deleted = before
    changed = {name for name in task if task[name] != old[name] and name != "updated_at"}
    if old["updated_at"] == task["updated_at"] or (was_deleted and is_deleted):
        return None
    if is_deleted != was_deleted:
        return "task.deleted" if is_deleted else "task.restored", changed
    if old["completed"] != task["completed"]:
        return "task.completed" if task["completed"] else "task.reopened", changed
    return "task.updated", changed


def test_what_is_told_is_what_has_changed(app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    """By any sequence of operations: single ones, batches, moves, recurrences, and deleted lists."""
    run_machine(Watched, app, monkeypatch, "EVENTS", 8)
