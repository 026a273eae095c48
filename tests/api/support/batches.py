"""Short forms of batches."""

from typing import Any

from tests.api.support.calls import BATCH
from tests.conftest import Caller

Operation = dict[str, Any]


def create(**task: Any) -> Operation:
    return {"op": "create", "task": {"title": "tea", **task}}


def update(task_id: str, **changes: Any) -> Operation:
    return {"op": "update", "id": task_id, "changes": changes}


def op(name: str, task_id: str) -> Operation:
    """Return an operation that needs only its task."""
    return {"op": name, "id": task_id}


def run(caller: Caller, *operations: Operation, **options: Any) -> list[dict[str, Any]]:
    """Return the results of a successful batch."""
    answer = BATCH(caller, json={"operations": operations}, **options)
    assert (answer.status_code, answer.mimetype) == (200, "application/json"), answer.text
    assert set(answer.json) == {"results"}
    return list(answer.json["results"])
