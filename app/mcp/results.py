"""What the tools answer: as few bytes as say everything, because a model reads all of them."""

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import orjson
from marshmallow import Schema

from app.http.problems import NotFound, Problem, ValidationFailed
from app.mcp.json_schemas import Described, given
from app.tasks.list_schemas import List
from app.tasks.schemas import Task

DETAILS_SHOWN = 200
CUT = "details_cut"
# A model has no use for these.
_NOT_IN_WHOLE = frozenset({"user_id", "position"})
_NOT_IN_SHORT = _NOT_IN_WHOLE | {"created_at", "updated_at"}
NO_SUCH_TASK = "There is no such task. Look for it with find_tasks; it may be in the trash."


def task_schema(*, is_whole: bool) -> Described:
    """Return the JSON Schema of a task in an answer."""
    described = given(Task(), _shown(Task, _NOT_IN_WHOLE if is_whole else _NOT_IN_SHORT), ["id", "title", "completed"])
    if not is_whole:
        cut = {"type": "boolean", "description": "true if the details go on: get_task has all of them."}
        described["properties"][CUT] = cut
    return described


def list_schema() -> Described:
    return given(List(), _shown(List, _NOT_IN_SHORT), ["id", "name"])


def whole(task: Mapping[str, Any]) -> dict[str, Any]:
    """Leave out what is not set, and what a model has no use for."""
    return _set(task, _NOT_IN_WHOLE)


def short(task: Mapping[str, Any]) -> dict[str, Any]:
    """Leave out the times too, and cut the details."""
    shown = _set(task, _NOT_IN_SHORT)
    if len(shown.get("details", "")) > DETAILS_SHOWN:
        shown |= {"details": shown["details"][:DETAILS_SHOWN], CUT: True}
    return shown


def _set(task: Mapping[str, Any], hidden: frozenset[str]) -> dict[str, Any]:
    shown = {name: value for name, value in task.items() if (value or value is False) and name not in hidden}
    if shown.get("priority") == "none":
        del shown["priority"]
    return shown


def today(time_zone: str | None) -> dict[str, str]:
    zone = time_zone or "UTC"
    return {"today": datetime.now(ZoneInfo(zone)).date().isoformat(), "time_zone": zone}


def success(found: Mapping[str, Any]) -> dict[str, Any]:
    """Return a tool's result: the same as a text, for clients that show only texts to the model."""
    encoded = orjson.dumps(found)
    return {
        "content": [{"type": "text", "text": encoded.decode()}],
        "structuredContent": orjson.Fragment(encoded),
        "isError": False,
    }


def failure(problem: Problem, argument: str) -> dict[str, Any]:
    """Return a result that says what to do. It has no structured content, which would have to fit the schema."""
    says = NO_SUCH_TASK if isinstance(problem, NotFound) else problem.detail
    lines = [
        # A batch names its operations instead.
        f"{_renamed(name, argument)}: {says if messages == [problem.detail] else ' '.join(messages)}"
        for name, messages in (problem.errors or {}).items()
    ]
    if isinstance(problem, ValidationFailed):
        lines.insert(0, "Correct these arguments, and call the tool again:")
    return {"content": [{"type": "text", "text": "\n".join(lines) or says}], "isError": True}


def _renamed(name: str, argument: str) -> str:
    return re.sub(r"^operations\.(\d+)(\.task|\.changes)?", rf"{argument}.\1", name)


def _shown(schema: type[Schema], hidden: frozenset[str]) -> list[str]:
    return [name for name in schema._declared_fields if name not in hidden]
