"""What each program does with its client: list the tools, use them, and be refused with a token that only reads."""

import json
import sys
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any

Note = Callable[[Any], Awaitable[None]]
# Gives a client, and the version that it agreed on, for a URL, headers, a function that is told each response, and how
# it begins.
Connected = Callable[[str, dict[str, str], Note, str], AbstractAsyncContextManager[tuple[Any, str]]]


async def report(connected: Connected) -> None:
    json.dump([await saying(connected, **options) for options in json.loads(sys.argv[1])], sys.stdout)


async def saying(
    connected: Connected, url: str, write: str, read: str, mode: str, steps: Sequence[tuple[str, Any]]
) -> dict[str, Any]:
    statuses: list[int] = []

    async def note(response: Any) -> None:
        statuses.append(response.status_code)

    def connect(token: str) -> AbstractAsyncContextManager[tuple[Any, str]]:
        return connected(url, {"Authorization": f"Bearer {token}"}, note, mode)

    async with connect(write) as (client, version):
        tools = [tool.name for tool in (await client.list_tools()).tools]
        results = await use(client, steps)
    refused = "not refused"
    try:
        async with connect(read) as (client, _):
            await client.call_tool("add_list", {"name": "Work"})
    # MCPError, or a group with an error of httpx: the clients differ.
    except Exception as error:  # noqa: BLE001
        refused = repr(error)
    return {"version": version, "tools": tools, "results": results, "refused": refused, "status": statuses[-1]}


async def use(client: Any, steps: Sequence[tuple[str, Any]]) -> list[dict[str, Any]]:
    results: list[dict[str, Any]] = []
    added = ""
    for name, given in steps:
        result = await client.call_tool(name, json.loads(json.dumps(given).replace("ADDED", added)))
        results.append(result.model_dump(mode="json", by_alias=True, exclude_none=True))
        if not added and (tasks := results[-1]["structuredContent"].get("tasks")):
            added = tasks[0]["id"]
    return results
