"""Subtasks: one level, in the list of their parent, completed, deleted and restored with it."""

import uuid
from typing import Any

import pytest

from app.tasks import subtasks as subtask_queries
from app.tasks.order import TIME_CHARACTERS
from tests.api.support.batches import create, run, update
from tests.api.test_lists_of_tasks import add_list
from tests.conftest import Caller

MISSING = str(uuid.uuid4())


def put(caller: Caller, task: dict[str, Any], **changes: Any) -> Any:
    return caller.patch(f"/v1/tasks/{task['id']}", json=changes)


def now(caller: Caller, task: dict[str, Any]) -> dict[str, Any]:
    answer = caller.get(f"/v1/tasks/{task['id']}")
    return dict(answer.json) if answer.status_code == 200 else {"gone": answer.status_code}


def subtasks(caller: Caller, task: dict[str, Any]) -> list[dict[str, Any]]:
    return list(caller.get(f"/v1/tasks?sort=position&parent={task['id']}").json["items"])


@pytest.fixture
def parent(ann: Caller) -> dict[str, Any]:
    return ann.add(title="parent", list_id=add_list(ann)["id"])


def test_a_subtask_is_in_its_parents_list(ann: Caller, parent: dict[str, Any]) -> None:
    """Whether the list is left out or named; another one is rejected, null too."""
    subtask = ann.add(title="sub", parent_id=parent["id"])

    assert (subtask["parent_id"], subtask["list_id"]) == (parent["id"], parent["list_id"])
    assert ann.add(parent_id=parent["id"], list_id=parent["list_id"])["list_id"] == parent["list_id"]
    for list_id in (None, add_list(ann)["id"]):
        for answer in (
            ann.post("/v1/tasks", json={"title": "x", "parent_id": parent["id"], "list_id": list_id}),
            put(ann, subtask, list_id=list_id),
            put(ann, subtask, list_id=list_id, parent_id=parent["id"]),
            ann.post(f"/v1/tasks/{subtask['id']}/move", json={"place": "first", "list_id": list_id}),
        ):
            assert (answer.status_code, list(answer.json["errors"])) == (422, ["list_id"])
    assert now(ann, subtask) == subtask


def test_subtasks_follow_their_parent_to_another_list(ann: Caller, parent: dict[str, Any]) -> None:
    """By PATCH, by PUT, by a move, and in a batch; others stay."""
    subtask, other = ann.add(parent_id=parent["id"]), ann.add(list_id=parent["list_id"])
    second, path = add_list(ann)["id"], f"/v1/tasks/{parent['id']}"
    operation = {"op": "update", "id": parent["id"], "changes": {"list_id": second}}
    for send, expected in (
        (lambda: put(ann, parent, list_id=second), second),
        (lambda: ann.put(path, json={"title": "parent"}), None),
        (lambda: ann.post(f"{path}/move", json={"place": "last", "list_id": parent["list_id"]}), parent["list_id"]),
        (lambda: ann.post("/v1/tasks/batch", json={"operations": [operation]}), second),
    ):
        assert send().status_code == 200
        assert (now(ann, parent)["list_id"], now(ann, subtask)["list_id"]) == (expected, expected)
    assert now(ann, other) == other


@pytest.mark.parametrize("how", ["PATCH", "toggle", "complete", "batch", "PUT"])
def test_completing_a_parent_completes_its_open_subtasks(ann: Caller, parent: dict[str, Any], how: str) -> None:
    """Those that were completed keep their time; those in the trash stay as they are; reopening reopens none."""
    done = ann.add(parent_id=parent["id"], completed=True)
    open_, deleted = ann.add(parent_id=parent["id"]), ann.add(parent_id=parent["id"])
    ann.delete(f"/v1/tasks/{deleted['id']}")

    def turn(completed: bool) -> None:
        path = f"/v1/tasks/{parent['id']}"
        whole = {"title": "parent", "list_id": parent["list_id"], "completed": completed}
        operation = {"op": "complete" if completed else "reopen", "id": parent["id"]}
        answer = {
            "PATCH": lambda: ann.patch(path, json={"completed": completed}),
            "PUT": lambda: ann.put(path, json=whole),
            "toggle": lambda: ann.post(f"{path}/toggle"),
            "complete": lambda: ann.patch(
                f"/api/{ann.user_id}/tasks/{parent['id']}/complete", json={"completed": completed}
            ),
            "batch": lambda: ann.post("/v1/tasks/batch", json={"operations": [operation]}),
        }[how]()
        assert answer.status_code == 200, answer.text

    turn(True)
    assert now(ann, done) == done
    completed = now(ann, open_)
    assert completed["completed"]
    assert completed["completed_at"] == now(ann, parent)["completed_at"]
    turn(False)
    assert not now(ann, parent)["completed"]
    assert now(ann, open_) == completed
    ann.post(f"/v1/tasks/{deleted['id']}/restore")
    assert not now(ann, deleted)["completed"]


@pytest.mark.parametrize("how", ["PATCH", "toggle", "batch", "move", "adopt", "create", "restore", "batch create"])
def test_an_open_subtask_reopens_its_parent(ann: Caller, parent: dict[str, Any], how: str) -> None:
    """Reopened, added, moved there or restored."""
    subtask, other = ann.add(parent_id=parent["id"]), ann.add()
    deleted = ann.add(parent_id=parent["id"])
    ann.delete(f"/v1/tasks/{deleted['id']}")
    assert put(ann, parent, completed=True).status_code == 200
    path, new = f"/v1/tasks/{subtask['id']}", {"title": "new", "parent_id": parent["id"]}

    def batch(**operation: Any) -> Any:
        return ann.post("/v1/tasks/batch", json={"operations": [operation]})

    answer = {
        "PATCH": lambda: ann.patch(path, json={"completed": False}),
        "toggle": lambda: ann.post(f"{path}/toggle"),
        "batch": lambda: batch(op="reopen", id=subtask["id"]),
        "move": lambda: ann.post(f"/v1/tasks/{other['id']}/move", json={"after": subtask["id"]}),
        "adopt": lambda: put(ann, other, parent_id=parent["id"]),
        "create": lambda: ann.post("/v1/tasks", json=new),
        "restore": lambda: ann.post(f"/v1/tasks/{deleted['id']}/restore"),
        "batch create": lambda: batch(op="create", task=new),
    }[how]()

    assert answer.status_code in (200, 201), answer.text
    assert not now(ann, parent)["completed"]
    assert now(ann, parent)["completed_at"] is None


def test_nothing_else_follows(ann: Caller, parent: dict[str, Any]) -> None:
    """A completed subtask added or completed leaves the parent open or completed, as it was."""
    subtask = ann.add(parent_id=parent["id"])
    put(ann, subtask, completed=True)
    assert not now(ann, parent)["completed"]
    put(ann, parent, completed=True)
    ann.add(parent_id=parent["id"], completed=True)
    put(ann, subtask, title="x")
    assert now(ann, parent)["completed"]


def test_a_parent_goes_to_the_trash_and_back_with_its_subtasks(ann: Caller, parent: dict[str, Any]) -> None:
    """But not with those that were there before."""
    subtask, before = ann.add(parent_id=parent["id"]), ann.add(parent_id=parent["id"])
    ann.delete(f"/v1/tasks/{before['id']}")

    assert ann.delete(f"/v1/tasks/{parent['id']}").status_code == 204

    assert now(ann, subtask) == {"gone": 404}
    in_trash = ann.post(f"/v1/tasks/{subtask['id']}/restore")
    assert (in_trash.status_code, in_trash.json["code"]) == (409, "parent_in_trash")
    assert ann.post(f"/v1/tasks/{parent['id']}/restore").status_code == 200
    assert now(ann, subtask)["parent_id"] == parent["id"]
    assert now(ann, before) == {"gone": 404}
    assert ann.post(f"/v1/tasks/{before['id']}/restore").json["parent_id"] == parent["id"]
    # Restoring again changes nothing.
    assert ann.post(f"/v1/tasks/{parent['id']}/restore").json == now(ann, parent)


@pytest.mark.parametrize("which", ["missing", "foreign", "deleted", "a subtask", "itself"])
def test_what_cannot_be_a_parent_is_rejected(ann: Caller, bob: Caller, which: str) -> None:
    """All with 422 and the field; the foreign one like the missing one."""
    task, top = ann.add(), ann.add()
    subtask, deleted = ann.add(parent_id=top["id"]), ann.add()
    ann.delete(f"/v1/tasks/{deleted['id']}")
    parents = {"missing": MISSING, "foreign": bob.add()["id"], "deleted": deleted["id"], "a subtask": subtask["id"]}
    parent_id = parents.get(which, task["id"])
    body, path = {"title": "x", "parent_id": parent_id}, f"/v1/tasks/{task['id']}"
    update = {"op": "update", "id": task["id"], "changes": body}
    answers = [
        ("parent_id", ann.patch(path, json=body)),
        ("parent_id", ann.put(path, json=body)),
        ("parent_id", ann.post(f"{path}/move", json={"place": "first", "parent_id": parent_id})),
        ("operations.0.changes.parent_id", ann.post("/v1/tasks/batch", json={"operations": [update]})),
    ]
    if which not in ("itself", "a subtask"):
        create = {"op": "create", "task": body}
        answers += [
            ("parent_id", ann.post("/v1/tasks", json=body)),
            ("before", ann.post(f"{path}/move", json={"before": parent_id})),
            ("operations.0.task.parent_id", ann.post("/v1/tasks/batch", json={"operations": [create]})),
        ]

    for field, answer in answers:
        assert (answer.status_code, list(answer.json["errors"])) == (422, [field]), answer.text


def test_a_task_with_subtasks_is_no_subtask(ann: Caller, parent: dict[str, Any]) -> None:
    """Until it has none; those in the trash become tasks of their own."""
    subtask, other = ann.add(title="sub", parent_id=parent["id"]), ann.add(list_id=parent["list_id"])

    for answer in (
        put(ann, parent, parent_id=other["id"]),
        ann.post(f"/v1/tasks/{parent['id']}/move", json={"place": "last", "parent_id": other["id"]}),
    ):
        assert (answer.status_code, list(answer.json["errors"])) == (422, ["parent_id"])
    ann.delete(f"/v1/tasks/{subtask['id']}")
    assert put(ann, parent, parent_id=other["id"]).status_code == 200
    assert ann.post(f"/v1/tasks/{subtask['id']}/restore").json["parent_id"] is None


@pytest.mark.parametrize("how", ["POST", "PATCH recurrence", "PATCH parent", "PUT", "move"])
def test_a_subtask_does_not_recur(ann: Caller, parent: dict[str, Any], how: str) -> None:
    """Its parent may."""
    rule = {"recurrence": "FREQ=DAILY", "due_on": "2050-03-14"}
    subtask, recurring = ann.add(parent_id=parent["id"]), ann.add(**rule)
    path = f"/v1/tasks/{recurring['id']}"
    answer = {
        "POST": lambda: ann.post("/v1/tasks", json={"title": "x", "parent_id": parent["id"], **rule}),
        "PATCH recurrence": lambda: put(ann, subtask, **rule),
        "PATCH parent": lambda: put(ann, recurring, parent_id=parent["id"]),
        "PUT": lambda: ann.put(path, json={"title": "x", "parent_id": parent["id"], **rule}),
        "move": lambda: ann.post(f"{path}/move", json={"after": subtask["id"]}),
    }[how]()

    assert (answer.status_code, list(answer.json["errors"])) == (422, ["recurrence"])
    assert put(ann, parent, **rule).status_code == 200


def test_a_task_has_at_most_so_many_subtasks(
    ann: Caller, parent: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Created, moved, restored, or in a batch; one that leaves makes room."""
    monkeypatch.setattr(subtask_queries, "MAX_SUBTASKS", 3)
    made = [ann.add(parent_id=parent["id"]) for _ in range(2)]
    made.append(ann.add())
    assert ann.post(f"/v1/tasks/{made[2]['id']}/move", json={"after": made[1]["id"]}).status_code == 200
    other, new = ann.add(), {"title": "x", "parent_id": parent["id"]}
    operations = [{"op": "delete", "id": made[0]["id"]}, *[{"op": "create", "task": new}] * 2]

    def full() -> None:
        for answer in (
            ann.post("/v1/tasks", json=new),
            put(ann, other, parent_id=parent["id"]),
            ann.post(f"/v1/tasks/{other['id']}/move", json={"before": made[2]["id"]}),
            ann.post("/v1/tasks/batch", json={"operations": operations}),
        ):
            assert (answer.status_code, answer.json["code"]) == (409, "limit_reached")

    full()
    ann.delete(f"/v1/tasks/{made[1]['id']}")
    assert ann.post("/v1/tasks/batch", json={"operations": operations[:1]}).status_code == 200
    assert ann.post("/v1/tasks/batch", json={"operations": operations[1:]}).status_code == 200
    assert ann.post(f"/v1/tasks/{made[1]['id']}/restore").json["code"] == "limit_reached"
    assert len(subtasks(ann, parent)) == 3


def test_the_next_occurrence_has_all_subtasks_open(ann: Caller) -> None:
    """In their order, their dues moved by as many days; the old ones are completed."""
    rule = {"recurrence": "FREQ=WEEKLY", "due_on": "2026-03-26", "time_zone": "Europe/Berlin"}
    made = add_list(ann)["id"]
    parent = ann.add(title="parent", list_id=made, **rule)
    children = [
        ann.add(title="a", parent_id=parent["id"], due_on="2026-03-25", tags=["x"], priority="high"),
        ann.add(title="b", parent_id=parent["id"], due_at="2026-03-25T08:00:00Z", time_zone="Europe/Berlin"),
        ann.add(title="c", parent_id=parent["id"], completed=True),
    ]
    deleted = ann.add(parent_id=parent["id"])
    ann.delete(f"/v1/tasks/{deleted['id']}")
    ann.post(f"/v1/tasks/{children[2]['id']}/move", json={"place": "first"})

    put(ann, parent, completed=True)

    assert all(task["completed"] for task in subtasks(ann, parent))
    (following,) = ann.get(f"/v1/tasks?parent=none&list={made}&completed=false").json["items"]
    assert following["due_on"] == "2026-04-02"
    copies = subtasks(ann, following)
    assert [task["title"] for task in copies] == ["c", "a", "b"]
    assert not any(task["completed"] or task["completed_at"] for task in copies)
    assert {task["list_id"] for task in copies} == {made}
    assert (copies[1]["due_on"], copies[1]["tags"], copies[1]["priority"]) == ("2026-04-01", ["x"], "high")
    # Nine in Berlin, before and after the clocks change.
    assert copies[2]["due_at"] == "2026-04-01T07:00:00.000000Z"
    assert put(ann, following, completed=True).status_code == 200


@pytest.mark.parametrize("is_in_list", [True, False])
def test_a_subtask_that_names_its_list_moves_among_its_siblings(ann: Caller, is_in_list: bool) -> None:
    """Not to where the first or the last task of that list is."""
    list_id = add_list(ann)["id"] if is_in_list else None
    parent = ann.add(list_id=list_id)
    children = [ann.add(parent_id=parent["id"])["id"] for _ in range(3)]
    ann.add(list_id=list_id)

    for moved, place, order in ((0, "first", [0, 1, 2]), (2, "first", [2, 0, 1]), (2, "last", [0, 1, 2])):
        ann.post(f"/v1/tasks/{children[moved]}/move", json={"place": place, "list_id": list_id})
        assert [children.index(task["id"]) for task in subtasks(ann, parent)] == order


@pytest.mark.parametrize("others", [1, 2])
def test_what_a_batch_makes_a_subtask_counts_once(ann: Caller, monkeypatch: pytest.MonkeyPatch, others: int) -> None:
    """Although the batch has changed the task before."""
    monkeypatch.setattr(subtask_queries, "MAX_SUBTASKS", 3)
    parent, task = ann.add(), ann.add()
    for _ in range(others):
        ann.add(parent_id=parent["id"])

    operations = [update(task["id"], title="x"), update(task["id"], parent_id=parent["id"])]
    operations += [create(parent_id=parent["id"])] * (2 - others)

    assert len(run(ann, *operations)) == len(operations)
    assert len(subtasks(ann, parent)) == 3


def test_a_subtask_becomes_a_task_of_its_own(ann: Caller, parent: dict[str, Any]) -> None:
    """Last in its list, or in another one; PUT without a parent does it, too."""
    first, second = ann.add(parent_id=parent["id"]), ann.add(parent_id=parent["id"])

    assert put(ann, first, parent_id=None).json["list_id"] == parent["list_id"]
    order = ann.get(f"/v1/tasks?sort=position&list={parent['list_id']}&parent=none").json["items"]
    assert [task["id"] for task in order] == [parent["id"], first["id"]]
    assert ann.put(f"/v1/tasks/{second['id']}", json={"title": "x"}).json["list_id"] is None
    assert subtasks(ann, parent) == []


def test_a_batch_works_on_a_family(ann: Caller) -> None:
    """Made, completed, moved and deleted within one batch, in the order of the operations."""
    parent, other, first, second = (str(uuid.uuid4()) for _ in range(4))
    made = add_list(ann)["id"]

    def run(*operations: dict[str, Any]) -> None:
        answer = ann.post("/v1/tasks/batch", json={"operations": list(operations)})
        assert answer.status_code == 200, answer.text
        for result in answer.json["results"]:
            if result["etag"]:
                assert ann.get(f"/v1/tasks/{result['id']}").headers["ETag"] == result["etag"]

    run(
        {"op": "create", "task": {"id": parent, "title": "parent", "list_id": made}},
        {"op": "create", "task": {"id": first, "title": "first", "parent_id": parent}},
        {"op": "complete", "id": parent},
        {"op": "create", "task": {"id": second, "title": "second", "parent_id": parent}},
        {"op": "move", "id": second, "before": first},
        {"op": "create", "task": {"id": other, "title": "other"}},
    )
    assert [task["id"] for task in subtasks(ann, {"id": parent})] == [second, first]
    assert [task["completed"] for task in subtasks(ann, {"id": parent})] == [False, True]
    assert not now(ann, {"id": parent})["completed"]
    run(
        {"op": "update", "id": first, "changes": {"parent_id": other}},
        {"op": "update", "id": parent, "changes": {"list_id": None}},
        {"op": "complete", "id": other},
        {"op": "reopen", "id": first},
        {"op": "delete", "id": parent},
    )
    assert now(ann, {"id": second}) == {"gone": 404}
    assert (now(ann, {"id": first})["parent_id"], now(ann, {"id": first})["list_id"]) == (other, None)
    assert not now(ann, {"id": other})["completed"]
    ann.post(f"/v1/tasks/{parent}/restore")
    assert now(ann, {"id": second})["list_id"] is None


@pytest.mark.parametrize("fate", ["list stays", "list is deleted"])
def test_a_restored_subtask_is_in_the_list_of_its_parent_now(ann: Caller, parent: dict[str, Any], fate: str) -> None:
    """Although it was in another one when it was deleted."""
    alone, together = ann.add(parent_id=parent["id"]), ann.add(parent_id=parent["id"])
    other = add_list(ann)["id"]
    ann.delete(f"/v1/tasks/{alone['id']}")
    operations = [
        {"op": "delete", "id": together["id"]},
        {"op": "update", "id": parent["id"], "changes": {"list_id": other}},
        {"op": "delete", "id": parent["id"]},
    ]
    assert ann.post("/v1/tasks/batch", json={"operations": operations}).status_code == 200
    if fate == "list is deleted":
        assert ann.delete(f"/v1/lists/{parent['list_id']}").status_code == 204

    for task in (parent, alone):
        assert ann.post(f"/v1/tasks/{task['id']}/restore").json["list_id"] == other
    assert {task["list_id"] for task in subtasks(ann, parent)} == {other}
    assert {task["id"] for task in subtasks(ann, parent)} == {alone["id"], together["id"]}


def test_a_completed_parent_is_reopened_by_an_open_subtask_that_comes_back_with_it(
    ann: Caller, parent: dict[str, Any]
) -> None:
    """Both were deleted in one batch, the subtask before its parent was completed."""
    subtask = ann.add(parent_id=parent["id"])
    names = (("delete", subtask), ("complete", parent), ("delete", parent))
    operations = [{"op": op, "id": task["id"]} for op, task in names]
    assert ann.post("/v1/tasks/batch", json={"operations": operations}).status_code == 200

    restored = ann.post(f"/v1/tasks/{parent['id']}/restore").json

    assert not now(ann, subtask)["completed"]
    assert not restored["completed"]
    assert now(ann, parent) == restored


def test_a_batch_of_new_tasks_puts_one_last_that_it_moves(ann: Caller) -> None:
    """Where nothing was there before."""
    first, second, parent = sorted((str(uuid.uuid4()) for _ in range(3)), reverse=True)
    operations = [
        *({"op": "create", "task": {"id": new, "title": "new"}} for new in (parent, first, second)),
        *({"op": "update", "id": moved, "changes": {"parent_id": parent}} for moved in (second, first)),
    ]

    assert ann.post("/v1/tasks/batch", json={"operations": operations}).status_code == 200

    assert [task["id"] for task in subtasks(ann, {"id": parent})] == [second, first]
    assert all(len(task["position"]) >= TIME_CHARACTERS for task in subtasks(ann, {"id": parent}))


def test_what_a_batch_puts_last_is_in_its_order(ann: Caller) -> None:
    """Created, moved and changed, whatever their ids are."""
    made = add_list(ann)["id"]
    ids = sorted((str(uuid.uuid4()) for _ in range(8)), reverse=True)
    for task_id in ids[:6]:
        ann.add(id=task_id)
    operations: list[dict[str, Any]] = []
    for changed, moved in zip(ids[:3], ids[3:6], strict=True):
        operations.append({"op": "update", "id": changed, "changes": {"list_id": made}})
        operations.append({"op": "move", "id": moved, "place": "last", "list_id": made})
    operations += [{"op": "create", "task": {"id": new, "title": "new", "list_id": made}} for new in ids[6:]]

    assert ann.post("/v1/tasks/batch", json={"operations": operations}).status_code == 200

    order = [task["id"] for task in ann.get(f"/v1/tasks?sort=position&list={made}").json["items"]]
    assert order == [operation.get("id") or operation["task"]["id"] for operation in operations]
