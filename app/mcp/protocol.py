"""JSON-RPC as the Model Context Protocol uses it, in both eras of the protocol, without sessions and streams.

Since 2026-07-28 each request carries its version, and repeats it and its method in headers. Before, `initialize` agreed
on a version for what followed; as nothing depends on it here, it need not be remembered.
No kept library serves both over WSGI.
"""

import base64
import binascii
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import orjson
from werkzeug.datastructures import Headers

from app.auth.identity import Identity
from app.http import strict_json

MODERN = "2026-07-28"
# The newest is offered to a client that asks for an unknown one.
LEGACY = ("2025-11-25", "2025-06-18", "2025-03-26")

PARSE_ERROR, INVALID_REQUEST, METHOD_NOT_FOUND, INVALID_PARAMS = -32700, -32600, -32601, -32602
HEADER_MISMATCH, UNSUPPORTED_VERSION = -32020, -32022

VERSION_KEY = "io.modelcontextprotocol/protocolVersion"
CAPABILITIES_KEY = "io.modelcontextprotocol/clientCapabilities"
SERVER_KEY = "io.modelcontextprotocol/serverInfo"

Params = Mapping[str, Any]
Method = Callable[[Identity, Params], dict[str, Any]]


class RpcError(Exception):
    """A message that cannot be answered with a result."""

    def __init__(self, code: int, message: str, data: Mapping[str, Any] | None = None) -> None:
        super().__init__(message)
        self.body = {"code": code, "message": message, **({"data": data} if data else {})}
        self.code = code


@dataclass(frozen=True, slots=True)
class Era:
    """What is different between the two eras."""

    methods: Mapping[str, Method]
    # The HTTP status of an error with this code; of others, 400.
    statuses: Mapping[int, int]
    # What every result has.
    on_every_result: Mapping[str, Any]


class Endpoint:
    """The methods of the two eras, on one address."""

    def __init__(self, modern: Mapping[str, Method], legacy: Mapping[str, Method], server: Mapping[str, Any]) -> None:
        always = {"resultType": "complete", "_meta": {SERVER_KEY: server}}
        self._modern = Era(modern, {METHOD_NOT_FOUND: 404}, always)
        self._legacy = Era(legacy, {METHOD_NOT_FOUND: 200, INVALID_PARAMS: 200}, {})

    def answer(self, body: bytes, headers: Headers, identity: Identity) -> tuple[int, bytes]:
        """Return the HTTP status and the body of the answer to one message of this caller."""
        message_id, era = None, self._modern
        try:
            message = _read(body)
            message_id = message.get("id")
            params = _params(message)
            if not _is_modern(message, params, headers):
                era = self._legacy
            if "id" not in message:
                # A notification: nothing here waits for one.
                return 202, b""
            if message["method"] not in era.methods:
                raise RpcError(METHOD_NOT_FOUND, f"There is no method {message['method']!r} here.")
            result = {**era.on_every_result, **era.methods[message["method"]](identity, params)}
        except RpcError as error:
            status = era.statuses.get(error.code, 400)
            return status, orjson.dumps({"jsonrpc": "2.0", "id": message_id, "error": error.body})
        return 200, orjson.dumps({"jsonrpc": "2.0", "id": message_id, "result": result})


def initialize(params: Params) -> str:
    """Return the version for a client before 2026-07-28: the one that it asks for, if it is known."""
    asked = params.get("protocolVersion")
    return asked if asked in LEGACY else LEGACY[0]


def _read(body: bytes) -> dict[str, Any]:
    try:
        message = strict_json.loads(body)
    except strict_json.NotJson as error:
        raise RpcError(PARSE_ERROR, f"The body is not one JSON text: {error}.") from error
    if not isinstance(message, dict) or message.get("jsonrpc") != "2.0":
        raise RpcError(INVALID_REQUEST, "Send one JSON-RPC 2.0 message, an object. Batches are not supported.")
    if "id" in message and (isinstance(message["id"], bool) or not isinstance(message["id"], str | int | float)):
        message.pop("id")
        raise RpcError(INVALID_REQUEST, "The id must be a string or a number.")
    if not isinstance(message.get("method"), str):
        raise RpcError(INVALID_REQUEST, "The message has no method. This server sends no requests to answer.")
    return message


def _params(message: Mapping[str, Any]) -> Params:
    params = message.get("params", {})
    if not isinstance(params, dict) or not isinstance(params.get("_meta", {}), dict):
        raise RpcError(INVALID_PARAMS, "params and params._meta must be objects.")
    return params


def _is_modern(message: Mapping[str, Any], params: Params, headers: Headers) -> bool:
    """Return the era of a request; raise RpcError if its version is unknown, or unlike what its headers say."""
    meta, told = params.get("_meta", {}), headers.get("MCP-Protocol-Version")
    version = meta.get(VERSION_KEY)
    if version is None and told == MODERN and "id" in message:
        raise RpcError(INVALID_PARAMS, f"params._meta must have {VERSION_KEY}.")
    if version is not None and version != told:
        raise RpcError(HEADER_MISMATCH, "The header MCP-Protocol-Version is not the version in params._meta.")
    if told is not None and told not in (MODERN, *LEGACY):
        supported = {"supported": [MODERN, *LEGACY], "requested": told}
        raise RpcError(UNSUPPORTED_VERSION, f"The version {told!r} is not supported.", supported)
    if version != MODERN:
        return False
    if not isinstance(meta.get(CAPABILITIES_KEY), dict):
        raise RpcError(INVALID_PARAMS, f"params._meta must have {CAPABILITIES_KEY}, an object.")
    _require_header(headers, "Mcp-Method", message["method"])
    if message["method"] == "tools/call":
        _require_header(headers, "Mcp-Name", params.get("name"))
    return True


def _require_header(headers: Headers, name: str, value: object) -> None:
    told = headers.get(name)
    if told is None or _decoded(told) != value:
        raise RpcError(HEADER_MISMATCH, f"The header {name} is not what the body says.")


def _decoded(header: str) -> str | None:
    """Return a header's value, which is in base64 if it has characters that headers cannot have."""
    if not (header.startswith("=?base64?") and header.endswith("?=")):
        return header
    try:
        return base64.b64decode(header[9:-2], validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        return None
