"""With an Idempotency-Key, a repeated creation is done once and gets the first response."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.api.support.calls import CREATE, CREATE_BY_USER, assert_problem
from tests.conftest import Caller, new_user_id

EVERY_CREATE = pytest.mark.parametrize("create", [CREATE, CREATE_BY_USER], ids=str)
KEY = {"Idempotency-Key": "8e03978e-40d5-43dd-bc93-6894a57f9324"}

LEGAL_KEYS = ["k", "x" * 255, "!#$%&'()*+,-./:;<=>?@[]^_`{|}~", '"quoted"', "a,b", "%00", "\\"]
BAD_KEYS = ["", " ", "a b", "x" * 256, "ü", "a\tb", "a\x7f", "ключ".encode().decode("latin-1"), "\xa0"]


def told(answer):
    """Return a response without the parts that differ between a replay and the first."""
    assert answer.status_code == 201, answer.text
    apart = ("X-Request-ID", "Idempotent-Replay")
    return answer.data, sorted(header for header in answer.headers if header[0] not in apart)


def is_replay(answer):
    return answer.headers.get("Idempotent-Replay") == "true"


def tasks_of(caller):
    answer = caller.get("/v1/tasks")
    assert answer.status_code == 200
    return answer.json["items"]


@EVERY_CREATE
def test_a_repeated_request_gets_the_same_response_and_is_done_once(ann, create):
    """With the first one's body, Location and ETag, and a mark that it is a replay."""
    first, second, third = (create(ann, headers=KEY) for _ in range(3))

    assert told(first) == told(second) == told(third)
    assert [is_replay(answer) for answer in (first, second, third)] == [False, True, True]
    assert "Idempotent-Replay" not in first.headers
    assert [task["id"] for task in tasks_of(ann)] == [first.json["id"]]


@EVERY_CREATE
def test_without_a_key_each_request_creates_a_task(ann, create):
    """There is no replay without a key."""
    first, second = create(ann), create(ann)

    assert (first.status_code, second.status_code) == (201, 201)
    assert first.json["id"] != second.json["id"]
    assert not is_replay(second)


@EVERY_CREATE
@pytest.mark.parametrize("is_known", [True, False], ids=["known user", "unknown user"])
def test_fifty_equal_requests_at_once_make_one_task(app, create, is_known):
    """Fifty equal responses, forty-nine marked as replays, also if they are the user's first writes."""
    user_id = new_user_id()
    if is_known:
        Caller(app, user_id).add()
    callers = [Caller(app, user_id) for _ in range(50)]
    with ThreadPoolExecutor(len(callers)) as pool:
        answers = list(pool.map(lambda caller: create(caller, headers=KEY), callers))

    assert {answer.status_code for answer in answers} == {201}
    assert len({told(answer)[0] for answer in answers}) == 1
    assert all(told(answer) == told(answers[0]) for answer in answers)
    assert sum(map(is_replay, answers)) == 49
    assert len(tasks_of(callers[0])) == 1 + is_known


@EVERY_CREATE
@pytest.mark.parametrize(
    "other",
    [
        {"json": {"title": "coffee"}},
        {"data": b'{"title":"tea" }', "content_type": "application/json"},
        {"json": {"title": "tea", "completed": False}},
    ],
    ids=["other task", "other bytes", "other fields"],
)
def test_a_key_reused_with_another_body_is_rejected(ann, create, other):
    """Even if the bytes mean the same. The key still works for its own request."""
    first, reused, again = create(ann, headers=KEY), create(ann, headers=KEY, **other), create(ann, headers=KEY)

    assert_problem(reused, 422, "idempotency_key_reused")
    assert told(again) == told(first)
    assert len(tasks_of(ann)) == 1


@pytest.mark.parametrize(("one", "other"), [(CREATE, CREATE_BY_USER), (CREATE_BY_USER, CREATE)], ids=str)
def test_a_key_reused_on_another_path_is_rejected(ann, one, other):
    """The two families have different paths."""
    assert one(ann, headers=KEY).status_code == 201
    assert_problem(other(ann, headers=KEY), 422, "idempotency_key_reused")
    assert len(tasks_of(ann)) == 1


@EVERY_CREATE
def test_keys_are_case_sensitive(ann, create):
    """Without case folding or wildcards."""
    answers = [create(ann, headers={"Idempotency-Key": key}) for key in ("key", "KEY", "k%", "k_y", "key.")]

    assert [answer.status_code for answer in answers] == [201] * 5
    assert not any(map(is_replay, answers))
    assert len(tasks_of(ann)) == 5


@EVERY_CREATE
def test_two_users_can_use_the_same_key(ann, bob, create):
    """With the same body or another."""
    anns, bobs = create(ann, headers=KEY), create(bob, headers=KEY, json={"title": "coffee"})
    again = create(bob, headers=KEY, json={"title": "coffee"})

    assert (anns.status_code, is_replay(bobs), is_replay(again)) == (201, False, True)
    assert told(bobs) == told(again)
    assert (bobs.json["user_id"], bobs.json["title"]) == (bob.user_id, "coffee")
    assert [task["id"] for task in tasks_of(ann)] == [anns.json["id"]]


@EVERY_CREATE
@pytest.mark.parametrize("then", ["changed", "deleted"])
def test_the_first_response_is_replayed_even_if_the_task_changed(ann, create, then):
    """A client that lost the response gets it, and the task stays as it is now."""
    first = create(ann, headers=KEY)
    path = f"/v1/tasks/{first.json['id']}"
    written = ann.delete(path) if then == "deleted" else ann.patch(path, json={"title": "coffee"})
    replay = create(ann, headers=KEY)

    assert written.status_code == (204 if then == "deleted" else 200)
    assert told(replay) == told(first)
    assert [task["title"] for task in tasks_of(ann)] == ([] if then == "deleted" else ["coffee"])


@EVERY_CREATE
@pytest.mark.parametrize(
    ("refused", "status"),
    [
        ({"json": {"title": ""}}, 422),
        ({"json": {"title": "tea"}, "query_string": "nonsense=1"}, 422),
        ({"data": "{", "content_type": "application/json"}, 400),
        ({"data": "{}"}, 415),
        ({"data": b" " * 200_000, "content_type": "application/json"}, 413),
    ],
    ids=str,
)  # fmt: skip
def test_a_failed_request_does_not_use_up_its_key(ann, create, refused, status):
    """The key is free for the corrected request, and for another wrong one."""
    failures = [create(ann, headers=KEY, **refused) for _ in range(2)]
    corrected = create(ann, headers=KEY)

    assert [answer.status_code for answer in failures] == [status, status]
    assert (corrected.status_code, is_replay(corrected)) == (201, False)
    assert told(create(ann, headers=KEY)) == told(corrected)
    assert len(tasks_of(ann)) == 1


@EVERY_CREATE
@pytest.mark.parametrize("key", LEGAL_KEYS)
def test_a_key_is_any_visible_ascii(ann, create, key):
    """Of 1 to 255 characters."""
    first, second = (create(ann, headers={"Idempotency-Key": key}) for _ in range(2))

    assert told(first) == told(second)
    assert is_replay(second)


@EVERY_CREATE
@pytest.mark.parametrize("key", BAD_KEYS, ids=ascii)
def test_an_invalid_key_is_rejected(ann, create, key):
    """422 with the header's name, and no task is created."""
    answer = create(ann, headers={"Idempotency-Key": key})

    assert_problem(answer, 422, "validation_error", "Idempotency-Key")
    assert tasks_of(ann) == []
