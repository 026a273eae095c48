"""tasks.service: what systemd says about it, and that what it relies on is so."""

import shutil
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import settings_for
from tests.deploy.files import DEPLOY, README, unit
from tests.process.conftest import BIN, Start
from tests.unit.test_limits_documented import gunicorn_setting
from tests.waiting import LONGEST_WAIT_SECONDS

DIRECTIVES = dict(unit())
# Tenths, as systemd-analyze counts: 0 is sealed, 100 is open. It was 14 when this was written.
MOST_EXPOSURE = 20
# Runs a program that can make no memory executable that it has written (prctl(2), PR_SET_MDWE), and one that wants to.
WITHOUT_NEW_CODE = """
import ctypes, os, sys
if ctypes.CDLL(None).prctl(65, 1, 0, 0, 0):
    sys.exit(1)
os.execv(sys.argv[1], sys.argv[1:])
"""
NEW_CODE = "import mmap; mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)"


def analyze(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    program = shutil.which("systemd-analyze")
    if program is None:
        pytest.skip("there is no systemd-analyze")
    return subprocess.run([program, *arguments], capture_output=True, text=True, check=False)


@pytest.mark.parametrize("name", ["tasks.service", "tasks-purge.service", "tasks-purge.timer"])
def test_systemd_understands_every_line(tmp_path: Path, name: str) -> None:
    """With programs and a folder of this machine, since it looks whether they are there."""
    for path in DEPLOY.glob("tasks*.*"):
        (tmp_path / path.name).write_text(path.read_text().replace("/opt/tasks/.venv/bin", str(BIN)))

    done = analyze("verify", "--man=no", tmp_path / name)

    assert [line for line in done.stderr.splitlines() if "tasks" in line] == []
    assert done.returncode == 0


def test_what_is_run_daily_runs_as_the_service_does() -> None:
    """The same user, settings, files and bounds, but for those of a server."""
    purge = dict(unit("tasks-purge.service"))

    own = {name: value for name, value in purge.items() if DIRECTIVES.get(name) != value}
    assert own.keys() == {"Description", "Type", "ExecStart"}
    assert own["ExecStart"] == f"{Path(DIRECTIVES['ExecStart']).parent.parent}/bin/flask purge"
    assert {"User", "EnvironmentFile", "WorkingDirectory", "BindPaths", "ProtectSystem"} <= purge.keys()


def test_systemd_finds_little_exposed() -> None:
    """Its own measure of what the unit lets a broken service do."""
    done = analyze("security", "--offline=true", f"--threshold={MOST_EXPOSURE}", "--no-pager", DEPLOY / "tasks.service")

    assert done.returncode == 0, done.stdout


def test_it_stops_later_than_gunicorn_gives_up() -> None:
    """Or requests that may still finish would be killed."""
    assert DIRECTIVES["KillMode"] == "mixed"
    assert int(DIRECTIVES["TimeoutStopSec"]) > gunicorn_setting("graceful_timeout")


def test_it_reloads_as_gunicorn_does() -> None:
    """By SIGHUP to gunicorn's first process."""
    assert DIRECTIVES["ExecReload"] == "/bin/kill -HUP $MAINPID"


def test_what_it_writes_is_in_its_own_folder() -> None:
    """Where the project looks for it; the command that migrates sees the same folder."""
    state = f"/var/lib/{DIRECTIVES['StateDirectory']}"
    bound = f"{state}:{DIRECTIVES['WorkingDirectory']}/instance"

    assert DIRECTIVES["ProtectSystem"] == "strict"
    assert DIRECTIVES["BindPaths"] == bound
    assert f"--property=BindPaths={bound}" in README
    assert f"--property=EnvironmentFile={DIRECTIVES['EnvironmentFile']}" in README
    assert f"--uid={DIRECTIVES['User']} " in README


def test_gunicorn_tells_systemd_when_it_listens(start: Start, sqlite_url: str, tmp_path: Path) -> None:
    """Type=notify: the unit counts as started only then."""
    assert DIRECTIVES["Type"] == "notify"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(str(tmp_path / "notify"))
        systemd.settimeout(LONGEST_WAIT_SECONDS)
        start(**settings_for(sqlite_url, NOTIFY_SOCKET=str(tmp_path / "notify")))

        assert b"READY=1" in systemd.recv(4096).split(b"\n")


def test_a_reload_keeps_the_first_process(start: Start, sqlite_url: str) -> None:
    """systemd follows it by its number."""
    service = start(**settings_for(sqlite_url))
    service.process.send_signal(signal.SIGHUP)

    assert service.call("GET", "/readyz").status == 200
    assert service.process.poll() is None
    assert service.stop() == 0


def test_the_service_needs_no_memory_that_it_can_write_and_run(start: Start, sqlite_url: str) -> None:
    """MemoryDenyWriteExecute=yes holds it to that; here the kernel does. Hashing and signing work all the same."""
    sealed = [sys.executable, "-c", WITHOUT_NEW_CODE, sys.executable]
    if subprocess.run([*sealed, "-c", ""], check=False, stderr=subprocess.DEVNULL).returncode:
        pytest.skip("this kernel cannot refuse such memory (Linux 6.3 can)")
    new_code = subprocess.run([*sealed, "-c", NEW_CODE], check=False, stderr=subprocess.PIPE)
    assert b"PermissionError" in new_code.stderr

    service = start(*sealed, str(BIN / "gunicorn"), "wsgi:app", **settings_for(sqlite_url))

    assert service.call("GET", "/v1/tasks", service.register()).status == 200
