"""The units of deploy/: systemd accepts them, and their assumptions are true."""

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
# Tenths, as systemd-analyze counts: 0 is closed, 100 is open. It was 14 when this was written.
MOST_EXPOSURE = 20
# Runs a program that cannot make written memory executable (prctl(2), PR_SET_MDWE), and one that tries to.
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


def test_systemd_accepts_every_line(tmp_path: Path) -> None:
    """With programs and a folder of this machine, because it checks that they exist."""
    for path in DEPLOY.glob("tasks*.*"):
        (tmp_path / path.name).write_text(path.read_text().replace("/opt/tasks/.venv/bin", str(BIN)))

    done = analyze("verify", "--man=no", tmp_path / "tasks.service")

    assert [line for line in done.stderr.splitlines() if "tasks" in line] == []
    assert done.returncode == 0


def test_systemd_rates_the_exposure_as_low() -> None:
    """By its own measure of what a broken service could do."""
    done = analyze("security", "--offline=true", f"--threshold={MOST_EXPOSURE}", "--no-pager", DEPLOY / "tasks.service")

    assert done.returncode == 0, done.stdout


def test_systemd_waits_longer_than_gunicorn() -> None:
    """Otherwise requests that could still finish would be killed."""
    assert DIRECTIVES["KillMode"] == "mixed"
    assert int(DIRECTIVES["TimeoutStopSec"]) > gunicorn_setting("graceful_timeout")


def test_a_reload_sends_sighup() -> None:
    """To gunicorn's first process."""
    assert DIRECTIVES["ExecReload"] == "/bin/kill -HUP $MAINPID"


def test_written_files_are_in_the_services_own_folder() -> None:
    """At the project's path, which the migration command shares."""
    state = f"/var/lib/{DIRECTIVES['StateDirectory']}"
    bound = f"{state}:{DIRECTIVES['WorkingDirectory']}/instance"

    assert DIRECTIVES["ProtectSystem"] == "strict"
    assert DIRECTIVES["BindPaths"] == bound
    assert f"--property=BindPaths={bound}" in README
    assert f"--property=EnvironmentFile={DIRECTIVES['EnvironmentFile']}" in README
    assert f"--uid={DIRECTIVES['User']} " in README


def test_gunicorn_notifies_systemd_when_it_listens(start: Start, sqlite_url: str, tmp_path: Path) -> None:
    """Type=notify: only then the unit counts as started."""
    assert DIRECTIVES["Type"] == "notify"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(str(tmp_path / "notify"))
        systemd.settimeout(LONGEST_WAIT_SECONDS)
        start(**settings_for(sqlite_url, NOTIFY_SOCKET=str(tmp_path / "notify")))

        assert b"READY=1" in systemd.recv(4096).split(b"\n")


def test_a_reload_keeps_the_main_process(start: Start, sqlite_url: str) -> None:
    """systemd tracks its id."""
    service = start(**settings_for(sqlite_url))
    service.process.send_signal(signal.SIGHUP)

    assert service.call("GET", "/readyz").status == 200
    assert service.process.poll() is None
    assert service.stop() == 0


def test_the_service_needs_no_writable_and_executable_memory(start: Start, sqlite_url: str) -> None:
    """The kernel enforces MemoryDenyWriteExecute=yes here. Hashing and signing still work."""
    sealed = [sys.executable, "-c", WITHOUT_NEW_CODE, sys.executable]
    if subprocess.run([*sealed, "-c", ""], check=False, stderr=subprocess.DEVNULL).returncode:
        pytest.skip("this kernel cannot refuse such memory (Linux 6.3 can)")
    new_code = subprocess.run([*sealed, "-c", NEW_CODE], check=False, stderr=subprocess.PIPE)
    assert b"PermissionError" in new_code.stderr

    service = start(*sealed, str(BIN / "gunicorn"), "wsgi:app", **settings_for(sqlite_url))

    assert service.call("GET", "/v1/tasks", service.register()).status == 200
