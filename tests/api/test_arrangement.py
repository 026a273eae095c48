"""After any sequence of operations, lists, subtasks and all orders are as a plain model says."""

from typing import Any

import hypothesis.strategies as st
import pytest
from flask import Flask
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from tests.api.support.arrangement import INBOX, Arrangement, Operation, Place, Refused
from tests.api.support.calls import page
from tests.api.support.machines import run_machine
from tests.api.support.replicas import Replica, tasks_of, trash_of
from tests.conftest import Caller, new_user_id

MISSING = "0199b1f0-0000-7000-8000-000000000000"
DAILY = {"due_on": "2026-03-14", "recurrence": "FREQ=DAILY"}

# Numbers that choose among the things that there are.
CHOICE = st.integers(0, 11)
NEW_ID = st.uuids(version=4).map(str)
OPERATION = st.tuples(
    st.sampled_from(["create", "create", "update", "complete", "reopen", "move", "move", "move", "delete"]),
    NEW_ID,
    CHOICE,
    CHOICE,
    st.sampled_from(["list", "inbox", "parent", "top", "parent in list", "plain", "recurring", "completed"]),
    st.sampled_from(["before", "after", "first", "last"]),
)


class Operations(RuleBasedStateMachine):
    """Requests of one user, each compared with the model."""

    app: Flask

    @initialize()
    def start(self) -> None:
        self.caller = Caller(self.app, new_user_id())
        self.model = Arrangement()
        self.replica = Replica(self.caller, limit=7)
        self.titles = 0

    # Choices.

    def a_task(self, choice: int, model: Arrangement) -> str:
        known = model.known
        return known[choice % len(known)] if known else MISSING

    def a_list(self, choice: int) -> str:
        lists = [*self.model.lists, MISSING]
        return lists[choice % len(lists)]

    def where(self, kind: str, choice: int, model: Arrangement) -> dict[str, Any]:
        """Return a list or a parent for a body."""
        match kind:
            case "list":
                return {"list_id": self.a_list(choice)}
            case "inbox":
                return {"list_id": None}
            case "parent":
                return {"parent_id": self.a_task(choice, model)}
            case "top":
                return {"parent_id": None}
            case "parent in list":
                return {"parent_id": self.a_task(choice, model), "list_id": self.a_list(choice)}
        return {}

    def place(self, how: str, kind: str, choice: int, model: Arrangement) -> dict[str, Any]:
        if how in ("first", "last"):
            return {"place": how, **self.where(kind, choice, model)}
        return {how: self.a_task(choice, model)}

    def operation(self, drawn: tuple[str, str, int, int, str, str], model: Arrangement) -> Operation:
        """Make an operation on what is in the model now."""
        name, new_id, which, choice, kind, how = drawn
        body = self.where(kind, choice, model)
        body |= DAILY if kind == "recurring" else {"completed": True} if kind == "completed" else {}
        task_id = self.a_task(which, model)
        match name:
            case "create":
                self.titles += 1
                return {"op": "create", "task": {"id": new_id, "title": str(self.titles), **body}}
            case "update":
                return {"op": "update", "id": task_id, "changes": body}
            case "move":
                return {"op": "move", "id": task_id, **self.place(how, kind, choice, model)}
        return {"op": name, "id": task_id}

    # Comparisons.

    def expect(self, answer: Any, change: Any) -> None:
        """Check that the response is what the model says, and let the model go on."""
        after = self.model.copy()
        try:
            change(after)
        except Refused as refused:
            self.assert_refused(answer, refused)
        else:
            assert answer.status_code < 300, answer.text
            self.model = after
            self.model.learn(self.seen)

    def assert_refused(self, answer: Any, refused: Refused) -> None:
        assert answer.status_code == refused.status, answer.text
        if refused.field:
            assert {name.rpartition(".")[2] for name in answer.json["errors"]} == {refused.field}

    def seen(self, place: Place) -> list[str]:
        query = dict(self.model.places()).get(place) or {"parent": place}
        return [task["id"] for task in page(self.caller, limit=200, sort="position", **query)[0]]

    # Requests.

    @rule(drawn=OPERATION)
    def request(self, drawn: Any) -> None:
        operation = self.operation(drawn, self.model)
        body = {name: value for name, value in operation.items() if name not in ("op", "id")}
        path = f"/v1/tasks/{operation.get('id')}"
        match operation["op"]:
            case "create":
                answer = self.caller.post("/v1/tasks", json=body["task"])
            case "update":
                answer = self.caller.patch(path, json=body["changes"])
            case "move":
                answer = self.caller.post(f"{path}/move", json=body)
            case "delete":
                answer = self.caller.delete(path)
            case name:
                answer = self.caller.patch(path, json={"completed": name == "complete"})
        self.expect(answer, lambda model: model.apply(operation))

    @rule(batch=st.lists(OPERATION, min_size=2, max_size=6))
    def batch(self, batch: list[Any]) -> None:
        after, operations, expected = self.model.copy(), [], None
        for number, drawn in enumerate(batch):
            operations.append(self.operation(drawn, after))
            try:
                after.apply(operations[-1])
            except Refused as refused:
                expected = number, refused
                break
        answer = self.caller.post("/v1/tasks/batch", json={"operations": operations})
        if expected is None:
            assert answer.status_code == 200, answer.text
            self.model = after
            self.model.learn(self.seen)
            return
        number, refused = expected
        self.assert_refused(answer, refused)
        assert {name.split(".")[1] for name in answer.json["errors"]} == {str(number)}

    @rule(which=CHOICE)
    def toggle(self, which: int) -> None:
        task_id = self.a_task(which, self.model)
        self.expect(self.caller.post(f"/v1/tasks/{task_id}/toggle"), lambda model: model.toggle(task_id))

    @rule(which=CHOICE, choice=CHOICE, kind=st.sampled_from(["list", "parent", "parent in list", "plain"]))
    def replace(self, which: int, choice: int, kind: str) -> None:
        task_id = self.a_task(which, self.model)
        body = {"title": "put", **self.where(kind, choice, self.model)}

        def change(model: Arrangement) -> None:
            model.replace(task_id, {name: value for name, value in body.items() if name != "title"})
            model.tasks[task_id].title = "put"

        self.expect(self.caller.put(f"/v1/tasks/{task_id}", json=body), change)

    @rule(which=CHOICE)
    def restore(self, which: int) -> None:
        trash = sorted(self.model.trash & {*self.model.known}) or [self.a_task(which, self.model)]
        task_id = trash[which % len(trash)]
        answer = self.caller.post(f"/v1/tasks/{task_id}/restore")
        self.expect(answer, lambda model: model.restore(task_id, self.seen))

    @rule(list_id=NEW_ID)
    def create_list(self, list_id: str) -> None:
        answer = self.caller.post("/v1/lists", json={"id": list_id, "name": "list"})
        self.expect(answer, lambda model: model.create_list(list_id))

    @rule(which=CHOICE, choice=CHOICE, how=st.sampled_from(["before", "after", "first", "last"]))
    def move_list(self, which: int, choice: int, how: str) -> None:
        list_id = self.a_list(which)
        move = {"place": how} if how in ("first", "last") else {how: self.a_list(choice)}
        answer = self.caller.post(f"/v1/lists/{list_id}/move", json=move)
        self.expect(answer, lambda model: model.move_list(list_id, move))

    @rule(which=CHOICE, keep=st.booleans())
    def delete_list(self, which: int, keep: bool) -> None:
        list_id = self.a_list(which)
        answer = self.caller.delete(f"/v1/lists/{list_id}?tasks={'keep' if keep else 'trash'}")
        self.expect(answer, lambda model: model.delete_list(list_id, keep))

    @rule()
    def read_changes(self) -> None:
        self.replica.read_page()

    @invariant()
    def all_is_as_the_model_says(self) -> None:
        if not hasattr(self, "model"):
            return
        lists = [each["id"] for each in self.caller.get("/v1/lists").json["items"]]
        assert lists == self.model.lists
        found, orders = in_order(self.caller)
        assert {id_: shown(task) for id_, task in found.items()} == {task.id: task.shown for task in self.model.live}
        assert orders == {place: order for place, order in self.model.orders.items() if order}

    def teardown(self) -> None:
        if not hasattr(self, "model"):
            return
        for place, query in self.model.places():
            for sort, step in (("position", 1), ("-position", -1)):
                items = page(self.caller, limit=200, sort=sort, **query)[0]
                assert [task["id"] for task in items] == self.model.order(place)[::step]
        assert {*trash_of(self.caller)} >= self.model.trash & {*self.model.known}
        # The last minute is read twice.
        self.replica.read_to_the_end()
        self.replica.read_to_the_end()
        assert self.replica.tasks == tasks_of(self.caller)


def in_order(caller: Caller) -> tuple[dict[str, Any], dict[Place, list[str]]]:
    """Return all tasks, and the order in each place."""
    found, orders = {}, {}
    items, cursor = page(caller, limit=200, sort="position")
    assert cursor is None
    for task in items:
        found[task["id"]] = task
        orders.setdefault(task["parent_id"] or task["list_id"] or INBOX, []).append(task["id"])
    return found, orders


def shown(task: dict[str, Any]) -> dict[str, Any]:
    names = ("title", "list_id", "parent_id", "completed", "due_on", "recurrence")
    return {name: task[name] for name in names}


def test_any_sequence_of_operations_ends_as_the_model_says(app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every order, cascade and refusal; and a client that reads the changes ends with the same tasks."""
    run_machine(Operations, app, monkeypatch, "ARRANGEMENT", 30)
