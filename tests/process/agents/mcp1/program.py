"""The client before 2026-07-28."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
from mcp import ClientSession
from mcp.client.streamable_http import streamable_http_client
from session import Note, report


@asynccontextmanager
async def connected(
    url: str, headers: dict[str, str], note: Note, _mode: str
) -> AsyncIterator[tuple[ClientSession, str]]:
    async with (
        httpx.AsyncClient(headers=headers, event_hooks={"response": [note]}) as http,
        streamable_http_client(url, http_client=http) as (reading, writing, _),
        ClientSession(reading, writing) as client,
    ):
        yield client, (await client.initialize()).protocolVersion


asyncio.run(report(connected))
