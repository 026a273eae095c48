"""The tokens of /v1/tasks/changes: their user, their content, and their lifetime."""

import pytest

from app.tasks import cursors
from tests.api.support.calls import CHANGES, LIST, assert_problem
from tests.api.support.past import age_task, aged, forget
from tests.api.support.replicas import Replica, changes, delete, tasks_of

DAY = 24 * 3600
TRASH_DAYS = 30
FAR_FUTURE, LONG_AGO = "9999-12-31T23:59:59.999999Z", "0001-01-01T00:00:00.000000Z"
NOW, ID = "2026-03-14T09:26:53.589793Z", "0199b1f2-7c3e-7a41-9d5b-2f6c8e0a4b17"


DAMAGES = [
    lambda token: token[:-1],
    lambda token: token[1:],
    lambda token: token + "A",
    lambda token: token + "!",
    lambda token: token + token,
    lambda token: token[::-1],
    lambda token: token.swapcase(),
    lambda token: "A",
    lambda token: "null",
    lambda token: "ü" + token[1:],
]


@pytest.mark.one_engine
@pytest.mark.parametrize("limit", [1, 2], ids=["within a run", "between runs"])
def test_a_damaged_token_is_rejected(ann, limit):
    """If it is cut, extended or reversed, and if it was never a token."""
    ann.add()
    ann.add()
    token = changes(ann, limit=limit)["next"]

    for damage in DAMAGES:
        assert_problem(CHANGES(ann, query_string={"since": damage(token)}), 422, "invalid_cursor")


@pytest.mark.parametrize("place", [0, 12, 40, -1])
def test_changing_one_letter_damages_a_token(ann, place):
    """At any position."""
    letters = list(changes(ann)["next"])
    for letter in set("aA0-_") - {letters[place]}:
        letters[place] = letter
        assert_problem(CHANGES(ann, query_string={"since": "".join(letters)}), 422, "invalid_cursor")


@pytest.mark.parametrize("limit", [1, 2], ids=["within a run", "between runs"])
def test_another_users_token_is_rejected(ann, bob, limit):
    """With the same error as a damaged one."""
    ann.add()
    ann.add()
    token = changes(ann, limit=limit)["next"]

    assert_problem(CHANGES(bob, query_string={"since": token}), 422, "invalid_cursor")
    assert changes(ann, token)


@pytest.mark.parametrize("sort", ["created_at", "-created_at", "updated_at", "title"])
def test_a_list_cursor_is_not_a_token(ann, sort):
    """Nor is a token a list cursor."""
    ann.add()
    ann.add()
    cursor = LIST(ann, query_string={"limit": 1, "sort": sort}).json["next_cursor"]
    token = changes(ann, limit=1)["next"]

    assert_problem(CHANGES(ann, query_string={"since": cursor}), 422, "invalid_cursor")
    assert_problem(LIST(ann, query_string={"cursor": token, "sort": sort}), 422, "invalid_cursor")


MISSHAPEN = [
    [], [NOW], [NOW, ID], [None, ID, None, True], [NOW, None, None, True], [NOW, 7, NOW, True],
    [NOW, ID, 7, True], [NOW, ID.upper(), None, True], [NOW, ID[:-1], None, True], ["2026-03-14", ID, None, True],
    [NOW.replace("Z", "+00:00"), ID, None, True], ["0000-01-01T00:00:00.000000Z", ID, None, True], [NOW, ID, "", True],
    ["2026-02-30T00:00:00.000000Z", ID, None, True], [NOW, ID, NOW, None], [NOW, ID, NOW, 1], [[NOW], ID, NOW, True],
    [NOW, ID, NOW, True, "1"], [NOW, ID, NOW, True, 1, NOW], [NOW, ID, None, True, 1, NOW, ID, True, "x"],
    [NOW, ID, None, True, 1, NOW, 7, True, 1], [NOW, ID, None, True, 1.5], [NOW, ID, None, True, True],
    {"time": NOW}, [[[[]]]], [10**18, 10**18, 10**18, 10**18], ["\x00", ID, None, True], [NOW, ID, "now()", False],
]  # fmt: skip


@pytest.mark.one_engine
def test_a_forged_token_of_the_wrong_shape_is_rejected(ann):
    """The checksum is not a signature, so anybody can forge tokens."""
    ann.add()
    for values in MISSHAPEN:
        token = cursors.encode(values, ann.user_id, "changes")
        assert_problem(CHANGES(ann, query_string={"since": token}), 422, "invalid_cursor")


@pytest.mark.parametrize("position", [LONG_AGO, FAR_FUTURE, NOW])
@pytest.mark.parametrize("began", [LONG_AGO, FAR_FUTURE, None])
@pytest.mark.parametrize("is_whole", [True, False])
def test_a_forged_token_with_any_time_is_answered(ann, position, began, is_whole):
    """With the caller's own tasks, or 410; the service never fails."""
    ann.add()
    token = cursors.encode([position, ID, began, is_whole], ann.user_id, "changes")
    answer = CHANGES(ann, query_string={"since": token})

    if answer.status_code != 200:
        assert_problem(answer, 410, "resync_required")
    else:
        assert CHANGES(ann, query_string={"since": answer.json["next"]}).status_code in (200, 410)


@pytest.mark.parametrize(
    ("days", "status"), [(TRASH_DAYS - 1, 200), (TRASH_DAYS - 0.01, 200), (TRASH_DAYS, 410), (400, 410)]
)
def test_a_token_older_than_the_trash_requires_a_new_start(ann, days, status):
    """Deletions since then may be forgotten. A younger token is accepted."""
    task = ann.add()
    answer = CHANGES(ann, query_string={"since": aged(changes(ann)["next"], ann, days=days)})

    if status == 410:
        assert_problem(answer, 410, "resync_required")
        assert "since" in answer.json["detail"]
    else:
        assert (answer.status_code, answer.json["changed"]) == (200, [task])
    assert changes(ann)["changed"] == [task]


@pytest.mark.parametrize("days", [1, 29])
def test_a_tokens_age_does_not_depend_on_the_tasks_age(app, ann, days):
    """An account that was unused for a year needs no new start, also between its pages."""
    for _ in range(4):
        age_task(app, ann, ann.add()["id"], 400 * DAY)
    replica = Replica(ann, limit=2)
    assert replica.read_page()
    replica.token = aged(replica.token, ann, days=days)
    replica.read_to_the_end()
    assert replica.tasks == tasks_of(ann)
    replica.token = aged(replica.token, ann, days=TRASH_DAYS - days - 0.1)

    assert replica.read_to_the_end() == 1


def test_a_token_of_an_unfinished_run_is_as_old_as_the_runs_start(app, ann):
    """Its first page was in time, but deletions behind that page can be forgotten before the second."""
    ids = [ann.add()["id"] for _ in range(3)]
    replica = Replica(ann, limit=1)
    replica.read_to_the_end()
    delete(ann, *ids)
    for number, task_id in enumerate(ids):
        age_task(app, ann, task_id, 28 * DAY - number, is_deleted=True)
    replica.token = aged(replica.token, ann, days=29)
    assert replica.read_page()
    assert replica.tasks.keys() == set(ids[1:])
    # Three days later the trash no longer has them.
    forget(app, ann, *ids)
    later = CHANGES(ann, query_string={"since": aged(replica.token, ann, days=3)})

    assert_problem(later, 410, "resync_required")


def test_a_client_that_starts_again_after_410_has_the_servers_tasks(app, ann):
    """If it drops the tasks that are not listed again."""
    kept, forgotten = ann.add(), ann.add()
    replica = Replica(ann)
    replica.read_to_the_end()
    delete(ann, forgotten["id"])
    forget(app, ann, forgotten["id"])
    assert_problem(CHANGES(ann, query_string={"since": aged(replica.token, ann, days=31)}), 410, "resync_required")

    restarted = Replica(ann)
    restarted.read_to_the_end()
    assert restarted.tasks == tasks_of(ann) == {kept["id"]: kept}


def test_a_slow_write_appears_in_the_next_run(app, ann):
    """Its transaction began before an hour-long run and committed behind the run's position."""
    late, *_ = (ann.add() for _ in range(3))
    replica = Replica(ann, limit=1)
    assert replica.read_page()
    age_task(app, ann, late["id"], 3600 + 19, title="late")
    replica.token = aged(replica.token, ann, hours=1)
    replica.read_to_the_end()
    assert replica.tasks[late["id"]]["title"] == "tea"
    replica.read_to_the_end()

    assert replica.tasks == tasks_of(ann)


def test_a_token_can_be_used_twice(ann):
    """If a response is lost, the same request gets it again."""
    ann.add()
    since = changes(ann)["next"]
    ann.add()
    first, second = changes(ann, since, limit=1), changes(ann, since, limit=1)

    assert first["changed"] == second["changed"]
    assert changes(ann, first["next"])["changed"] == changes(ann, second["next"])["changed"]


def test_tokens_keep_working_over_many_runs(ann):
    """A hundred runs, each with the token of the last, and most of some pages."""
    replica = Replica(ann, limit=30)
    for number in range(100):
        task = ann.add(title=str(number))
        if number % 3 == 0:
            delete(ann, task["id"])
        replica.read_to_the_end()
        assert task["id"] in replica.tasks or number % 3 == 0

    assert replica.tasks == tasks_of(ann)
