"""What each tool does, and what it says when it cannot."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from app.mcp.arguments import MAX_FOUND, MAX_WRITTEN
from app.mcp.results import DETAILS_SHOWN
from tests.api.support.past import age_task
from tests.mcp.agents import Agent

pytestmark = pytest.mark.one_engine

ABSENT = "0199b1f3-8d4f-7b52-8e6c-3a7d9f1b5c28"


@pytest.fixture
def agent(app, ann):
    return Agent(app, ann)


def titles(found):
    return [task["title"] for task in found["tasks"]]


def test_found_tasks_are_the_open_ones(agent, ann):
    """Unless the call asks for completed ones, or for the trash."""
    ids = {title: ann.add(title=title)["id"] for title in ("open", "completed", "deleted")}
    ann.patch(f"/v1/tasks/{ids['completed']}", json={"completed": True})
    ann.delete(f"/v1/tasks/{ids['deleted']}")

    assert titles(agent.use("find_tasks")) == ["open"]
    assert titles(agent.use("find_tasks", completed=False)) == ["open"]
    assert titles(agent.use("find_tasks", completed=True)) == ["completed"]
    assert titles(agent.use("find_tasks", deleted=True)) == ["deleted"]


def test_filters_are_those_of_the_api(agent, ann):
    """By their names; one value will do where a list is taken."""
    list_id = ann.post("/v1/lists", json={"name": "Groceries"}).json["id"]
    tea = ann.add(title="Buy tea", priority="high", tags=["home"], list_id=list_id, due_on="2050-01-01")
    ann.add(title="Buy milk", parent_id=tea["id"])
    ann.add(title="Read")

    for filters in (
        {"q": "TEA"},
        {"priority": ["high"]},
        {"priority": "high"},
        {"tag": "home"},
        {"list": list_id, "parent": "none"},
        {"due_before": "2050-01-02"},
        {"due_after": "2049-01-01T00:00:00Z"},
        {"overdue": False, "q": "tea"},
    ):
        assert titles(agent.use("find_tasks", **filters)) == ["Buy tea"], filters
    assert titles(agent.use("find_tasks", parent=tea["id"])) == ["Buy milk"]
    assert titles(agent.use("find_tasks", sort="title")) == ["Buy milk", "Buy tea", "Read"]


def test_pages_follow_each_other(agent, ann):
    """With the cursor of the page before, which the last page does not have."""
    for number in range(5):
        ann.add(title=str(number))
    first = agent.use("find_tasks", limit=3, sort="created_at")
    rest = agent.use("find_tasks", limit=3, sort="created_at", cursor=first["next_cursor"])
    assert titles(first) + titles(rest) == ["0", "1", "2", "3", "4"]
    assert "next_cursor" not in rest


def test_what_is_not_set_is_left_out(agent, ann):
    """A model reads every byte. What it might need is in get_task."""
    task_id = ann.add(title="tea")["id"]
    (short,) = agent.use("find_tasks")["tasks"]
    assert short == {"id": task_id, "title": "tea", "completed": False}
    whole = agent.use("get_task", id=task_id)["task"]
    assert whole.keys() - short.keys() == {"created_at", "updated_at"}


def test_long_details_are_cut_in_lists(agent, ann):
    """And say so, because a model that writes them back would lose the rest."""
    details = "x" * (DETAILS_SHOWN + 1)
    task_id = ann.add(details=details)["id"]
    ann.add(details=details[1:])
    shown = {task["id"]: (task["details"], task.get("details_cut")) for task in agent.use("find_tasks")["tasks"]}
    assert shown.pop(task_id) == (details[1:], True)
    assert list(shown.values()) == [(details[1:], None)]
    assert agent.use("get_task", id=task_id)["task"]["details"] == details


def test_every_answer_says_what_day_it_is(agent, ann):
    """In the zone that the call names, or in UTC."""
    before = datetime.now(UTC)
    found = {zone: agent.use("list_lists", time_zone=zone) for zone in ("Pacific/Kiritimati", "Pacific/Niue")}
    for zone, answer in found.items():
        days = {moment.astimezone(ZoneInfo(zone)).date().isoformat() for moment in (before, datetime.now(UTC))}
        assert answer["today"] in days
        assert answer["time_zone"] == zone
    assert found["Pacific/Kiritimati"]["today"] > found["Pacific/Niue"]["today"]
    assert agent.use("add_tasks", tasks=[{"title": "tea"}])["time_zone"] == "UTC"


def test_added_tasks_are_as_the_api_makes_them(agent, ann):
    """All fields, and subtasks of tasks that are there."""
    parent = ann.add()["id"]
    given = {"title": "milk", "details": "2 l", "priority": "low", "tags": ["a"], "due_on": "2050-01-01"}
    added = agent.use("add_tasks", tasks=[given, {"title": "bread", "parent_id": parent}])["tasks"]
    first, second = (ann.get(f"/v1/tasks/{task['id']}").json for task in added)
    assert given.items() <= first.items()
    assert second["parent_id"] == parent


def test_changes_are_of_the_named_fields(agent, ann):
    """An empty text means nothing, because some models send one for each field that they do not use."""
    task = ann.add(title="tea", details="green", due_on="2050-01-01", recurrence="FREQ=DAILY", tags=["a"])
    change = {"id": task["id"], "title": "", "details": "", "due_at": "", "time_zone": "", "due_on": "2050-02-01"}
    (changed,) = agent.use("update_tasks", tasks=[change])["tasks"]
    now = ann.get(f"/v1/tasks/{task['id']}").json
    assert changed["due_on"] == now["due_on"] == "2050-02-01"
    for name in ("title", "details", "recurrence", "tags"):
        assert now[name] == task[name]


@pytest.mark.parametrize("clear", ["remove", None])
def test_fields_are_cleared_by_a_word_or_null(agent, ann, clear):
    """Some clients cannot send null."""
    list_id = ann.post("/v1/lists", json={"name": "Groceries"}).json["id"]
    fields = {"details": "x", "due_on": "2050-01-01", "time_zone": "Asia/Tokyo", "recurrence": "FREQ=DAILY"}
    task_id = ann.add(**fields, list_id=list_id)["id"]
    agent.use("update_tasks", tasks=[{"id": task_id, **dict.fromkeys([*fields, "list_id"], clear)}])
    now = ann.get(f"/v1/tasks/{task_id}").json
    assert {name: now[name] for name in (*fields, "list_id")} == dict.fromkeys([*fields, "list_id"])


def test_completing_names_what_follows(agent, ann):
    """The next occurrence of a recurring task; reopening a subtask, its parent."""
    recurring = ann.add(title="Water", due_on="2050-01-01", recurrence="FREQ=DAILY")["id"]
    parent = ann.add(title="Move")["id"]
    child = ann.add(title="Pack", parent_id=parent)["id"]

    done = agent.use("complete_tasks", ids=[recurring, parent])
    assert [(task["title"], task["completed"]) for task in done["tasks"]] == [("Water", True), ("Move", True)]
    assert [(task["title"], task["due_on"]) for task in done["also_changed"]] == [("Water", "2050-01-02")]
    assert ann.get(f"/v1/tasks/{child}").json["completed"]

    reopened = agent.use("reopen_tasks", ids=[child])
    assert [task["id"] for task in reopened["also_changed"]] == [parent]


@pytest.mark.parametrize("is_reversed", [False, True])
def test_a_task_and_its_subtask_can_be_named_together_in_any_order(agent, ann, is_reversed):
    """Deleted, restored, completed and reopened."""
    parent = ann.add()["id"]
    ids = [parent, ann.add(parent_id=parent)["id"]]
    ids = ids[::-1] if is_reversed else ids
    for tool in ("complete_tasks", "reopen_tasks", "delete_tasks", "restore_tasks"):
        assert {task["id"] for task in agent.use(tool, ids=ids)["tasks"]} == set(ids)
        assert ann.get("/v1/tasks", query_string={"deleted": "true"}).json["items"] == [] or tool == "delete_tasks"
    assert len(ann.get("/v1/tasks").json["items"]) == 2


@pytest.mark.parametrize("tool", ["delete_tasks", "restore_tasks"])
def test_a_missing_task_is_named_by_its_place_in_the_call(agent, ann, tool):
    """Although the tasks of a family are not taken in that order."""
    parent = ann.add()["id"]
    child = ann.add(parent_id=parent)["id"]
    for ids in ([parent, ABSENT, child], [child, ABSENT, parent], [ABSENT, child]):
        assert agent.failure(tool, ids=ids).startswith(f"ids.{ids.index(ABSENT)}: ")


def test_naming_a_task_twice_is_naming_it_once(agent, ann):
    """Deleting twice would find nothing the second time."""
    task_id = ann.add()["id"]
    assert len(agent.use("delete_tasks", ids=[task_id, task_id])["tasks"]) == 1


def test_deleted_tasks_can_be_found_and_restored_for_30_days(app, agent, ann):
    """Not after that."""
    kept, gone = (ann.add(title=title)["id"] for title in ("kept", "gone"))
    agent.use("delete_tasks", ids=[kept, gone])
    age_task(app, ann, gone, 31 * 24 * 3600, is_deleted=True)
    assert titles(agent.use("find_tasks", deleted=True)) == ["kept"]
    assert titles(agent.use("restore_tasks", ids=[kept])) == ["kept"]
    assert "no such task" in agent.failure("restore_tasks", ids=[gone])


def test_lists_are_added_and_shown(agent):
    """In their order, with their colors."""
    agent.use("add_list", name="Groceries", color="#2e7d32")
    (added,) = agent.use("add_list", name="Work")["lists"]
    shown = agent.use("list_lists")["lists"]
    assert [(each["name"], each.get("color")) for each in shown] == [("Groceries", "#2e7d32"), ("Work", None)]
    assert shown[1] == added


@pytest.mark.parametrize(
    ("tool", "arguments", "says"),
    [
        ("find_tasks", {"limit": MAX_FOUND + 1}, "limit: Must be"),
        ("find_tasks", {"limit": "many"}, "limit: "),
        ("find_tasks", {"complete": True}, "complete: Unknown field."),
        ("find_tasks", {"cursor": "x"}, "cursor"),
        ("find_tasks", {"time_zone": "Berlin"}, "time_zone: Must be the name"),
        ("get_task", {}, "id: Missing"),
        ("get_task", {"id": "tea"}, "id: Must be a UUID"),
        ("get_task", {"id": ABSENT}, "There is no such task"),
        ("add_tasks", {"tasks": []}, "tasks: "),
        ("add_tasks", {"tasks": [{"title": "x"}] * (MAX_WRITTEN + 1)}, "tasks: "),
        ("add_tasks", {"tasks": "x"}, "tasks.0"),
        ("add_tasks", {"tasks": [{"title": "x"}, {"titel": "y"}]}, "tasks.1.titel: Unknown field."),
        ("add_tasks", {"tasks": [{"details": "y"}, {"title": ""}]}, "tasks.1.title: Missing"),
        ("add_tasks", {"tasks": [{"title": "x", "recurrence": "FREQ=DAILY"}]}, "tasks.0"),
        ("add_tasks", {"tasks": [{"title": "x", "list_id": ABSENT}]}, "tasks.0.list_id: There is no such list."),
        ("update_tasks", {"tasks": [{"title": "x"}]}, "tasks.0.id: Missing"),
        ("update_tasks", {"tasks": [{"id": ABSENT}]}, "tasks.0: Give at least one field"),
        ("update_tasks", {"tasks": [{"id": ABSENT, "title": "x"}]}, "tasks.0: There is no such task."),
        ("complete_tasks", {"ids": [ABSENT]}, "ids.0: There is no such task."),
        ("complete_tasks", {"ids": "x"}, "ids.0: Must be a UUID"),
        ("add_list", {"name": " "}, "name: "),
        ("add_list", {"name": "x", "color": "green"}, "color: Must be a color"),
        ("add_tasks", {"tasks": [{"title": "x"}], "request_id": "x" * 256}, "request_id: "),
    ],
)
def test_what_is_wrong_with_arguments_says_where(agent, tool, arguments, says):
    """As a result, so that the model can correct it."""
    assert says in agent.failure(tool, **arguments)


@pytest.mark.parametrize("tool", ["update_tasks", "complete_tasks", "delete_tasks", "add_tasks"])
def test_one_wrong_task_leaves_all_unchanged(agent, ann, tool):
    """All of them, or none."""
    task = ann.add()
    others = {
        "update_tasks": {"tasks": [{"id": task["id"], "title": "x"}, {"id": ABSENT, "title": "x"}]},
        "add_tasks": {"tasks": [{"title": "x"}, {"title": "y", "parent_id": ABSENT}]},
    }
    agent.failure(tool, **others.get(tool, {"ids": [task["id"], ABSENT]}))
    assert ann.get("/v1/tasks").json["items"] == [task]


def test_a_limit_is_named(agent, ann, monkeypatch):
    """What the API answers with 409."""
    monkeypatch.setattr("app.tasks.lists.MAX_LISTS", 1)
    agent.use("add_list", name="One")
    assert "list" in agent.failure("add_list", name="Two").lower()


def test_a_page_of_fifty_tasks_is_small_enough_for_a_model(agent, ann):
    """Under 20 KB, with every field set and details that are cut."""
    due = (datetime.now(UTC) + timedelta(days=3)).date().isoformat()
    task = {"details": "y" * 500, "priority": "high", "tags": ["home", "errands"], "due_on": due}
    for _ in range(2):
        agent.use("add_tasks", tasks=[{"title": f"Buy {n} packets of tea", **task} for n in range(25)])
    result = agent.result("find_tasks", limit=50)
    assert len(result["structuredContent"]["tasks"]) == 50
    assert 10_000 < len(result["content"][0]["text"].encode()) < 20_000
