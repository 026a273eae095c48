"""Who may call which tool, from where."""

import pytest

from app.mcp.tools import TOOLS
from app.services import services_of
from tests.api.support.calls import assert_problem
from tests.api.test_scopes import assert_insufficient
from tests.auth.personal import READ, WRITE, script_of
from tests.conftest import Caller, make_app
from tests.mcp.agents import Agent

WRITING = {"add_tasks", "update_tasks", "complete_tasks", "reopen_tasks", "delete_tasks", "restore_tasks", "add_list"}
NO_SUCH_TASK = "There is no such task"


def arguments_of(tool, task_id):
    """Return arguments with which a tool succeeds."""
    by_name = {
        "find_tasks": {"q": "tea"},
        "get_task": {"id": task_id},
        "add_tasks": {"tasks": [{"title": "milk"}]},
        "update_tasks": {"tasks": [{"id": task_id, "title": "milk"}]},
        "list_lists": {},
        "add_list": {"name": "Groceries"},
    }
    return by_name.get(tool, {"ids": [task_id]})


@pytest.mark.one_engine
@pytest.mark.parametrize("tool", TOOLS)
def test_a_token_that_may_only_read_is_refused_by_every_tool_that_writes(app, ann, tool):
    """With the challenge of RFC 6750, and nothing is written."""
    task = ann.add()
    reader = Agent(app, script_of(app, ann, READ))
    answer = reader.send("tools/call", {"name": tool, "arguments": arguments_of(tool, task["id"])})
    if tool in WRITING:
        assert_insufficient(answer, WRITE)
    else:
        assert answer.json["result"]["isError"] is False
    assert [each["title"] for each in ann.get("/v1/tasks").json["items"]] == ["tea"]
    assert ann.get(f"/v1/tasks/{task['id']}").json == task


@pytest.mark.one_engine
@pytest.mark.parametrize("tool", TOOLS)
def test_a_token_that_may_write_can_use_every_tool(app, ann, tool):
    """Writing includes reading."""
    task = ann.add()
    assert Agent(app, script_of(app, ann, WRITE)).use(tool, **arguments_of(tool, task["id"]))


@pytest.mark.one_engine
def test_the_tools_that_write_are_those_that_say_so(app, ann):
    """A new tool must be added to this test's list, or only read."""
    assert {name for name, tool in TOOLS.items() if not tool.only_reads} == WRITING


@pytest.mark.both_engines
@pytest.mark.parametrize("tool", TOOLS)
def test_no_tool_reaches_another_users_tasks(app, ann, bob, tool):
    """A foreign task looks like one that never existed; what Bob makes is his."""
    task, list_ = ann.add(title="Ann's tea"), ann.post("/v1/lists", json={"name": "Ann's"}).json
    agent = Agent(app, bob)
    result = agent.result(tool, **arguments_of(tool, task["id"]))
    if tool in ("find_tasks", "add_tasks", "list_lists", "add_list"):
        assert "Ann's" not in result["content"][0]["text"]
        assert task["id"] not in result["content"][0]["text"]
    else:
        assert result["isError"]
        assert NO_SUCH_TASK in result["content"][0]["text"]
        absent = agent.failure(tool, **arguments_of(tool, "0199b1f3-8d4f-7b52-8e6c-3a7d9f1b5c28"))
        assert result["content"][0]["text"] == absent
    assert ann.get(f"/v1/tasks/{task['id']}").json == task
    assert ann.get("/v1/lists").json["items"] == [list_]


@pytest.mark.both_engines
def test_another_users_list_and_task_cannot_be_named_as_places(app, ann, bob):
    """Neither for a new task nor for an old one."""
    task, list_ = ann.add(), ann.post("/v1/lists", json={"name": "Ann's"}).json
    own, agent = bob.add(), Agent(app, bob)
    for place in ({"list_id": list_["id"]}, {"parent_id": task["id"]}):
        assert "There is no such" in agent.failure("add_tasks", tasks=[{"title": "x", **place}])
        assert "There is no such" in agent.failure("update_tasks", tasks=[{"id": own["id"], **place}])
    assert agent.use("find_tasks", list=[list_["id"]])["tasks"] == []
    assert agent.use("find_tasks", parent=task["id"])["tasks"] == []


@pytest.mark.one_engine
def test_an_agent_needs_a_token_before_anything_else(app):
    """HTTP says so, not a tool."""
    answer = Caller(app).post("/mcp", data=b"\xff", content_type="text/plain")
    assert_problem(answer, 401, "token_missing")
    assert answer.headers["WWW-Authenticate"].startswith("Bearer")


@pytest.mark.one_engine
@pytest.mark.parametrize(
    "origin",
    ["https://app.example.com", "http://localhost:6274", "http://127.0.0.1:5173", "http://[::1]:3000", None, "own"],
)
def test_pages_of_allowed_origins_and_of_this_machine_may_call(sqlite_url, origin):
    """And what sends no origin is no page."""
    app = make_app(sqlite_url, CORS_ORIGINS="https://app.example.com")
    agent = Agent(app, Caller(app, "ann"))
    origin = services_of(app).settings.public_url if origin == "own" else origin
    agent.headers = {**agent.headers, **({"Origin": origin} if origin else {})}
    assert agent.send("tools/list").status_code == 200


@pytest.mark.one_engine
@pytest.mark.parametrize(
    "origin",
    [
        "https://evil.example.com",
        "https://app.example.com.evil.example.com",
        "http://localhost.evil.example.com",
        "http://127.0.0.1.evil.example.com",
        "http://app.example.com",
        "https://app.example.com:8443",
        "null",
        "http://[::1",
        "http://10.0.0.1",
    ],
)
def test_pages_of_other_origins_may_not(sqlite_url, origin):
    """Even if the Host header has the same name, which an attacker can point to this machine."""
    app = make_app(sqlite_url, CORS_ORIGINS="https://app.example.com")
    agent = Agent(app, Caller(app, "ann"))
    agent.headers = {**agent.headers, "Origin": origin, "Host": origin.partition("//")[2] or "x"}
    assert_problem(agent.send("tools/list"), 403, "origin_refused")


@pytest.mark.one_engine
def test_it_can_be_switched_off(sqlite_url):
    """Then there is nothing at the address."""
    app = make_app(sqlite_url, MCP="off")
    assert_problem(Agent(app, Caller(app, "ann")).send("tools/list"), 404, "not_found")
