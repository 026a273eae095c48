"""The measured servers, the service and its peers: two workers each, one log line per request."""

import contextlib
import http.client
import importlib.util
import json
import logging
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import jwt

from benchmarks import processes
from benchmarks.processes import PROJECT

SECRET = "secret-of-a-front-end-for-measurements-only"
TOKEN_SECONDS = 4 * 3600
WORKERS = 2
START_SECONDS = 30
STOP_SECONDS = 20
# Where `make bench` installs the packages of the peer in Node.
NODE = Path(sys.prefix) / "fastify"


class Program(NamedTuple):
    """A server's command, and the command that prepares its empty database."""

    name: str
    prepare: tuple[str, ...]
    start: tuple[str, ...]


class Server:
    """A running server, and requests to it."""

    def __init__(self, program: Program, database_url: str, folder: Path) -> None:
        self.name, self.port = program.name, free_port()
        self._log = folder / f"{self.port}.log"
        address = {"HOST": "127.0.0.1", "PORT": str(self.port)}
        with self._log.open("w") as log:
            # Its own process group, whose time is counted as a whole.
            self.process = subprocess.Popen(
                [word.format(port=self.port) for word in program.start],
                cwd=PROJECT,
                env=environment(database_url) | address,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def wait(self, path: str, user: str) -> None:
        """Repeat a request until there is a response."""
        end = time.monotonic() + START_SECONDS
        while time.monotonic() < end and self.process.poll() is None:
            with contextlib.suppress(ConnectionRefusedError):
                self.call("GET", path, user)
                return
            time.sleep(0.005)
        raise SystemExit(f"benchmarks: {self.name} did not start:\n{self._log.read_text()}")

    def call(self, method: str, path: str, user: str, body: Any = None) -> Any:
        """Send one request on its own connection, and return the response's JSON."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=START_SECONDS)
        headers = {"Authorization": f"Bearer {token(user)}", "Content-Type": "application/json", "Connection": "close"}
        with contextlib.closing(connection):
            connection.request(method, path, None if body is None else json.dumps(body), headers)
            response = connection.getresponse()
            text = response.read()
        if response.status >= 300:
            raise SystemExit(f"benchmarks: {self.name} answered {method} {path} with {response.status}: {text!r}")
        return json.loads(text)

    @property
    def processor_seconds(self) -> float:
        return processes.processor_seconds(self.process.pid)

    def stop(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGTERM)
        try:
            self.process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()


def service(venv: Path) -> Program:
    """Return the service as `make run` starts it."""
    return Program("the service", (f"{venv}/bin/flask", "db", "upgrade"), (f"{venv}/bin/gunicorn", "wsgi:app"))


def peers() -> list[Program]:
    if importlib.util.find_spec("fastapi") is None:
        raise SystemExit("benchmarks: the peers are not installed here: run `make bench`")
    return [
        peer("FastAPI + SQLModel", "benchmarks.peers.fastapi_sqlmodel"),
        peer("FastAPI + asyncpg", "benchmarks.peers.fastapi_asyncpg"),
        *node_peers(),
    ]


def peer(name: str, module: str) -> Program:
    address = ("--host", "127.0.0.1", "--port", "{port}", "--workers", str(WORKERS))
    return Program(
        name,
        (sys.executable, "-m", "benchmarks.peers.fastapi_sqlmodel"),
        (sys.executable, "-m", "uvicorn", f"{module}:app", *address),
    )


def has_node_peer() -> bool:
    return shutil.which("node") is not None and (NODE / "node_modules").is_dir()


def node_peers() -> list[Program]:
    """Return the peer in Node, if it can run."""
    if not has_node_peer():
        logging.warning("Fastify is left out. To include it, install node and npm, and run `make bench` again.")
        return []
    # Node looks for packages next to the program.
    program = str(shutil.copy(PROJECT / "benchmarks/peers/fastify/server.mjs", NODE))
    return [Program("Fastify + postgres.js", ("node", program, "prepare"), ("node", program))]


@contextmanager
def running(program: Program, database_url: str) -> Iterator[Server]:
    """Start a server on a prepared database, and stop it afterwards."""
    with tempfile.TemporaryDirectory(prefix="tasks-bench-") as folder:
        server = Server(program, database_url, Path(folder))
        try:
            yield server
        finally:
            server.stop()


def prepare(program: Program, database_url: str) -> str:
    """Create the tables, and return the same URL."""
    processes.run(*program.prepare, env=environment(database_url))
    return database_url


def environment(database_url: str) -> dict[str, str]:
    """Return the environment of the service and the peers. From the shell it takes only the path to programs."""
    return {
        "PATH": os.environ["PATH"],
        "DATABASE_URL": database_url,
        "BETTER_AUTH_SECRET": SECRET,
        "AUTH_SECRET": SECRET[::-1],
        "WEB_CONCURRENCY": str(WORKERS),
        "LOG_LEVEL": "info",
        "LOG_FORMAT": "json",
        "METRICS": "on",
    }


def token(user: str) -> str:
    """Return a token as the front end would give it to this user."""
    now = int(time.time())
    return jwt.encode({"sub": user, "iat": now, "exp": now + TOKEN_SECONDS}, SECRET, "HS256")


def tasks_of(user: str) -> str:
    return f"/api/{user}/tasks"


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])
