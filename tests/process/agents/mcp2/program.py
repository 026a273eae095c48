"""The client of 2026-07-28."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx2
from mcp import Client
from mcp.client.streamable_http import streamable_http_client
from session import Note, report


@asynccontextmanager
async def connected(url: str, headers: dict[str, str], note: Note, mode: str) -> AsyncIterator[tuple[Client, str]]:
    async with (
        httpx2.AsyncClient(headers=headers, event_hooks={"response": [note]}) as http,
        Client(streamable_http_client(url, http_client=http), mode=mode) as client,
    ):
        yield client, client.protocol_version


asyncio.run(report(connected))
