"""The whole service over real HTTP starts, keeps its data, and stops on request."""

import contextlib
import json
import os
import re
import shutil
import signal
import socket
import subprocess
from pathlib import Path

import pytest

from app.settings import PROJECT
from tests.conftest import NewDatabase, migrate, new_user_id, settings_for, shared_token
from tests.process.conftest import BIN, Service, Start, free_port, paused
from tests.waiting import until

TASK = {"title": "tea", "details": "green"}
NOT_OF_THE_TREE = (
    ".git",
    ".venv*",
    "instance",
    ".*_cache",
    ".hypothesis",
    ".env",
    ".coverage*",
    "tests",
)


def complete_a_task(service: Service, token: str) -> dict[str, object]:
    created = service.call("POST", "/v1/tasks", token, TASK)
    assert created.status == 201
    completed = service.call("PATCH", f"/v1/tasks/{created.body['id']}", token, {"completed": True})
    assert completed.status == 200
    return dict(completed.body)


def test_a_task_survives_a_restart(serve: Start, new_database: NewDatabase) -> None:
    """Register, create, complete, stop, start again: the account, its token and its task still work."""
    url = new_database()
    service = serve(url)
    token = service.register()
    task = complete_a_task(service, token)
    assert service.stop() == 0

    service = serve(url)

    assert service.call("GET", f"/v1/tasks/{task['id']}", token) == (200, task)
    assert task["completed"] is True
    login = {"email": "ann@example.com", "password": "correct horse battery"}
    assert service.call("POST", "/v1/auth/login", body=login).status == 200


def test_a_task_survives_a_kill(serve: Start, new_database: NewDatabase) -> None:
    """Acknowledged writes are kept, however the service stops."""
    url = new_database()
    service = serve(url)
    token = service.register()
    task = complete_a_task(service, token)
    service.kill()

    assert serve(url).call("GET", f"/v1/tasks/{task['id']}", token) == (200, task)


def test_another_users_task_is_404(serve: Start, sqlite_url: str) -> None:
    """For both kinds of accounts and both families of routes. The task is unchanged."""
    service = serve(sqlite_url)
    ann, bob = service.register("ann"), service.register("bob")
    task = complete_a_task(service, ann)
    carol = new_user_id()

    for token in (bob, shared_token(carol)):
        assert service.call("GET", f"/v1/tasks/{task['id']}", token).status == 404
        assert service.call("DELETE", f"/v1/tasks/{task['id']}", token).status == 404
    assert service.call("GET", f"/api/{carol}/tasks/{task['id']}", shared_token(carol)).status == 404
    assert service.call("GET", f"/v1/tasks/{task['id']}", ann) == (200, task)


def test_two_workers_share_their_data(serve: Start, new_database: NewDatabase) -> None:
    """Each reads the other's writes, while the other is frozen."""
    # Else a worker could be frozen in the middle of a write of its own, and SQLite lets only one write at a time.
    service = serve(new_database(), WEB_CONCURRENCY="2", WORK="off")
    one, other = until(lambda: service.workers() if len(service.workers()) == 2 else None, "two workers")

    with paused(one):
        token = service.register()
        task = complete_a_task(service, token)
    with paused(other):
        assert service.call("GET", f"/v1/tasks/{task['id']}", token) == (200, task)
        assert service.call("DELETE", f"/v1/tasks/{task['id']}", token).status == 204
    with paused(one):
        assert service.call("GET", f"/v1/tasks/{task['id']}", token).status == 404


def test_a_dead_worker_is_replaced(serve: Start, sqlite_url: str) -> None:
    """The new one gives the same responses."""
    service = serve(sqlite_url)
    token = service.register()
    task = complete_a_task(service, token)
    (first,) = service.workers()
    os.kill(first, signal.SIGKILL)
    until(lambda: service.workers() not in ([], [first]), "a new worker")

    assert service.call("GET", f"/v1/tasks/{task['id']}", token) == (200, task)


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT], ids=lambda how: how.name)
def test_it_stops_on_sigterm(serve: Start, sqlite_url: str, how: signal.Signals) -> None:
    """With status 0, without a stack trace or a remaining process."""
    service = serve(sqlite_url, WEB_CONCURRENCY="2")
    service.register()

    assert service.stop(how) == 0

    assert until(service.is_gone, "the end of all processes")
    assert "Traceback" not in service.log


def test_open_connections_do_not_prevent_the_stop(serve: Start, sqlite_url: str) -> None:
    """Neither a browser's idle one, nor a slow client's half request."""
    service = serve(sqlite_url)
    with contextlib.ExitStack() as clients:
        for sent in (b"", b"GET / HT", b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"):
            client = clients.enter_context(socket.create_connection(("127.0.0.1", service.port)))
            client.sendall(sent)
        # The workers accept connections in order: with this response they have accepted those.
        assert service.call("GET", "/healthz").status == 200
        assert service.stop() == 0


def test_it_prints_the_address_where_it_listens(start: Start, sqlite_url: str) -> None:
    """Also if gunicorn's own option sets it."""
    there = free_port()
    command = (str(BIN / "gunicorn"), "--bind", f"127.0.0.1:{there}", "wsgi:app")
    service = start(*command, port=there, **settings_for(sqlite_url, PORT="1", LOG_FORMAT="text"))

    assert f"http://127.0.0.1:{there}/docs" in service.log


def test_without_accounts_it_prints_another_working_request(serve: Start, sqlite_url: str) -> None:
    """Because registration is off."""
    service = serve(sqlite_url, LOCAL_AUTH="off", LOG_FORMAT="text")
    assert run_printed_curl(service) == "200"


def test_a_log_for_programs_has_only_json_lines(serve: Start, sqlite_url: str) -> None:
    """From the start, which names the address and settings, to the end."""
    service = serve(sqlite_url, LOG_FORMAT="json", LOG_LEVEL="info")
    assert service.stop() == 0

    lines = [json.loads(line) for line in service.log.splitlines()]

    said = [line["message"] for line in lines if line["logger"] == "tasks.server"]
    assert f"serves on http://127.0.0.1:{service.port}: sqlite" in said[0]
    assert said[-1] == "stopped"


def run_printed_curl(service: Service) -> str:
    """Run the printed command in a shell, and return its status."""
    curl = until(lambda: re.search(r"^ *(curl .*)$", service.log, re.MULTILINE), "a line with curl")[1]
    quiet = f"{curl} --silent --output /dev/null --write-out '%{{http_code}}'"
    return subprocess.run(["bash", "-c", quiet], capture_output=True, text=True, timeout=60, check=True).stdout


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A copy of the project in its own folder, with the tests' packages as its environment."""
    folder = Path(shutil.copytree(PROJECT, tmp_path / "checkout", ignore=shutil.ignore_patterns(*NOT_OF_THE_TREE)))
    venv = tmp_path / "venv"
    venv.mkdir()
    (venv / "bin").symlink_to(BIN)
    for marker in (".created", ".runtime"):
        # Newer than the requirements, so nothing is installed.
        (venv / marker).touch()
    return folder


def make_run(start: Start, checkout: Path) -> Service:
    return start(
        "make", "--no-print-directory", "run", f"VENV={checkout.parent / 'venv'}", folder=checkout, LOG_FORMAT="text"
    )


def test_make_run_serves_and_keeps_its_data(start: Start, checkout: Path) -> None:
    """Without settings it migrates, writes a secret and serves; the second run knows its users and tokens.

    Each time it says where it is, how a first request goes, and ends cleanly on Ctrl-C.
    """
    service = make_run(start, checkout)
    assert_said(service)
    token = service.register()
    task = complete_a_task(service, token)
    interrupt(service)

    service = make_run(start, checkout)

    assert service.call("GET", f"/v1/tasks/{task['id']}", token) == (200, task)
    assert service.call("GET", "/v1/auth/me", token).body["email"] == "ann@example.com"
    assert_said(service)
    interrupt(service)
    assert (checkout / "instance" / "auth_secret").stat().st_mode & 0o777 == 0o600
    assert (checkout / "instance" / "tasks.db").is_file()


def test_a_command_creates_no_secret(checkout: Path) -> None:
    """If there is none yet or it was lost, the command says so."""

    def flask(*arguments: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
        command, here = [BIN / "flask", *arguments], {"PATH": os.environ["PATH"]}
        return subprocess.run(
            command, cwd=checkout, env=here, input=stdin, capture_output=True, text=True, timeout=60, check=False
        )

    assert flask("db", "upgrade").returncode == 0
    made = flask("users", "create", "ann@example.com", stdin="correct horse battery\n")
    token, seeded = flask("users", "token", "ann@example.com"), flask("seed", "--users", "1", "--tasks", "1")
    checked = flask("doctor")

    assert (made.returncode, token.returncode, token.stdout) == (0, 1, "")
    assert "auth_secret is missing. Put it back, or restart the service" in token.stderr
    assert seeded.returncode == 0
    assert "Start the service to make one" in seeded.stdout
    assert "auth_secret is missing. Fix: Put it back" in checked.stdout
    assert [path.name for path in (checkout / "instance").iterdir()] == ["tasks.db"]


def assert_said(service: Service) -> None:
    """Return the printed address, the interactive description, and the command that registers."""
    assert run_printed_curl(service) == "201"
    assert f"http://127.0.0.1:{service.port}/docs" in service.log


def interrupt(service: Service) -> None:
    """Send SIGINT to the whole group, as a terminal does at Ctrl-C."""
    os.killpg(service.process.pid, signal.SIGINT)
    service.process.wait(60)
    until(service.is_gone, "the end of all processes")
    assert "Traceback" not in service.log


def test_a_reload_does_not_read_settings(start: Start, checkout: Path) -> None:
    """So a mistake in them cannot stop it, and the workers match the loaded application."""
    migrate(f"sqlite:///{checkout / 'tasks.db'}")
    service = start(folder=checkout, **settings_for(f"sqlite:///{checkout / 'tasks.db'}"))
    (before,) = service.workers()
    (checkout / ".env").write_text("THREADS=many\n")
    service.process.send_signal(signal.SIGHUP)
    until(lambda: len(service.workers()) == 1 and before not in service.workers(), "a new worker")

    assert service.call("GET", "/readyz").status == 200
    assert service.stop() == 0


@pytest.mark.parametrize("setting", ["PORT", "AUTH_SECRET"])
def test_make_run_with_a_bad_setting_fails_in_one_line(checkout: Path, setting: str) -> None:
    """Before anything is created."""
    done = subprocess.run(
        ["make", "run", f"VENV={checkout.parent / 'venv'}"],
        cwd=checkout,
        env={"PATH": os.environ["PATH"], setting: "wrong"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    lines = [line for line in done.stderr.splitlines() if not line.startswith("make")]
    assert done.returncode != 0
    assert len(lines) == 1
    assert lines[0].startswith(f"tasks: {setting} ")
    assert not (checkout / "instance" / "tasks.db").exists()
