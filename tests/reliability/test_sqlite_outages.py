"""SQLite's file is locked by somebody else, or its disk is full, under load."""

import contextlib
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from tests.conftest import migrate
from tests.reliability.audit import sqlite_query
from tests.reliability.conftest import Launch
from tests.reliability.faults import Fault, disk_full, endure

LOCKER = """
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1], isolation_level=None, timeout=30)
connection.execute("BEGIN EXCLUSIVE")
print("locked", flush=True)
sys.stdin.read()
"""
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


def test_a_file_locked_by_another_process_is_a_short_503(launch: Launch, sqlite_file: Path) -> None:
    """However many writers wait for it, each is answered in time; readers need not wait at all."""
    service = launch(f"sqlite:///{sqlite_file}", THREADS="1").wait_until_ready()

    incident = endure(service, sqlite_query(sqlite_file), Fault(locked, LOCKED_SECONDS), sqlite_file)

    began = incident.returned - LOCKED_SECONDS / 2
    assert [reply for reply in incident.replies if reply.status == 200 and began < reply.began < incident.returned]
    assert service.stop() == 0


def test_a_full_disk_is_a_short_503_and_loses_nothing(launch: Launch, small_disk: Path) -> None:
    """What was acknowledged before is there, and once there is room again, so is the service."""
    file = small_disk / "tasks.db"
    migrate(f"sqlite:///{file}")
    service = launch(f"sqlite:///{file}").wait_until_ready()

    endure(service, sqlite_query(file), Fault(disk_full, 1), small_disk)

    assert service.stop() == 0
    assert sqlite3.connect(file).execute("PRAGMA integrity_check").fetchall() == [("ok",)]
