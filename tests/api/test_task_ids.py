"""A task's id: a UUID made by the service or the client. Users' ids are independent."""

import uuid
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest

from tests.api.support.calls import CHANGE, CREATE, CREATE_BY_USER, REPLACE, REPLACE_BY_USER, assert_problem
from tests.api.test_fields import NO_TEXT, assert_refused
from tests.conftest import Caller, new_user_id

EVERY_CREATE = pytest.mark.parametrize("create", [CREATE, CREATE_BY_USER], ids=str)

ID = "2ed6657d-e927-568b-95e1-2665a8aea6a2"
IDS = {
    "nil": str(uuid.UUID(int=0)),
    "version 1": "c232ab00-9414-11ec-b3c8-9f6bdeced846",
    "version 2": "000003e8-9414-21ec-b300-9f6bdeced846",
    "version 3": "5df41881-3aed-3515-88a7-2f4a814cf09e",
    "version 4": "919108f7-52d1-4320-9bac-f847db4148a8",
    "version 5": ID,
    "version 6": "1ec9414c-232a-6b00-b3c8-9e6bdeced846",
    "version 7": "017f22e2-79b0-7cc3-98c4-dc0c0c07398f",
    "version 8": "2489e9ad-2ee2-8e00-8ec9-32d5f69181c0",
    "another variant": "919108f7-52d1-4320-1bac-f847db4148a8",
    "max": str(uuid.UUID(int=2**128 - 1)),
}
OTHER_FORMS = [
    *("", " ", "7", "nil", ID.replace("-", ""), f"{{{ID}}}", f"urn:uuid:{ID}", ID[:-1], f"{ID}0", f"{ID}\n", f" {ID}"),
    *(f"{ID}\x00", ID.replace("e", "g"), ID.replace("2", "２"), ID.replace("-", "_"), ID.replace("-", "–")),
    *("2ed6657de-927-568b-95e1-2665a8aea6a2", f"0x{ID[2:]}", None, *NO_TEXT),
]


@EVERY_CREATE
def test_the_service_makes_an_id_if_none_is_given(ann, create):
    """A UUID of version 7."""
    answer = create(ann)

    assert answer.status_code == 201
    assert uuid.UUID(answer.json["id"]).version == 7


@EVERY_CREATE
@pytest.mark.parametrize("spelling", [str, str.upper])
@pytest.mark.parametrize("task_id", IDS.values(), ids=IDS)
def test_a_client_may_give_an_id_of_any_uuid_version(ann, create, task_id, spelling):
    """In capitals it is the same id."""
    answer = create(ann, json={"title": "tea", "id": spelling(task_id)})
    read = ann.get(answer.headers["Location"])

    assert (answer.status_code, answer.json["id"], answer.headers["ETag"]) == (201, task_id, '"1"')
    assert answer.headers["Location"].endswith(f"/tasks/{task_id}")
    assert (read.status_code, read.json) == (200, answer.json)


@EVERY_CREATE
def test_a_new_user_may_give_an_id_in_the_first_write(app, create):
    """A user who is known only from a token."""
    answer = create(Caller(app, new_user_id()), json={"title": "tea", "id": ID})

    assert (answer.status_code, answer.json["id"]) == (201, ID)


@EVERY_CREATE
def test_an_id_of_another_form_is_rejected(ann, create):
    """Only ASCII letters and digits as 8-4-4-4-12 are an id; null is not."""
    assert_refused(ann, create, "id", OTHER_FORMS)


@EVERY_CREATE
@pytest.mark.parametrize("spelling", [str, str.upper])
@pytest.mark.parametrize("then", ["live", "completed", "in the trash"])
def test_an_id_used_by_the_same_user_is_409(ann, create, then, spelling):
    """Even by a task in the trash, in both families. The existing task is unchanged."""
    task = ann.add(id=ID, completed=then == "completed")
    if then == "in the trash":
        assert ann.delete(f"/v1/tasks/{ID}").status_code == 204
    refused = create(ann, json={"title": "coffee", "id": spelling(ID)})
    restored = ann.post(f"/v1/tasks/{ID}/restore")

    assert_problem(refused, 409, "id_taken")
    assert restored.status_code == 200
    assert restored.json == task | {"updated_at": restored.json["updated_at"]}
    assert ann.get("/v1/tasks").json["items"] == [restored.json]


@EVERY_CREATE
def test_an_id_used_by_another_user_can_be_used(ann, bob, create):
    """Creation does not reveal other users' ids, and each user finds their own task."""
    anns = ann.add(title="Ann's")
    bobs = create(bob, json={"title": "Bob's", "id": anns["id"]})
    changed = CHANGE(bob, anns["id"], json={"title": "still Bob's"})

    assert (bobs.status_code, bobs.json["id"], bobs.json["user_id"]) == (201, anns["id"], bob.user_id)
    assert (changed.status_code, changed.json["title"]) == (200, "still Bob's")
    assert ann.get(f"/v1/tasks/{anns['id']}").json == anns


@EVERY_CREATE
@pytest.mark.parametrize("is_known", [True, False], ids=["known user", "unknown user"])
def test_one_of_many_creations_with_the_same_id_succeeds(app, create, is_known):
    """One 201; the others get 409, also if these are the user's first writes."""
    user_id, ready = new_user_id(), Barrier(10)
    if is_known:
        Caller(app, user_id).add()
    with ThreadPoolExecutor(10, initializer=ready.wait) as pool:
        body = {"title": "tea", "id": ID}
        answers = list(pool.map(lambda caller: create(caller, json=body), [Caller(app, user_id) for _ in range(10)]))

    assert sorted(answer.status_code for answer in answers) == [201] + [409] * 9
    assert {answer.json.get("code") for answer in answers} == {None, "id_taken"}
    assert len(Caller(app, user_id).get("/v1/tasks").json["items"]) == 1 + is_known


@EVERY_CREATE
def test_a_repeated_creation_with_its_key_does_not_conflict(ann, create):
    """It is replayed. A creation with another key is rejected each time."""
    keys = ["one", "one", "other", "other"]
    first, again, *refused = (
        create(ann, json={"title": "tea", "id": ID}, headers={"Idempotency-Key": key}) for key in keys
    )

    assert [first.status_code, again.status_code] == [201, 201]
    assert (again.json, again.headers["Idempotent-Replay"]) == (first.json, "true")
    for answer in refused:
        assert_problem(answer, 409, "id_taken")


@pytest.mark.parametrize("write", [REPLACE, CHANGE, REPLACE_BY_USER], ids=str)
@pytest.mark.parametrize("own", [True, False], ids=["its own", "another"])
def test_a_tasks_id_cannot_be_changed(ann, write, own):
    """PUT and PATCH ignore one, so that a task can be sent back as it was received."""
    task = ann.add()
    answer = write(ann, task["id"], json={"title": "tea", "id": task["id"] if own else ID})

    assert answer.status_code == 200
    assert [(found["id"], found["title"]) for found in ann.get("/v1/tasks").json["items"]] == [(task["id"], "tea")]
