"""What each program does with its client: list the tools, use them, and be refused with a token that only reads."""

import json
import sys
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any

OPTIONS = json.loads(sys.argv[1])

Note = Callable[[Any], Awaitable[None]]
# Gives a client, and the version that it agreed on, for a URL, headers, and a function that is told each response.
Connected = Callable[[str, dict[str, str], Note], AbstractAsyncContextManager[tuple[Any, str]]]


async def report(connected: Connected) -> None:
    statuses: list[int] = []

    async def note(response: Any) -> None:
        statuses.append(response.status_code)

    def connect(token: str) -> AbstractAsyncContextManager[tuple[Any, str]]:
        return connected(OPTIONS["url"], {"Authorization": f"Bearer {token}"}, note)

    async with connect(OPTIONS["write"]) as (client, version):
        tools = [tool.name for tool in (await client.list_tools()).tools]
        results = await use(client, OPTIONS["steps"])
    refused = "not refused"
    try:
        async with connect(OPTIONS["read"]) as (client, _):
            await client.call_tool("add_list", {"name": "Work"})
    # MCPError, or a group with an error of httpx: the clients differ.
    except Exception as error:  # noqa: BLE001
        refused = repr(error)
    said = {"version": version, "tools": tools, "results": results, "refused": refused, "status": statuses[-1]}
    json.dump(said, sys.stdout)


async def use(client: Any, steps: Sequence[tuple[str, Any]]) -> list[dict[str, Any]]:
    results: list[dict[str, Any]] = []
    added = ""
    for name, given in steps:
        result = await client.call_tool(name, json.loads(json.dumps(given).replace("ADDED", added)))
        results.append(result.model_dump(mode="json", by_alias=True, exclude_none=True))
        if not added and (tasks := results[-1]["structuredContent"].get("tasks")):
            added = tasks[0]["id"]
    return results
