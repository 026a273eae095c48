"""SQLite's file is locked by another process, or its disk is full, under load."""

import contextlib
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.conftest import migrate, new_user_id, shared_token
from tests.reliability.audit import sqlite_query
from tests.reliability.conftest import Launch
from tests.reliability.faults import Fault, disk_full, endure
from tests.reliability.load import Client

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
    """Lock the file in another process."""
    command = [sys.executable, "-c", LOCKER, str(file)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout.readline() == "locked\n"
        yield
        other.communicate("")


def test_a_file_locked_by_another_process_is_a_short_503(launch: Launch, sqlite_file: Path) -> None:
    """Each of any number of writers gets a response in time, and reads never fail."""
    service = launch(f"sqlite:///{sqlite_file}", THREADS="1").wait_until_ready()
    reader, reads = Client(service.port, shared_token(new_user_id()), kept=True), []

    with ThreadPoolExecutor(1) as pool:
        enduring = pool.submit(endure, service, sqlite_query(sqlite_file), Fault(locked, LOCKED_SECONDS), sqlite_file)
        while not enduring.done():
            reads.append(reader.call("GET", "/v1/tasks"))
            time.sleep(0.05)
        incident = enduring.result()
    reader.close()

    began = incident.returned - LOCKED_SECONDS / 2
    assert {reply.status for reply in reads} == {200}
    assert [reply for reply in reads if began < reply.began < reply.ended < incident.returned]
    assert service.stop() == 0


def test_a_full_disk_is_a_short_503_and_loses_nothing(launch: Launch, small_disk: Path) -> None:
    """Acknowledged writes are there, and the service recovers when there is space again."""
    file = small_disk / "tasks.db"
    migrate(f"sqlite:///{file}")
    service = launch(f"sqlite:///{file}").wait_until_ready()

    endure(service, sqlite_query(file), Fault(disk_full, 1), small_disk)

    assert service.stop() == 0
    assert sqlite3.connect(file).execute("PRAGMA integrity_check").fetchall() == [("ok",)]
