"""Agents' clients that nobody here wrote: each lists the tools and uses all of them."""

import json
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import pytest

from app.mcp.protocol import LEGACY, MODERN
from app.mcp.tools import TOOLS
from tests import npm, pip
from tests.conftest import settings_for
from tests.process.conftest import starting
from tests.process.programs import NODE, SECONDS, node_version, run
from tests.process.proxy import adding

pytestmark = pytest.mark.one_engine

HERE = Path(__file__).parent / "agents"
needs_node = pytest.mark.skipif(node_version() < NODE, reason=f"not on this machine: npm and Node.js {NODE}")

# The program, and for each way in which it can begin the version that it agrees on.
MODES = {"auto": MODERN, MODERN: MODERN, "legacy": LEGACY[0]}
PROGRAMS = [
    ("mcp2", MODES),
    ("mcp1", {"legacy": LEGACY[0]}),
    pytest.param("client", MODES, marks=needs_node),
    pytest.param("sdk", {"legacy": LEGACY[0]}, marks=needs_node),
]
# Each tool, its arguments, and what its answer shows. ADDED stands for the id of the task that was added first.
STEPS = [
    ("add_list", {"name": "Groceries", "color": "#2e7d32"}, ["Groceries"]),
    ("list_lists", {"time_zone": "Europe/Berlin"}, ["Groceries"]),
    ("add_tasks", {"tasks": [{"title": "Buy tea", "tags": ["home"]}, {"title": "Go"}]}, ["Buy tea", "Go"]),
    ("find_tasks", {"q": "tea", "tag": ["home"], "limit": 5, "completed": False}, ["Buy tea"]),
    ("get_task", {"id": "ADDED"}, ["Buy tea"]),
    ("update_tasks", {"tasks": [{"id": "ADDED", "title": "Buy milk"}], "request_id": "milk"}, ["Buy milk"]),
    ("complete_tasks", {"ids": ["ADDED"]}, ["Buy milk, completed"]),
    ("reopen_tasks", {"ids": ["ADDED"]}, ["Buy milk"]),
    ("delete_tasks", {"ids": ["ADDED"]}, ["Buy milk"]),
    ("restore_tasks", {"ids": ["ADDED"]}, ["Buy milk"]),
]
# A tool that fails is a result too, which no client may refuse for its lack of structured content.
FAILING = ("get_task", {"id": "tea"}, "Must be a UUID")
# What the suite shows of the scenarios that apply to a service with these tools.
SUITES = [
    (
        "conformance",
        ["--requirements", MODERN],
        "newest.yaml",
        {"server-stateless": 21, "tools-list": 4, "caching": 4, "http-header-validation": 14},
    ),
    ("conformance", ["--requirements", LEGACY[0]], "newest.yaml", {"server-initialize": 2, "ping": 2, "tools-list": 3}),
    ("conformance-before", [], "stable.yaml", {"server-initialize": 1, "ping": 1, "tools-list": 1}),
]


class Person:
    """A user of the service, with a token for each scope."""

    def __init__(self, service, name):
        self.service, self.session = service, service.register(name)
        self.write, self.read = self._token("tasks:write"), self._token("tasks:read")
        self.url = f"http://127.0.0.1:{service.port}/mcp"

    def _token(self, scope):
        made = self.service.call("POST", "/v1/auth/tokens", self.session, {"name": "agent", "scopes": [scope]})
        assert made.status == 201, made
        return made.body["token"]

    def titles(self):
        return {task["title"] for task in self.service.call("GET", "/v1/tasks", self.session).body["items"]}

    def lists(self):
        return [each["name"] for each in self.service.call("GET", "/v1/lists", self.session).body["items"]]


@pytest.fixture(scope="module")
def service(new_database, tmp_path_factory):
    """One for all clients. Each has a user of its own."""
    with starting(tmp_path_factory.mktemp("agents")) as start:
        yield start(**settings_for(new_database()))


def shown(found):
    """Return the names in a tool's answer."""
    things = found.get("tasks") or found.get("lists") or [found["task"]]
    return [thing.get("title", thing.get("name")) + ", completed" * thing.get("completed", False) for thing in things]


def judge(person, tools, results):
    """Check what a client saw, and what is left in the service."""
    *used, failed = results
    assert tools == list(TOOLS)
    assert {name for name, _, _ in STEPS} == set(tools)
    for (name, _, expected), result in zip(STEPS, used, strict=True):
        assert not result.get("isError"), name
        assert shown(result["structuredContent"]) == expected, name
        assert json.loads(result["content"][0]["text"]) == result["structuredContent"], name
    assert failed["isError"] is True
    assert FAILING[-1] in failed["content"][0]["text"]
    assert (person.titles(), person.lists()) == ({"Buy milk", "Go"}, ["Groceries"])


def run_program(name, options, folder):
    """Run a program of `agents/`, and return what it printed."""
    if (HERE / name).is_dir():
        # Loopback is never behind a proxy, whatever the environment says.
        paths = {"PYTHONPATH": f"{pip.installed(HERE / name)}:{HERE}", "NO_PROXY": "127.0.0.1"}
        return json.loads(run(sys.executable, HERE / name / "program.py", json.dumps(options), folder=folder, **paths))
    (folder / "node_modules").symlink_to(npm.installed(HERE))
    for file in (f"{name}.mjs", "session.mjs"):
        (folder / file).write_bytes((HERE / file).read_bytes())
    return json.loads(run("node", f"{name}.mjs", json.dumps(options), folder=folder))


@pytest.mark.parametrize(("name", "modes"), PROGRAMS)
def test_a_library_uses_every_tool(service, tmp_path, name, modes):
    """In each version of the protocol that it can begin with; and it sees that a token may only read."""
    people = {mode: Person(service, f"{name}-{mode}") for mode in modes}
    steps = [(tool, arguments) for tool, arguments, _ in [*STEPS, FAILING]]
    options = [
        {"url": person.url, "write": person.write, "read": person.read, "mode": mode, "steps": steps}
        for mode, person in people.items()
    ]
    for (mode, person), said in zip(people.items(), run_program(name, options, tmp_path), strict=True):
        judge(person, said["tools"], said["results"])
        assert said["version"] == modes[mode], mode
        assert said["status"] == 403, said["refused"]
        assert said["refused"] != "not refused"


@needs_node
def test_the_inspector_uses_every_tool(service, tmp_path):
    """On the command line, where each call has a handshake of its own."""
    person = Person(service, "inspector")
    listed = subprocess.run(
        [
            "node",
            npm.installed(HERE) / ".bin" / "mcp-inspector",
            "--cli",
            *words(person.url, person.write, "tools/list"),
        ],
        capture_output=True,
        timeout=SECONDS,
        check=True,
    )
    results, added = [], ""
    with inspecting(tmp_path) as inspect:
        for tool, arguments, _ in [*STEPS, FAILING]:
            given = json.loads(json.dumps(arguments).replace("ADDED", added))
            results.append(json.loads(inspect(person.url, person.write, "tools/call", tool, given)["stdout"]))
            added = added or results[-1]["structuredContent"].get("tasks", [{"id": ""}])[0]["id"]
        refused = inspect(person.url, person.read, "tools/call", "add_list", {"name": "Work"})

    judge(person, [tool["name"] for tool in json.loads(listed.stdout)["tools"]], results)
    assert refused["status"] == 1
    assert '"status":403' in refused["stderr"]


def words(url, token, method, tool=None, arguments=None):
    """Return the arguments of the inspector for one call."""
    options = ["--transport", "http", "--header", f"Authorization: Bearer {token}", "--method", method]
    if tool:
        options += ["--tool-name", tool]
    for name, value in (arguments or {}).items():
        options += ["--tool-arg", f"{name}={value if isinstance(value, str) else json.dumps(value)}"]
    return [url, *options]


@contextmanager
def inspecting(folder):
    """Yield a function that makes one call, and returns the exit status and what was printed."""
    program = npm.installed(HERE) / "@modelcontextprotocol" / "inspector" / "cli" / "build" / "index.js"
    command = ["node", HERE / "inspector.mjs", program]
    with subprocess.Popen(command, cwd=folder, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:

        def inspect(*call):
            print(json.dumps(words(*call)), file=process.stdin, flush=True)
            return json.loads(process.stdout.readline())

        yield inspect


@needs_node
@pytest.mark.parametrize(("suite", "options", "failures", "passes"), SUITES)
def test_the_conformance_suite_passes(service, tmp_path, suite, options, failures, passes):
    """Except what it expects of its own example server: `agents/conformance/` names each of these."""
    person = Person(service, f"{suite}-{options[-1] if options else ''}")
    program = npm.installed(HERE) / suite / "dist" / "index.js"
    command = ["node", "--import", HERE / "conformance" / "fs.mjs", program, "server", *options]
    with adding(person.write, service.port) as port:
        url = f"http://127.0.0.1:{port}/mcp"
        expected = HERE / "conformance" / failures
        printed = run(*command, "--url", url, "--expected-failures", expected, folder=tmp_path)

    for scenario, passed in {**passes, "dns-rebinding-protection": 2}.items():
        assert f"{scenario}: {passed} passed" in printed, printed
