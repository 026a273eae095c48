"""Run many operations on tasks in one transaction: all of them, or none."""

from collections.abc import Mapping, Sequence
from typing import Any

from app.auth.identity import Identity
from app.database import transaction
from app.http.problems import Problem, ValidationFailed
from app.tasks.edits import IdTakenConcurrently, UnitOfWork
from app.tasks.preconditions import etag
from app.tasks.problems import IdTaken
from app.tasks.queries import for_known_user
from app.turns import give_way

Operation = Mapping[str, Any]


def run(identity: Identity, operations: Sequence[Operation]) -> list[dict[str, str | None]]:
    """Run the operations in order; return each one's task id, and the task's ETag after the whole batch."""
    return for_known_user(identity, lambda: _run(identity.user_id, operations))


def _run(user_id: str, operations: Sequence[Operation]) -> list[dict[str, str | None]]:
    with transaction():
        # Include new tasks, because their ids may be taken.
        named = {operation.get("id") or operation["task"].get("id") for operation in operations}
        drafts = UnitOfWork(user_id, sorted(filter(None, named)))
        ids = [_apply(drafts, operation, index) for index, operation in enumerate(operations)]
        try:
            drafts.write()
        except IdTakenConcurrently as taken:
            raise IdTaken().at(f"operations.{ids.index(taken.task_id)}") from taken
    versions = map(drafts.version, ids)
    return [{"id": id_, "etag": etag(version) if version else None} for id_, version in zip(ids, versions, strict=True)]


def _apply(drafts: UnitOfWork, operation: Operation, index: int) -> str:
    """Run one operation, and return its task's id."""
    give_way()
    try:
        if operation["op"] == "create":
            return drafts.create(operation["task"])
        task_id = str(operation["id"])
        match operation["op"]:
            case "update":
                drafts.change(task_id, operation["changes"])
            case "complete" | "reopen" as op:
                drafts.change(task_id, {"completed": op == "complete"})
            case "delete":
                drafts.delete(task_id)
    except ValidationFailed as problem:
        # The only errors left are fields that do not fit the task, because the body is already validated.
        raise problem.at(f"operations.{index}.changes") from problem
    except Problem as problem:
        raise problem.at(f"operations.{index}") from problem
    return task_id
