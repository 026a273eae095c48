"""A call with a `request_id` is done once, however often it is sent."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.mcp.agents import Agent

pytestmark = pytest.mark.both_engines

TASKS = [{"title": "tea"}, {"title": "milk"}]


@pytest.fixture
def agent(app, ann):
    return Agent(app, ann)


def test_fifty_equal_calls_at_once_make_one_set_of_tasks(agent, ann):
    """And all of them answer with it."""
    with ThreadPoolExecutor(50) as threads:
        answers = list(threads.map(lambda _: agent.use("add_tasks", tasks=TASKS, request_id="one"), range(50)))
    made = ann.get("/v1/tasks").json["items"]
    assert len(made) == 2
    for answer in answers:
        assert {task["id"] for task in answer["tasks"]} == {task["id"] for task in made}


@pytest.mark.parametrize("tool", ["complete_tasks", "delete_tasks"])
def test_a_repeated_call_gets_the_first_answer(agent, ann, tool):
    """Also where doing it again would fail."""
    task = ann.add(due_on="2050-01-01", recurrence="FREQ=DAILY")
    first, second = (agent.use(tool, ids=[task["id"]], request_id="a word, or two") for _ in range(2))
    assert first == second
    assert len(ann.get("/v1/tasks").json["items"]) == (2 if tool == "complete_tasks" else 0)


def test_a_failed_call_can_be_corrected_with_the_same_id(agent, ann):
    """Nothing was done, so nothing is remembered."""
    assert "title" in agent.failure("add_tasks", tasks=[{"titel": "tea"}], request_id="x")
    assert "list_id" in agent.failure("add_tasks", tasks=[{"title": "tea", "list_id": TASK_ID}], request_id="x")
    agent.use("add_tasks", tasks=TASKS, request_id="x")
    assert len(ann.get("/v1/tasks").json["items"]) == 2


def test_another_call_with_the_same_id_is_refused(agent, ann):
    """Other arguments, or another tool; the zone of the answer does not count."""
    agent.use("add_tasks", tasks=TASKS, request_id="x")
    agent.use("add_tasks", tasks=TASKS, request_id="x", time_zone="Asia/Tokyo")
    ids = [task["id"] for task in ann.get("/v1/tasks").json["items"]]
    for tool, arguments in (("add_tasks", {"tasks": TASKS[:1]}), ("complete_tasks", {"ids": ids})):
        assert "Idempotency-Key" in agent.failure(tool, **arguments, request_id="x")
    assert len(ids) == 2


def test_users_do_not_share_ids(app, agent, bob):
    """Bob's `x` is another one."""
    agent.use("add_tasks", tasks=TASKS, request_id="x")
    Agent(app, bob).use("add_tasks", tasks=TASKS[:1], request_id="x")
    assert len(bob.get("/v1/tasks").json["items"]) == 1


TASK_ID = "0199b1f3-8d4f-7b52-8e6c-3a7d9f1b5c28"
