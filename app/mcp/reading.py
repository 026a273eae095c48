"""The tools that read."""

from collections.abc import Mapping
from typing import Any

from app.auth.identity import Identity
from app.mcp.results import short, whole
from app.tasks import listing, lists, queries
from app.tasks.responses import LIST, TASK


def find_tasks(identity: Identity, query: Mapping[str, Any]) -> dict[str, Any]:
    if "completed" not in query and not query.get("deleted"):
        query = {**query, "completed": False}
    page = listing.list_tasks(identity.user_id, query)
    found: dict[str, Any] = {"tasks": [short(task) for task in TASK.many(page.tasks, identity.user_id)]}
    return found | ({"next_cursor": page.next_cursor} if page.next_cursor else {})


def get_task(identity: Identity, arguments: Mapping[str, Any]) -> dict[str, Any]:
    return {"task": whole(TASK.fields(queries.get_task(identity.user_id, arguments["id"])))}


def list_lists(identity: Identity, _arguments: Mapping[str, Any]) -> dict[str, Any]:
    return {"lists": [short(LIST.fields(row)) for row in lists.list_lists(identity.user_id)]}
