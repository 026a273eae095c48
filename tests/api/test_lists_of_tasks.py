"""Lists: a user's own, in the user's order, and what becomes of the tasks in a deleted one."""

import uuid
from typing import Any

import pytest

from tests.conftest import Caller

MISSING = str(uuid.uuid4())


def add_list(caller: Caller, name: str = "Groceries", **values: Any) -> dict[str, Any]:
    answer = caller.post("/v1/lists", json={"name": name, **values})
    assert answer.status_code == 201, answer.text
    return dict(answer.json)


def names(caller: Caller) -> list[str]:
    return [each["name"] for each in caller.get("/v1/lists").json["items"]]


def test_a_list_has_the_documented_fields(ann: Caller) -> None:
    """The id may be the client's own, the name is trimmed, and nothing else is needed."""
    own_id = str(uuid.uuid4())
    answer = ann.post("/v1/lists", json={"id": own_id, "name": " Groceries ", "color": "#2e7d32"})

    made = answer.json
    assert made | {"created_at": 0, "updated_at": 0, "position": 0} == {
        "id": own_id,
        "name": "Groceries",
        "color": "#2e7d32",
        "position": 0,
        "created_at": 0,
        "updated_at": 0,
        "user_id": ann.user_id,
    }
    assert (answer.headers["Location"], answer.headers["ETag"]) == (f"/v1/lists/{own_id}", '"1"')
    assert add_list(ann)["color"] is None
    assert ann.get(f"/v1/lists/{own_id}").json == made


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "name"),
        ({"name": " "}, "name"),
        ({"name": "x" * 101}, "name"),
        ({"name": 1}, "name"),
        ({"name": "x\0"}, "name"),
        ({"name": "x", "color": "red"}, "color"),
        ({"name": "x", "color": "#2e7d3"}, "color"),
        ({"name": "x", "color": "#2e7d32\n"}, "color"),
        ({"name": "x", "id": "1"}, "id"),
        ({"name": "x", "position": "0"}, "position"),
        ({"name": "x", "emoji": "y"}, "emoji"),
    ],
)
@pytest.mark.one_engine
def test_what_is_no_list_is_rejected(ann: Caller, body: dict[str, Any], field: str) -> None:
    """With the field that is wrong."""
    answer = ann.post("/v1/lists", json=body)

    assert (answer.status_code, list(answer.json["errors"])) == (422, [field])
    assert names(ann) == []


def test_an_id_is_given_once_until_its_list_is_deleted(ann: Caller, bob: Caller) -> None:
    """Another user may have the same one."""
    made = add_list(ann)

    taken = ann.post("/v1/lists", json={"id": made["id"], "name": "Other"})
    assert (taken.status_code, taken.json["code"]) == (409, "id_taken")
    assert add_list(bob, id=made["id"])["id"] == made["id"]
    assert ann.delete(f"/v1/lists/{made['id']}").status_code == 204
    assert add_list(ann, "Again", id=made["id"])["name"] == "Again"


def test_a_list_is_changed_by_put_and_patch(ann: Caller) -> None:
    """PUT resets the color that it leaves out, PATCH keeps it; what came back may be sent back."""
    made = add_list(ann, color="#2e7d32")
    path = f"/v1/lists/{made['id']}"

    patched = ann.patch(path, json={**made, "name": "Shopping"}).json
    assert patched == made | {"name": "Shopping", "updated_at": patched["updated_at"]}
    assert ann.patch(path, json={}).json == patched
    replaced = ann.put(path, json={"name": "Errands"})
    assert (replaced.json["name"], replaced.json["color"], replaced.headers["ETag"]) == ("Errands", None, '"3"')
    assert ann.put(path, json={"color": None}).status_code == 422


def test_a_stale_etag_changes_no_list(ann: Caller) -> None:
    """Neither by PUT, PATCH, move nor DELETE; the right one does."""
    made = add_list(ann)
    path = f"/v1/lists/{made['id']}"
    ann.patch(path, json={"name": "Shopping"})

    for method, body in (("PUT", {"name": "x"}), ("PATCH", {"name": "x"}), ("PATCH", {}), ("DELETE", None)):
        answer = ann.call(method, path, headers={"If-Match": '"1"'}, json=body)
        assert (answer.status_code, answer.json["code"]) == (412, "precondition_failed"), method
    assert ann.post(f"{path}/move", headers={"If-Match": '"1"'}, json={"place": "first"}).status_code == 412
    assert names(ann) == ["Shopping"]
    assert ann.delete(path, headers={"If-Match": '"2"'}).status_code == 204


def test_unchanged_lists_are_304(ann: Caller) -> None:
    """One list by its version, all by what they are."""
    made = add_list(ann)
    one, all_ = f"/v1/lists/{made['id']}", "/v1/lists"
    tags = {path: ann.get(path).headers["ETag"] for path in (one, all_)}

    assert {ann.get(path, headers={"If-None-Match": tag}).status_code for path, tag in tags.items()} == {304}
    ann.patch(one, json={"color": "#000000"})
    assert {ann.get(path, headers={"If-None-Match": tag}).status_code for path, tag in tags.items()} == {200}


def test_lists_are_in_the_order_that_moves_make(ann: Caller) -> None:
    """A new one is last."""
    ids = {name: add_list(ann, name)["id"] for name in "abcd"}

    def move(name: str, **where: str) -> list[str]:
        body = {key: ids.get(value, value) for key, value in where.items()}
        answer = ann.post(f"/v1/lists/{ids[name]}/move", json=body)
        assert answer.status_code == 200, answer.text
        assert answer.json in ann.get("/v1/lists").json["items"]
        return names(ann)

    assert names(ann) == ["a", "b", "c", "d"]
    assert move("d", place="first") == ["d", "a", "b", "c"]
    assert move("d", after="a") == ["a", "d", "b", "c"]
    assert move("c", before="d") == ["a", "c", "d", "b"]
    assert move("a", place="last") == ["c", "d", "b", "a"]
    assert move("c", after="a") == ["d", "b", "a", "c"]
    add_list(ann, "e")
    assert names(ann) == ["d", "b", "a", "c", "e"]


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "place"),
        ({"place": "middle"}, "place"),
        ({"place": "first", "after": MISSING}, "place"),
        ({"before": MISSING}, "before"),
        ({"after": MISSING}, "after"),
        ({"after": "self"}, "after"),
        ({"place": "first", "list_id": MISSING}, "list_id"),
    ],
)
def test_a_move_names_one_place_that_exists(ann: Caller, body: dict[str, str], field: str) -> None:
    """Otherwise nothing moves."""
    made = add_list(ann)
    body = {name: made["id"] if value == "self" else value for name, value in body.items()}

    answer = ann.post(f"/v1/lists/{made['id']}/move", json=body)

    assert (answer.status_code, list(answer.json["errors"])) == (422, [field])


def test_there_are_at_most_500_lists(ann: Caller, bob: Caller) -> None:
    """And a deleted one makes room."""
    from app.tasks import lists  # noqa: PLC0415

    before = lists.MAX_LISTS
    lists.MAX_LISTS = 3
    try:
        made = [add_list(ann) for _ in range(3)]
        full = ann.post("/v1/lists", json={"name": "one more"})
        assert (full.status_code, full.json["code"]) == (409, "limit_reached")
        add_list(bob)
        ann.delete(f"/v1/lists/{made[0]['id']}")
        add_list(ann)
    finally:
        lists.MAX_LISTS = before


def test_an_idempotent_list_is_made_once(ann: Caller) -> None:
    """As with tasks, also for a user's first write."""
    answers = [ann.post("/v1/lists", headers={"Idempotency-Key": "k"}, json={"name": "Groceries"}) for _ in range(2)]

    assert [answer.json for answer in answers] == [answers[0].json] * 2
    assert answers[1].headers["Idempotent-Replay"] == "true"
    assert names(ann) == ["Groceries"]


def test_a_task_is_in_a_list(ann: Caller) -> None:
    """Created there, moved there and back; a whole task without a list is in the inbox."""
    first, second = (add_list(ann)["id"] for _ in range(2))
    task = ann.add(list_id=first)
    path = f"/v1/tasks/{task['id']}"

    assert task["list_id"] == first
    assert ann.patch(path, json={"list_id": second}).json["list_id"] == second
    assert ann.put(path, json={"title": "x", "list_id": first}).json["list_id"] == first
    assert ann.patch(path, json={"title": "y"}).json["list_id"] == first
    assert ann.put(path, json={"title": "x"}).json["list_id"] is None
    of_user = f"/api/{ann.user_id}/tasks"
    made = ann.post(of_user, json={"title": "tea", "list_id": second}).json
    assert made["list_id"] == second
    assert ann.put(f"{of_user}/{made['id']}", json={"title": "x", "description": None}).json["list_id"] == second
    assert ann.patch(f"{of_user}/{made['id']}", json={"list_id": None}).json["list_id"] is None


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "batch create", "batch update", "move", "keyed POST"])
def test_a_list_that_is_not_the_callers_is_rejected(ann: Caller, bob: Caller, method: str) -> None:
    """Like one that does not exist; nothing is written."""
    bobs = add_list(bob)["id"]
    task = ann.add()
    path = f"/v1/tasks/{task['id']}"

    def send(list_id: str) -> Any:
        body = {"title": "x", "list_id": list_id}
        match method:
            case "POST":
                return ann.post("/v1/tasks", json=body)
            case "keyed POST":
                return ann.post("/v1/tasks", json=body, headers={"Idempotency-Key": f"of-{list_id}"})
            case "PUT" | "PATCH":
                return ann.call(method, path, json=body)
            case "batch create":
                return ann.post("/v1/tasks/batch", json={"operations": [{"op": "create", "task": body}]})
            case "batch update":
                operation = {"op": "update", "id": task["id"], "changes": body}
                return ann.post("/v1/tasks/batch", json={"operations": [operation]})
        return ann.post(f"{path}/move", json={"place": "last", "list_id": list_id})

    answers = [send(list_id) for list_id in (MISSING, bobs)]
    assert [answer.status_code for answer in answers] == [422, 422]
    assert [list(answer.json["errors"].values()) for answer in answers] == [[["There is no such list."]]] * 2
    assert ann.get("/v1/tasks").json["items"] == [task]


def test_tasks_are_listed_by_list(ann: Caller, bob: Caller) -> None:
    """One, several, the inbox; an unknown or foreign one is empty."""
    first, second = (add_list(ann)["id"] for _ in range(2))
    bobs = add_list(bob)["id"]
    for title, list_id in (("a", first), ("b", second), ("c", None)):
        ann.add(title=title, list_id=list_id)

    def titles(query: str) -> list[str]:
        found = ann.get(f"/v1/tasks?sort=title&{query}").json["items"]
        assert [each["title"] for each in ann.get(f"/api/{ann.user_id}/tasks?sort=title&{query}").json] == [
            each["title"] for each in found
        ]
        return [each["title"] for each in found]

    assert titles(f"list={first}") == ["a"]
    assert titles(f"list={first}&list={second}") == ["a", "b"]
    assert titles(f"list=none&list={second}") == ["b", "c"]
    assert titles("list=none") == ["c"]
    assert titles(f"list={MISSING}") == titles(f"list={bobs}") == []
    assert ann.get("/v1/tasks?list=1").status_code == 422


@pytest.mark.parametrize("fate", ["trash", "keep"])
def test_a_deleted_lists_tasks_go_where_the_client_says(ann: Caller, fate: str) -> None:
    """To the trash, or to the end of the inbox in their order; with their subtasks, and restored to the inbox."""
    made = add_list(ann)["id"]
    before = ann.add(title="before")
    tasks = [ann.add(title=title, list_id=made) for title in "abc"]
    subtask = ann.add(title="sub", parent_id=tasks[0]["id"])
    deleted = ann.add(title="deleted", list_id=made)
    ann.delete(f"/v1/tasks/{deleted['id']}")
    ann.post(f"/v1/tasks/{tasks[2]['id']}/move", json={"place": "first"})

    assert ann.delete(f"/v1/lists/{made}?tasks={fate}").status_code == 204

    assert ann.get(f"/v1/lists/{made}").status_code == 404
    live = ann.get("/v1/tasks?sort=position&parent=none").json["items"]
    trash = ann.get("/v1/tasks?deleted=true&sort=title").json["items"]
    assert {task["list_id"] for task in (*live, *trash)} == {None}
    if fate == "keep":
        assert [task["title"] for task in live] == ["before", "c", "a", "b"]
        assert [task["title"] for task in trash] == ["deleted"]
        assert ann.get(f"/v1/tasks/{subtask['id']}").json["list_id"] is None
    else:
        assert live == [before]
        assert [task["title"] for task in trash] == ["a", "b", "c", "deleted", "sub"]
        restored = ann.post(f"/v1/tasks/{tasks[0]['id']}/restore")
        assert (restored.status_code, restored.json["list_id"]) == (200, None)
        assert ann.get(f"/v1/tasks/{subtask['id']}").json["parent_id"] == tasks[0]["id"]


def test_a_large_list_is_deleted_in_parts(ann: Caller) -> None:
    """However many tasks it has, and parents before their subtasks, so that these come back with them."""
    from app.tasks import lists  # noqa: PLC0415

    made = add_list(ann)["id"]
    parent = ann.add(title="parent", list_id=made)
    for number in range(5):
        ann.add(title=f"sub {number}", parent_id=parent["id"])
    before = lists.MAX_AT_ONCE
    lists.MAX_AT_ONCE = 2
    try:
        assert ann.delete(f"/v1/lists/{made}").status_code == 204
    finally:
        lists.MAX_AT_ONCE = before
    assert ann.get("/v1/tasks").json["items"] == []
    ann.post(f"/v1/tasks/{parent['id']}/restore")
    assert len(ann.get("/v1/tasks").json["items"]) == 6


def test_the_summary_counts_by_list(ann: Caller) -> None:
    """The inbox first."""
    made = add_list(ann)["id"]
    ann.add(list_id=made)
    ann.add(list_id=made, completed=True)
    ann.add()

    assert ann.get("/v1/tasks/summary").json["by_list"] == [
        {"list_id": None, "open": 1, "completed": 0},
        {"list_id": made, "open": 1, "completed": 1},
    ]
