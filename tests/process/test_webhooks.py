"""The receivers of docs/webhooks.md, with the published verifiers, at a real service."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from app.settings import PROJECT
from tests import npm, pip
from tests.conftest import settings_for
from tests.process.conftest import Start, free_port, start
from tests.process.programs import NODE, node_version
from tests.waiting import LONGEST_WAIT_SECONDS, until

__all__ = ["start"]

pytestmark = pytest.mark.one_engine

HERE = Path(__file__).parent / "verifiers"
PAGE = (PROJECT / "docs" / "webhooks.md").read_text()


def code(language: str) -> str:
    (text,) = re.findall(rf"^```{language}\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    return str(text)


@contextmanager
def receiving(language: str, folder: Path, port: int, secret: str) -> Iterator[Path]:
    """Run the page's receiver; yield the file with what it prints."""
    environment = {"PATH": os.environ["PATH"], "PORT": str(port), "WEBHOOK_SECRET": secret}
    if language == "python":
        command = [sys.executable, "-c", code("python")]
        environment["PYTHONPATH"] = str(pip.installed(HERE))
    else:
        (folder / "node_modules").symlink_to(npm.installed(HERE))
        (folder / "receiver.mjs").write_text(code("js"))
        command = [str(shutil.which("node")), "receiver.mjs"]
    printed = folder / "printed"
    with printed.open("w") as output:
        process = subprocess.Popen(command, cwd=folder, env=environment, stdout=output, stderr=output)
    try:
        yield printed
    finally:
        process.kill()
        process.wait(LONGEST_WAIT_SECONDS)


LANGUAGES = [
    "python",
    pytest.param(
        "js",
        marks=pytest.mark.skipif(node_version() < NODE, reason=f"not on this machine: npm and Node.js {NODE}"),
    ),
]


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_pages_receiver_accepts_what_the_service_sends(
    language: str, sqlite_url: str, start: Start, tmp_path: Path
) -> None:
    """Sent by the service itself, also with two signatures after a rotation; not with another secret."""
    service = start(**settings_for(sqlite_url, WEBHOOKS_ALLOW_PRIVATE="on"))
    token, port, folder = service.register(), free_port(), tmp_path / "receiver"
    folder.mkdir()
    wanted = {"url": f"http://127.0.0.1:{port}/"}
    hook = service.call("POST", "/v1/webhooks", token, wanted).body
    # The old secret verifies one of two signatures.
    assert service.call("POST", f"/v1/webhooks/{hook['id']}/rotate", token).status == 200
    other = service.call("POST", "/v1/webhooks", token, {**wanted, "events": ["task.deleted"]})
    with receiving(language, folder, port, hook["secret"]) as printed:
        task = service.call("POST", "/v1/tasks", token, {"title": "Käse 🧀"}).body
        until(lambda: "Käse 🧀" in printed.read_text(), "the event")
        assert service.call("POST", f"/v1/webhooks/{other.body['id']}/ping", token).status == 202

        def deliveries() -> list[str]:
            path = f"/v1/webhooks/{other.body['id']}/deliveries"
            return [each["last_status"] for each in service.call("GET", path, token).body["items"]]

        until(lambda: deliveries() == [401], "the other webhook's ping to be rejected")

    told = printed.read_text()
    assert told.startswith("task.created {")
    assert task["id"] in told
    assert "ping" not in told
