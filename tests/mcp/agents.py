"""Callers that speak the Model Context Protocol."""

from typing import Any

from flask import Flask
from werkzeug.test import TestResponse

from app.mcp.protocol import CAPABILITIES_KEY, MODERN, VERSION_KEY
from tests.conftest import Caller

META = {VERSION_KEY: MODERN, CAPABILITIES_KEY: {}}


def headers_for(method: str, name: str | None = None) -> dict[str, str]:
    """Return the headers that a message of this method needs since 2026-07-28."""
    told = {"MCP-Protocol-Version": MODERN, "Mcp-Method": method}
    return told | ({"Mcp-Name": name} if name else {})


class Agent(Caller):
    """A caller that sends messages to /mcp."""

    def __init__(self, app: Flask, owner: Caller) -> None:
        super().__init__(app)
        self.user_id, self.headers = owner.user_id, owner.headers

    def send(self, method: str, params: dict[str, Any] | None = None, **options: Any) -> TestResponse:
        """Send a request as since 2026-07-28."""
        params = {"_meta": META, **(params or {})}
        message = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
        return self.post("/mcp", json=message, headers=headers_for(method, params.get("name")), **options)

    def send_legacy(self, method: str, version: str | None = None, **params: Any) -> TestResponse:
        """Send a request as before 2026-07-28."""
        headers = {"MCP-Protocol-Version": version} if version else {}
        return self.post("/mcp", json={"jsonrpc": "2.0", "id": 1, "method": method, "params": params}, headers=headers)

    def result(self, tool: str, **arguments: Any) -> dict[str, Any]:
        """Call a tool, and return its result."""
        answer = self.send("tools/call", {"name": tool, "arguments": arguments})
        assert answer.status_code == 200, answer.text
        return dict(answer.json["result"])

    def use(self, tool: str, **arguments: Any) -> dict[str, Any]:
        """Call a tool that succeeds, and return what it found."""
        result = self.result(tool, **arguments)
        assert result["isError"] is False, result
        return dict(result["structuredContent"])

    def failure(self, tool: str, **arguments: Any) -> str:
        """Call a tool that fails, and return the text for the model."""
        result = self.result(tool, **arguments)
        assert result["isError"] is True, result
        assert "structuredContent" not in result
        return str(result["content"][0]["text"])
