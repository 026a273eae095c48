"""The tools that write: several tasks at once, all of them or none, and once for each `request_id`."""

import hashlib
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import orjson

from app.auth.identity import Identity
from app.http.problems import ValidationFailed
from app.http.responses import json_response
from app.mcp.results import short
from app.tasks import batch, lists
from app.tasks.batch import Operation
from app.tasks.idempotency import run_once
from app.tasks.responses import LIST, TASK

Arguments = Mapping[str, Any]
Tool = Callable[[Identity, Arguments], dict[str, Any]]


def add_tasks(identity: Identity, arguments: Arguments) -> dict[str, Any]:
    return _write(identity, ({"op": "create", "task": task} for task in arguments["tasks"]))


def update_tasks(identity: Identity, arguments: Arguments) -> dict[str, Any]:
    operations = []
    for index, task in enumerate(arguments["tasks"]):
        changes = {name: value for name, value in task.items() if name != "id"}
        if not changes:
            raise ValidationFailed(errors={f"tasks.{index}": ["Give at least one field to change."]})
        operations.append({"op": "update", "id": task["id"], "changes": changes})
    return _write(identity, operations)


def each(op: str, *, subtasks_first: bool | None = None) -> Tool:
    """Return a tool that does the same to each of several tasks, in an order in which none is in another's way."""

    def tool(identity: Identity, arguments: Arguments) -> dict[str, Any]:
        ids = dict.fromkeys(arguments["ids"])
        return _write(identity, ({"op": op, "id": id_} for id_ in ids), subtasks_first=subtasks_first)

    return tool


def add_list(identity: Identity, arguments: Arguments) -> dict[str, Any]:
    return {"lists": [short(LIST.fields(lists.create_list(identity, arguments)))]}


def once(name: str, tool: Tool) -> Tool:
    """Return a tool that gives the same answer to repetitions of a call with a `request_id`."""

    def wrapper(identity: Identity, arguments: Arguments) -> dict[str, Any]:
        arguments = {key: value for key, value in arguments.items() if key != "time_zone"}
        request_id = arguments.pop("request_id", None)
        if request_id is None:
            return tool(identity, arguments)
        request_hash = hashlib.sha256(orjson.dumps([name, arguments], option=orjson.OPT_SORT_KEYS)).hexdigest()
        answer = run_once(identity, request_id, request_hash, lambda: json_response(tool(identity, arguments)))
        found: dict[str, Any] = orjson.loads(answer.get_data())
        return found

    return wrapper


def _write(identity: Identity, operations: Iterable[Operation], **order: bool | None) -> dict[str, Any]:
    ids, work = batch.write_all(identity, list(operations), **order)
    rows = work.written
    # The next occurrence of a completed task, and a parent that was reopened with its subtask.
    others = [row for id_, row in rows.items() if id_ not in ids]
    named = [short(TASK.fields(rows[id_])) for id_ in dict.fromkeys(ids)]
    return {"tasks": named, **({"also_changed": [short(TASK.fields(row)) for row in others]} if others else {})}
