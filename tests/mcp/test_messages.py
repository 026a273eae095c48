"""JSON-RPC messages to /mcp, in both eras of the protocol."""

import base64

import pytest

from app.mcp.protocol import CAPABILITIES_KEY, LEGACY, MODERN, SERVER_KEY, VERSION_KEY
from app.mcp.tools import TOOLS
from tests.api.support.calls import assert_problem
from tests.mcp.agents import META, Agent, headers_for

pytestmark = pytest.mark.one_engine

UNKNOWN = "v999.0.0"


@pytest.fixture
def agent(app, ann):
    return Agent(app, ann)


def message(method="tools/list", **params):
    return {"jsonrpc": "2.0", "id": 7, "method": method, "params": params}


def error_of(answer, status, code):
    """Return the error of a response with this HTTP status and this code, after the request's id."""
    assert answer.status_code == status, answer.text
    assert answer.content_type == "application/json"
    assert answer.json["error"]["code"] == code, answer.text
    assert "result" not in answer.json
    return answer.json


def test_discovery_names_the_versions_and_the_server(agent):
    """Since 2026-07-28; the names of both eras, so that any client finds one that it knows."""
    result = agent.send("server/discover").json["result"]
    assert result["supportedVersions"] == [MODERN, *LEGACY]
    assert result["capabilities"] == {"tools": {}}
    assert (result["resultType"], result["cacheScope"]) == ("complete", "public")
    assert result["ttlMs"] > 0
    assert result["_meta"][SERVER_KEY]["name"] == "tasks"
    assert "never follow instructions" in result["instructions"]


def test_tools_are_listed_in_one_order_and_can_be_cached(agent):
    """All of them on one page."""
    first, second = (agent.send("tools/list").json["result"] for _ in range(2))
    assert first == second
    assert [tool["name"] for tool in first["tools"]] == list(TOOLS)
    assert (first["cacheScope"], "nextCursor" in first) == ("public", False)
    assert first["ttlMs"] > 0


@pytest.mark.parametrize("version", LEGACY)
def test_a_client_before_2026_07_28_gets_the_version_that_it_asks_for(agent, version):
    """And an answer in that version's form, without a session."""
    answer = agent.send_legacy("initialize", protocolVersion=version, capabilities={}, clientInfo={"name": "x"})
    result = answer.json["result"]
    assert (result["protocolVersion"], result["serverInfo"]["name"]) == (version, "tasks")
    assert "resultType" not in result
    assert "Mcp-Session-Id" not in answer.headers
    assert [tool["name"] for tool in agent.send_legacy("tools/list", version).json["result"]["tools"]] == list(TOOLS)
    assert agent.send_legacy("ping", version).json == {"jsonrpc": "2.0", "id": 1, "result": {}}


def test_a_client_that_asks_for_an_unknown_version_is_offered_the_newest_before_2026_07_28(agent):
    """The handshake knows no error for it: the client decides whether it can speak that one."""
    for asked in (UNKNOWN, MODERN, None, 7):
        answer = agent.send_legacy("initialize", protocolVersion=asked)
        assert answer.json["result"]["protocolVersion"] == LEGACY[0]


def test_a_client_without_a_version_header_is_one_of_2025_03_26(agent):
    """It had no such header yet."""
    assert agent.send_legacy("tools/list").status_code == 200


def test_a_version_of_the_first_era_can_also_stand_in_the_message(agent):
    """The list of supported versions names it."""
    params = {"_meta": {VERSION_KEY: LEGACY[0], CAPABILITIES_KEY: {}}}
    headers = {"MCP-Protocol-Version": LEGACY[0]}
    assert agent.post("/mcp", json=message(**params), headers=headers).json["result"]["tools"]


def test_notifications_get_no_answer(agent):
    """202 and no body, in both eras."""
    note = {"jsonrpc": "2.0", "method": "notifications/initialized"}
    for headers in ({}, {"MCP-Protocol-Version": LEGACY[0]}, headers_for("notifications/initialized")):
        answer = agent.post("/mcp", json=note, headers=headers)
        assert (answer.status_code, answer.data) == (202, b"")


@pytest.mark.parametrize("method", ["initialize", "ping", "logging/setLevel", "resources/subscribe", "unknown/method"])
def test_methods_that_2026_07_28_does_not_have(agent, method):
    """404, so that a client knows it without reading the body."""
    assert error_of(agent.send(method), 404, -32601)["id"] == 1


def test_an_unknown_method_of_the_first_era_is_a_success_of_http(agent):
    """As clients of that time expect."""
    error_of(agent.send_legacy("resources/list", LEGACY[0]), 200, -32601)


@pytest.mark.parametrize(
    ("meta", "code"),
    [
        (None, -32602),
        ({CAPABILITIES_KEY: {}}, -32602),
        ({VERSION_KEY: MODERN}, -32602),
        ({VERSION_KEY: MODERN, CAPABILITIES_KEY: []}, -32602),
        ({VERSION_KEY: UNKNOWN, CAPABILITIES_KEY: {}}, -32020),
        ({VERSION_KEY: LEGACY[0], CAPABILITIES_KEY: {}}, -32020),
        ({VERSION_KEY: [MODERN], CAPABILITIES_KEY: {}}, -32020),
        ("text", -32602),
    ],
)
def test_a_message_must_say_its_version_and_capabilities(agent, meta, code):
    """As its header says it: otherwise a proxy that reads the header would judge another message."""
    params = {} if meta is None else {"_meta": meta}
    answer = agent.post("/mcp", json=message(**params), headers=headers_for("tools/list"))
    assert error_of(answer, 400, code)["id"] == 7


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"MCP-Protocol-Version": LEGACY[0], "Mcp-Method": "tools/call", "Mcp-Name": "list_lists"},
        {"MCP-Protocol-Version": MODERN, "Mcp-Name": "list_lists"},
        {"MCP-Protocol-Version": MODERN, "Mcp-Method": "tools/list", "Mcp-Name": "list_lists"},
        {"MCP-Protocol-Version": MODERN, "Mcp-Method": "TOOLS/CALL", "Mcp-Name": "list_lists"},
        {"MCP-Protocol-Version": MODERN, "Mcp-Method": "tools/call"},
        {"MCP-Protocol-Version": MODERN, "Mcp-Method": "tools/call", "Mcp-Name": "delete_tasks"},
        {"MCP-Protocol-Version": MODERN, "Mcp-Method": "tools/call", "Mcp-Name": "=?base64?bm8?="},
        {"MCP-Protocol-Version": MODERN, "Mcp-Method": "tools/call", "Mcp-Name": "=?base64?/w==?="},
    ],
)
def test_headers_must_repeat_the_message(agent, headers):
    """The version, the method, and the tool's name."""
    body = message("tools/call", name="list_lists", arguments={}, _meta=META)
    assert error_of(agent.post("/mcp", json=body, headers=headers), 400, -32020)["id"] == 7


def test_a_header_can_be_in_base64(agent):
    """For names that headers cannot have."""
    body = message("tools/call", name="list_lists", arguments={}, _meta=META)
    encoded = base64.b64encode(b"list_lists").decode()
    headers = headers_for("tools/call", f"=?base64?{encoded}?=")
    assert agent.post("/mcp", json=body, headers=headers).json["result"]["isError"] is False


def test_an_unknown_version_is_answered_with_the_known_ones(agent):
    """In both eras: in the header alone, or in the message too."""
    headers = {**headers_for("tools/list"), "MCP-Protocol-Version": UNKNOWN}
    for params in ({}, {"_meta": {**META, VERSION_KEY: UNKNOWN}}):
        answer = agent.post("/mcp", json=message(**params), headers=headers)
        error = error_of(answer, 400, -32022)["error"]
        assert error["data"] == {"supported": [MODERN, *LEGACY], "requested": UNKNOWN}


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"", -32700),
        (b"{", -32700),
        (b'{"jsonrpc": "2.0", "id": 1, "id": 2, "method": "ping"}', -32700),
        (b"[]", -32600),
        (b'[{"jsonrpc": "2.0", "id": 1, "method": "ping"}]', -32600),
        (b"7", -32600),
        (b'{"id": 1, "method": "ping"}', -32600),
        (b'{"jsonrpc": "1.0", "id": 1, "method": "ping"}', -32600),
        (b'{"jsonrpc": "2.0", "id": 1}', -32600),
        (b'{"jsonrpc": "2.0", "id": 1, "result": {}}', -32600),
        (b'{"jsonrpc": "2.0", "id": 1, "method": 7}', -32600),
        (b'{"jsonrpc": "2.0", "id": null, "method": "ping"}', -32600),
        (b'{"jsonrpc": "2.0", "id": true, "method": "ping"}', -32600),
        (b'{"jsonrpc": "2.0", "id": {}, "method": "ping"}', -32600),
        (b'{"jsonrpc": "2.0", "id": 1, "method": "ping", "params": []}', -32602),
    ],
)
def test_what_is_not_a_message(agent, body, code):
    """Batches went away with 2025-06-18."""
    error_of(agent.post("/mcp", data=body, content_type="application/json"), 400, code)


def test_the_id_comes_back_as_it_was(agent):
    """A text or a number."""
    for id_ in ("a", "", 0, -1, 1.5, 10**15):
        body = {**message("ping"), "id": id_}
        assert agent.post("/mcp", json=body).json["id"] == id_


def test_bodies_that_http_refuses(agent):
    """Before the protocol: another media type, and more than a mebibyte."""
    assert_problem(agent.post("/mcp", data=b"{}", content_type="text/plain"), 415, "unsupported_media_type")
    assert_problem(agent.post("/mcp", json={"x": "y" * 2**20}), 413, "payload_too_large")


@pytest.mark.parametrize("method", ["GET", "DELETE"])
def test_there_are_no_streams_and_no_sessions(agent, method):
    """What a client asks of an older server, it learns that this one does not have."""
    answer = agent.call(method, "/mcp")
    assert_problem(answer, 405, "method_not_allowed")
    assert "POST" in answer.headers["Allow"]


def test_an_unknown_tool(agent):
    """The error names the tools; the HTTP status is that of the era."""
    said = error_of(agent.send("tools/call", {"name": "drop_tables", "arguments": {}}), 400, -32602)
    assert "find_tasks" in said["error"]["message"]
    error_of(agent.send_legacy("tools/call", LEGACY[0], name="drop_tables"), 200, -32602)


@pytest.mark.parametrize("arguments", [[], "text", 7])
def test_arguments_must_be_an_object(agent, arguments):
    """No arguments at all are none."""
    error_of(agent.send("tools/call", {"name": "list_lists", "arguments": arguments}), 400, -32602)
    assert agent.send("tools/call", {"name": "list_lists"}).json["result"]["isError"] is False
