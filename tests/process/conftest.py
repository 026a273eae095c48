"""The service as an operator runs it: real processes on a loopback port, used over HTTP."""

import atexit
import contextlib
import http.client
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from app.settings import PROJECT
from tests.conftest import settings_for
from tests.loaded import Loaded
from tests.waiting import LONGEST_WAIT_SECONDS, until

BIN = Path(sys.executable).parent
# The time an operator, or the machine's shutdown, gives the service to stop.
STOP_SECONDS = 20


class Answer(NamedTuple):
    status: int
    body: Any


_reserved = contextlib.ExitStack()
atexit.register(_reserved.close)


def free_port() -> int:
    """Return a port that a server can listen on, and that stays reserved while this process lives.

    A socket stays bound to it. The kernel gives such a port to no other process or outgoing connection, except to a
    server that asks for this port and sets SO_REUSEADDR, because the bound socket does not listen.
    """
    placeholder = socket.socket()
    placeholder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    placeholder.bind(("127.0.0.1", 0))
    _reserved.enter_context(placeholder)
    return int(placeholder.getsockname()[1])


class Service:
    """A started service, its log, and requests to it, each on its own connection."""

    def __init__(self, command: list[str], folder: Path, port: int, log: Path, environment: dict[str, str]) -> None:
        self.port, self.log_file = port, log
        with log.open("w") as output:
            # What another folder holds is another program.
            new_process = Loaded if folder == PROJECT and Path(command[0]) == BIN / "gunicorn" else subprocess.Popen
            self.process = new_process(
                command, cwd=folder, env=environment, stdout=output, stderr=output, start_new_session=True
            )

    @property
    def log(self) -> str:
        return self.log_file.read_text()

    def wait_until_ready(self) -> "Service":
        def is_ready() -> bool:
            assert self.process.poll() is None, self.log
            with contextlib.suppress(OSError):
                return self.call("GET", "/readyz").status == 200
            return False

        until(is_ready, "an answer")
        return self

    def call(self, method: str, path: str, token: str | None = None, body: Any = None) -> Answer:
        headers = {"Connection": "close"}
        if token:
            headers["Authorization"] = f"Bearer {token}"
        if body is not None:
            headers["Content-Type"] = "application/json"
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=LONGEST_WAIT_SECONDS)
        with contextlib.closing(connection):
            connection.request(method, path, None if body is None else json.dumps(body), headers)
            response = connection.getresponse()
            text = response.read()
            return Answer(response.status, json.loads(text) if text else None)

    def register(self, name: str = "ann") -> str:
        """Register an account, and return its access token."""
        answer = self.call(
            "POST", "/v1/auth/register", body={"email": f"{name}@example.com", "password": "correct horse battery"}
        )
        assert answer.status == 201, answer
        return str(answer.body["access_token"])

    def workers(self) -> list[int]:
        """Return the ids of the processes that answer."""
        children = f"/proc/{self.process.pid}/task/{self.process.pid}/children"
        return [int(pid) for pid in Path(children).read_text().split()]

    def stop(self, how: signal.Signals = signal.SIGTERM) -> int:
        """Stop it, and return its exit status."""
        self.process.send_signal(how)
        return self.process.wait(STOP_SECONDS)

    def kill(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait(LONGEST_WAIT_SECONDS)
        # Its workers have become children of this process.
        with contextlib.suppress(ChildProcessError):
            while os.waitpid(-self.process.pid, 0):
                pass

    def is_gone(self) -> bool:
        """Return whether none of its processes runs. A zombie does not run."""
        for stat in Path("/proc").glob("[0-9]*/stat"):
            with contextlib.suppress(OSError):
                # After the name: state, parent, group.
                state, _, group = stat.read_text().rpartition(")")[2].split()[:3]
                if int(group) == self.process.pid and state != "Z":
                    return False
        return True


def thread_states(pid: int) -> list[str]:
    """Return threads as the kernel numbers them."""
    return [stat.read_text().rsplit(")", 1)[1].split()[0] for stat in Path(f"/proc/{pid}/task").glob("*/stat")]


@contextlib.contextmanager
def paused(pid: int) -> Iterator[None]:
    os.kill(pid, signal.SIGSTOP)
    try:
        # The signal goes to one thread; until that has run, the others still accept connections.
        until(lambda: set(thread_states(pid)) == {"T"}, "a process that stands still")
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


Start = Callable[..., Service]


@contextlib.contextmanager
def starting(home: Path) -> Iterator[Start]:
    """Start a command as a service on a free port, and kill what is left of it afterwards.

    By default, that is gunicorn with one worker: most tests would not notice another, and each takes time to start.
    """
    started: list[Service] = []

    def run(*command: str, folder: Path = PROJECT, port: int | None = None, **changes: str) -> Service:
        port = port or free_port()
        # A new process group, without the environment of the make around the tests.
        here = {"HOST": "127.0.0.1", "PORT": str(port), "WEB_CONCURRENCY": "1"}
        environment = {"PATH": os.environ["PATH"], "HOME": str(home)} | here
        log = home / f"{len(started)}.log"
        words = list(command or (str(BIN / "gunicorn"), "wsgi:app"))
        started.append(Service(words, folder, port, log, environment | changes))
        return started[-1].wait_until_ready()

    try:
        yield run
    finally:
        for service in started:
            service.kill()


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Start services for one test."""
    with starting(tmp_path) as run:
        yield run


@pytest.fixture
def serve(start: Start) -> Start:
    """Start gunicorn on a migrated database."""

    def run(url: str, **changes: str) -> Service:
        return start(**settings_for(url, **changes))

    return run
