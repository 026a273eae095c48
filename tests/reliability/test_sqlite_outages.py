"""SQLite's file is locked by somebody else, or its disk is full, under load."""

import contextlib
import os
import shutil
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import migrate
from tests.process.conftest import Service
from tests.reliability.audit import audit, sqlite_query
from tests.reliability.conftest import Launch
from tests.reliability.faults import Fault, Incident, inject
from tests.reliability.load import Load

LOCKER = """
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1], isolation_level=None, timeout=30)
connection.execute("BEGIN EXCLUSIVE")
print("locked", flush=True)
sys.stdin.read()
"""
# More than the 4 MB to which the write-ahead log grows by itself, or no fault would be needed.
DISK = "16m"
# More than twice as long as a writer waits for its turn.
LOCKED_SECONDS = 7


@contextlib.contextmanager
def locked(file: Path) -> Iterator[None]:
    """By another process."""
    command = [sys.executable, "-c", LOCKER, str(file)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout.readline() == "locked\n"
        yield
        other.communicate("")


@contextlib.contextmanager
def full(file: Path) -> Iterator[None]:
    """Something else has taken what was left of the disk."""
    filler = file.with_name("filler")
    with filler.open("wb", buffering=0) as output, contextlib.suppress(OSError):
        while True:
            output.write(bytes(4096))
    yield
    filler.unlink()


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A migrated database on a disk of its own."""
    folder = tmp_path / "disk"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", f"size={DISK}", "tasks", str(folder)]
    if os.geteuid() != 0 or not shutil.which("mount") or subprocess.run(command, check=False).returncode:
        pytest.skip("a disk that is full is not tested: only root can mount a small one")
    try:
        migrate(f"sqlite:///{folder / 'tasks.db'}")
        yield folder / "tasks.db"
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def endure(service: Service, file: Path, fault: Fault) -> Incident:
    """Let a fault happen under load; all that is promised holds."""
    load = Load(service.port)
    with load.running():
        time.sleep(0.5)
        incident = inject(load, fault, file)

    assert incident.verdict() == []
    assert load.failures() == []
    assert not (findings := audit(load, sqlite_query(file))), findings
    return incident


def test_a_file_locked_by_another_process_is_a_short_503(launch: Launch, sqlite_file: Path) -> None:
    """However many writers wait for it, each is answered in time; readers need not wait at all."""
    service = launch(f"sqlite:///{sqlite_file}", THREADS="1").wait_until_ready()

    incident = endure(service, sqlite_file, Fault(locked, LOCKED_SECONDS))

    began = incident.returned - LOCKED_SECONDS / 2
    assert [reply for reply in incident.replies if reply.status == 200 and began < reply.began < incident.returned]
    assert service.stop() == 0


def test_a_full_disk_is_a_short_503_and_loses_nothing(launch: Launch, small_disk: Path) -> None:
    """What was acknowledged before is there, and once there is room again, so is the service."""
    service = launch(f"sqlite:///{small_disk}").wait_until_ready()

    endure(service, small_disk, Fault(full, 1))

    assert service.stop() == 0
    assert sqlite3.connect(small_disk).execute("PRAGMA integrity_check").fetchall() == [("ok",)]
