"""The tests' own tools: a failure is printed at once, and a free port stays free."""

import errno
import json
import os
import re
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from app.settings import PROJECT
from tests.commands.calling import FLASK
from tests.conftest import settings_for
from tests.loaded import Loaded
from tests.process.conftest import free_port

MODULE = """
from pathlib import Path
import pytest
from tests.waiting import until

@pytest.fixture
def broken():
    raise ValueError

def test_that_fails():
    assert False

def test_that_cannot_begin(broken):
    pass

def test_that_waits():
    until(Path("gate").exists, "the failures to be read")
"""
NAMED = ["FAILED test_module.py::test_that_fails", "ERROR test_module.py::test_that_cannot_begin"]


@pytest.mark.parametrize("processes", ["0", "2"])
def test_a_failure_is_printed_while_other_tests_run(tmp_path: Path, processes: str) -> None:
    """The last test ends only after both names were read, in one process and in several."""
    (tmp_path / "test_module.py").write_text(MODULE)
    command = [sys.executable, "-m", "pytest", "-p", "tests.failures", "-p", "no:cacheprovider", "-n", processes]
    # Of the other plugins this needs one, and some take a second to load.
    alone = {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "PYTEST_PLUGINS": "xdist.plugin"}
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(PROJECT), **alone}
    with subprocess.Popen(
        [*command, "--rootdir", tmp_path], cwd=tmp_path, env=environment, stdout=subprocess.PIPE, text=True
    ) as running:
        left = set(NAMED)
        while left and (line := running.stdout.readline()):
            left.discard(line.strip())
        (tmp_path / "gate").touch()
        rest = running.stdout.read()

    assert left == set()
    assert "1 failed, 1 passed, 1 error" in rest


def test_the_readme_says_what_the_tests_need_and_leave() -> None:
    """How long they take, what they skip without, and where they write outside of the project."""
    readme = " ".join((PROJECT / "README.md").read_text().split())
    (said,) = re.findall(r"`make test` takes .*? caches of pip and npm\.", readme)
    engines = json.loads((PROJECT / "tests/process/better_auth/package.json").read_text())["engines"]

    assert engines == {"node": ">=20"}
    for words in (
        "minutes",
        "npm (with Node.js 20 or newer)",
        "PostgreSQL's data",
        "temporary folders",
        "`~/.cache/tasks-*`",
    ):
        assert words in said


def test_a_fork_does_what_a_new_process_does(tmp_path: Path) -> None:
    """With its own arguments and environment, it prints the same and ends with the same status."""
    environment = {"PATH": os.environ["PATH"], **settings_for(f"sqlite:///{tmp_path / 'tasks.db'}")}
    said = []
    for kind in (subprocess.Popen, Loaded):
        pipes = dict.fromkeys(("stdout", "stderr"), subprocess.PIPE)
        with kind([FLASK, "users", "list"], cwd=PROJECT, env=environment, text=True, **pipes) as process:
            said.append((*process.communicate(timeout=60), process.returncode))

    assert said[0] == said[1]
    assert said[0][1].startswith("Error: ")
    assert said[0][2] == 1


def test_a_free_port_stays_reserved() -> None:
    """It is given once. Only sockets with SO_REUSEADDR can listen there, repeatedly."""
    ports = [free_port() for _ in range(50)]
    assert len(set(ports)) == len(ports)
    for port in ports * 2:
        with socket.socket() as client, socket.socket() as other:
            assert client.connect_ex(("127.0.0.1", port)) == errno.ECONNREFUSED
            with pytest.raises(OSError, match="in use"):
                other.bind(("127.0.0.1", port))
        with socket.create_server(("127.0.0.1", port)), socket.create_connection(("127.0.0.1", port)):
            pass
