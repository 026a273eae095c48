"""Run many operations on tasks in one transaction: all of them, or none."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from app.auth.identity import Identity
from app.http.problems import Problem, ValidationFailed
from app.tasks.drafts import IdTakenConcurrently
from app.tasks.preconditions import etag
from app.tasks.problems import IdTaken
from app.tasks.queries import for_known_user
from app.tasks.unit_of_work import UnitOfWork, in_unit_of_work
from app.turns import give_way

Operation = Mapping[str, Any]


def run(identity: Identity, operations: Sequence[Operation]) -> list[dict[str, str | None]]:
    """Run the operations in order; return each one's task id, and the task's ETag after the whole batch."""
    ids, written = write_all(identity, operations)
    versions = map(written.version, ids)
    return [{"id": id_, "etag": etag(version) if version else None} for id_, version in zip(ids, versions, strict=True)]


def write_all(
    identity: Identity, operations: Sequence[Operation], *, subtasks_first: bool | None = None
) -> tuple[list[str], UnitOfWork]:
    """Run the operations in order; return each one's task id, and the unit of work that has written them.

    With `subtasks_first`, run those on subtasks before the others; if it is False, after them. Errors and the ids keep
    the order of the operations.
    """

    def run_in(drafts: UnitOfWork) -> tuple[list[str], UnitOfWork]:
        order = [*range(len(operations))]
        if subtasks_first is not None:
            order.sort(key=lambda index: drafts.is_subtask(operations[index]["id"]) is not subtasks_first)
        return _run(drafts, operations, order), drafts

    named = {id_ for operation in operations for id_ in _named(operation) if id_}
    return for_known_user(
        identity,
        lambda: in_unit_of_work(identity.user_id, sorted(named), run_in),
    )


def _named(operation: Operation) -> Iterator[str | None]:
    """Yield the ids of all tasks that an operation names, and of a new one too, because it may be taken."""
    body = operation.get("task") or operation.get("changes") or {}
    yield from (operation.get(name) for name in ("id", "before", "after", "parent_id"))
    yield from (body.get(name) for name in ("id", "parent_id"))


def _run(drafts: UnitOfWork, operations: Sequence[Operation], order: Sequence[int]) -> list[str]:
    """Run the operations in the order of these indexes; return the task ids in the operations' own order."""
    ids = [""] * len(operations)
    try:
        for index in order:
            ids[index] = _apply(drafts, operations[index], index)
        drafts.write()
    except IdTakenConcurrently as taken:
        raise IdTaken().at(f"operations.{ids.index(taken.task_id)}") from taken
    return ids


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
            case "move":
                drafts.move(task_id, operation)
            case "delete":
                drafts.delete(task_id)
            case "restore":
                drafts.restore(task_id)
    except ValidationFailed as problem:
        # The only errors left are fields that do not fit the task, because the body is already validated.
        body = {"create": ".task", "update": ".changes"}.get(operation["op"], "")
        raise problem.at(f"operations.{index}{body}") from problem
    except Problem as problem:
        raise problem.at(f"operations.{index}") from problem
    return task_id
