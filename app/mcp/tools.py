"""The tools: what a model is told about each, and the function that it calls."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from marshmallow import Schema, ValidationError

from app.auth.identity import Identity
from app.http.parsing import refused
from app.http.problems import Problem
from app.mcp import arguments, reading, results, writing
from app.mcp.json_schemas import taken

FUTURE = "Due dates count from `today` in the answer of find_tasks."
_TODAY = {"today": {"type": "string"}, "time_zone": {"type": "string"}}


@dataclass(frozen=True, slots=True)
class Tool:
    name: str
    title: str
    description: str
    takes: Schema
    # The properties of the answer; the first is always there.
    answers: Mapping[str, Any]
    run: Callable[[Identity, Mapping[str, Any]], dict[str, Any]]
    only_reads: bool = False
    is_destructive: bool = False
    # Whether a repetition with the same arguments changes nothing more.
    is_idempotent: bool = False

    def described(self) -> dict[str, Any]:
        """Return the tool as `tools/list` shows it."""
        properties = {**self.answers, **_TODAY}
        return {
            "name": self.name,
            "title": self.title,
            "description": self.description,
            "inputSchema": taken(self.takes),
            "outputSchema": {"type": "object", "properties": properties, "required": [next(iter(properties)), *_TODAY]},
            "annotations": {
                "title": self.title,
                "readOnlyHint": self.only_reads,
                "destructiveHint": self.is_destructive,
                "idempotentHint": self.is_idempotent or self.only_reads,
                # The tools reach nothing but the user's tasks.
                "openWorldHint": False,
            },
        }


def call(tool: Tool, identity: Identity, given: Mapping[str, Any]) -> dict[str, Any]:
    """Run a tool. What is wrong with its arguments or with tasks is a result too, for the model to act on."""
    try:
        try:
            loaded = arguments.load(tool.takes, given)
        except ValidationError as error:
            raise refused(error) from error
        zone = loaded.get("time_zone")
        return results.success({**tool.run(identity, loaded), **results.today(zone)})
    except Problem as problem:
        if problem.status in (401, 403) or problem.status >= 500:
            raise
        return results.failure(problem, "ids" if "ids" in tool.takes.fields else "tasks")


_TASKS = {"type": "array", "items": results.task_schema(is_whole=False)}
_FOUND = {"tasks": _TASKS, "next_cursor": {"type": "string", "description": "There are more: pass it as `cursor`."}}
_ALSO = {"description": "Next occurrences of completed tasks, and parents that were reopened."}
_WRITTEN = {"tasks": _TASKS, "also_changed": {**_TASKS, **_ALSO}}
_LISTS = {"lists": {"type": "array", "items": results.list_schema()}}


def _writing(name: str, title: str, description: str, takes: type[Schema], run: writing.Tool, **hints: bool) -> Tool:
    answers = _LISTS if name == "add_list" else _WRITTEN
    return Tool(name, title, description, takes(), answers, writing.once(name, run), **hints)


TOOLS: Mapping[str, Tool] = {
    tool.name: tool
    for tool in (
        Tool(
            "find_tasks",
            "Find tasks",
            "Find tasks: open ones unless `completed` or `deleted` says otherwise. All filters must match. Fields that "
            "are not set are left out.",
            arguments.FoundTasks(),
            _FOUND,
            reading.find_tasks,
            only_reads=True,
        ),
        Tool(
            "get_task",
            "Show a task",
            "Show one task with all of its details. Its subtasks: find_tasks with `parent`.",
            arguments.OneTask(),
            {"task": results.task_schema(is_whole=True)},
            reading.get_task,
            only_reads=True,
        ),
        _writing(
            "add_tasks",
            "Add tasks",
            f"Add up to {arguments.MAX_WRITTEN} tasks: all of them, or none. {FUTURE}",
            arguments.AddedTasks,
            writing.add_tasks,
        ),
        _writing(
            "update_tasks",
            "Change tasks",
            f"Change fields of up to {arguments.MAX_WRITTEN} tasks: all of them, or none. A new due date keeps the "
            f"recurrence. {FUTURE}",
            arguments.ChangedTasks,
            writing.update_tasks,
            is_destructive=True,
            is_idempotent=True,
        ),
        _writing(
            "complete_tasks",
            "Complete tasks",
            "Complete tasks, and their subtasks with them. A recurring task is followed by its next occurrence.",
            arguments.NamedTasks,
            writing.each("complete"),
            is_idempotent=True,
        ),
        _writing(
            "reopen_tasks",
            "Reopen tasks",
            "Mark completed tasks as open again.",
            arguments.NamedTasks,
            writing.each("reopen"),
            is_idempotent=True,
        ),
        _writing(
            "delete_tasks",
            "Delete tasks",
            "Move tasks to the trash, and their subtasks with them. For 30 days restore_tasks brings them back.",
            arguments.NamedTasks,
            writing.each("delete", subtasks_first=True),
            is_destructive=True,
        ),
        _writing(
            "restore_tasks",
            "Restore tasks",
            "Bring deleted tasks back, and the subtasks that were deleted with them. find_tasks with `deleted` finds "
            "them.",
            arguments.NamedTasks,
            writing.each("restore", subtasks_first=False),
            is_idempotent=True,
        ),
        Tool(
            "list_lists",
            "Show lists",
            "Show all lists that tasks are in. Tasks in no list are in the inbox.",
            arguments.Today(),
            _LISTS,
            reading.list_lists,
            only_reads=True,
        ),
        _writing("add_list", "Add a list", "Add a list for tasks.", arguments.AddedList, writing.add_list),
    )
}
