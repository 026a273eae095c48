"""What clients and models are told about the tools, and that the tools keep to it."""

import json
from typing import Any

import jsonschema_rs
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.mcp.tools import TOOLS
from tests.conftest import Caller, new_user_id
from tests.mcp.agents import Agent

pytestmark = pytest.mark.one_engine

# Claude's API refuses a session for the first; Gemini, for the rest.
FORBIDDEN = {"oneOf", "anyOf", "allOf", "not", "$ref", "$defs", "format", "const", "default", "additionalProperties"}

TITLES = st.text(min_size=1, max_size=40).filter(lambda text: text.strip() and "\x00" not in text)
REMINDERS = st.sampled_from([{"before_minutes": 15}, {"at": "2050-01-01T09:00:00Z"}])
TASKS = st.fixed_dictionaries(
    {"title": TITLES},
    optional={
        "details": st.text(max_size=300).filter(lambda text: "\x00" not in text),
        "priority": st.sampled_from(["none", "low", "medium", "high"]),
        "tags": st.lists(st.sampled_from(["home", "Errands", "büro"]), max_size=3),
        "completed": st.booleans(),
        "time_zone": st.sampled_from(["Europe/Berlin", "UTC"]),
        "due_on": st.just("2050-01-01"),
        "recurrence": st.none(),
        "reminders": st.lists(REMINDERS, max_size=2),
    },
)


def schemas(node: Any):
    """Yield every schema within a schema."""
    if isinstance(node, dict):
        yield node
        for inner in node.get("properties", {}).values():
            yield from schemas(inner)
        if "items" in node:
            yield from schemas(node["items"])


@pytest.mark.parametrize("tool", TOOLS.values(), ids=lambda tool: tool.name)
def test_schemas_have_only_what_all_clients_know(tool):
    """One schema that a client does not know makes it drop all tools, or refuse the session."""
    described = tool.described()
    for schema in (described["inputSchema"], described["outputSchema"]):
        assert schema["type"] == "object"
        jsonschema_rs.meta.validate(schema)
        for part in schemas(schema):
            assert isinstance(part["type"], str)
            assert not part.keys() & FORBIDDEN
            assert part["type"] != "array" or part["items"]


@pytest.mark.parametrize("tool", TOOLS.values(), ids=lambda tool: tool.name)
def test_every_tool_is_described(tool):
    """A title, a sentence, and all four annotations: their defaults are the worst case."""
    described = tool.described()
    assert described["title"]
    assert described["description"].endswith(".")
    hints = {name: hint for name, hint in described["annotations"].items() if name != "title"}
    assert hints.keys() == {"readOnlyHint", "destructiveHint", "idempotentHint", "openWorldHint"}
    assert hints["destructiveHint"] is (tool.name in ("update_tasks", "delete_tasks"))
    assert not any(name.startswith("user") for name in described["inputSchema"]["properties"])


def test_the_list_of_tools_is_short():
    """It is part of every conversation."""
    assert len(TOOLS) == 10
    assert len(json.dumps([tool.described() for tool in TOOLS.values()])) < 30_000


def test_an_object_that_describes_itself_is_described():
    """As the object that its field takes."""
    tasks = TOOLS["add_tasks"].described()["inputSchema"]["properties"]["tasks"]
    reminder = tasks["items"]["properties"]["reminders"]["items"]
    judge = jsonschema_rs.validator_for(reminder)
    assert reminder["properties"].keys() == {"before_minutes", "at"}
    assert judge.is_valid({"before_minutes": 15})
    assert not judge.is_valid({"before_minutes": -1})
    assert not judge.is_valid("15")


@pytest.fixture(scope="module")
def judges() -> dict[str, Any]:
    """A validator for each tool, because compiling one takes longer than using the tool."""
    return {name: jsonschema_rs.validator_for(tool.described()["outputSchema"]) for name, tool in TOOLS.items()}


@settings(max_examples=60, deadline=None, database=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(TASKS, min_size=1, max_size=6), st.randoms(use_true_random=False))
def test_every_answer_fits_its_schema(app, judges, tasks, random):
    """Strict clients refuse another one."""
    agent = Agent(app, Caller(app, new_user_id()))

    def use(tool, **arguments):
        found = agent.use(tool, **arguments)
        judges[tool].validate(found)
        return found

    ids = [task["id"] for task in use("add_tasks", tasks=tasks)["tasks"]]
    some = random.sample(ids, random.randint(1, len(ids)))
    use("update_tasks", tasks=[{"id": id_, "priority": "high", "details": "x" * 300} for id_ in some])
    use("update_tasks", tasks=[{"id": ids[0], "due_on": "2050-01-01", "recurrence": "FREQ=DAILY"}])
    use("complete_tasks", ids=some)
    use("reopen_tasks", ids=some[:1])
    use("delete_tasks", ids=some)
    use("find_tasks", deleted=True)
    use("restore_tasks", ids=some[:1])
    use("get_task", id=some[0])
    use("find_tasks", limit=1)
    use("find_tasks", completed=True)
    use("add_list", name="Groceries")
    use("list_lists")
