"""A worker's requests share one thread, so a long or endless one lets the others run."""

import subprocess
import sys
import threading

from app.turns import ROWS_WITHOUT_A_TURN, turn, turn_for, without_turn
from tests.waiting import LONGEST_WAIT_SECONDS

# Its own process, because gevent's changes cannot be undone.
WORKER = """
from gevent import monkey

monkey.patch_all()

import time
import gevent
from app.turns import TURN_SECONDS, Deadline, give_way

said = []


def compute():
    for _ in range(20):
        with Deadline(60, TimeoutError):
            time_flies(TURN_SECONDS / 2)
        give_way()
    said.append("computed")


def time_flies(seconds):
    ends_at = time.perf_counter() + seconds
    while time.perf_counter() < ends_at:
        pass


def wait():
    gevent.sleep(0.001)
    said.append("waited")


gevent.joinall([gevent.spawn(compute), gevent.spawn(wait)])
print(*said)
"""


def test_a_request_that_always_has_more_to_do_lets_others_run() -> None:
    """Starting a wait with a deadline does not count as a turn for others."""
    ran = subprocess.run([sys.executable, "-c", WORKER], capture_output=True, text=True, check=True)

    assert ran.stdout.split() == ["waited", "computed"]


def encoding(rows: int) -> threading.Event:
    """Encode so many rows beside this test; what is set once it has begun."""
    begun = threading.Event()

    def encode() -> None:
        with turn_for(rows):
            begun.set()

    threading.Thread(target=encode, daemon=True).start()
    return begun


def test_only_many_rows_wait_for_a_turn() -> None:
    """A short list is not held up by an export; a long one is, until the export lets it."""
    with turn():
        few, many = encoding(ROWS_WITHOUT_A_TURN - 1), encoding(ROWS_WITHOUT_A_TURN)
        assert few.wait(LONGEST_WAIT_SECONDS)
        assert not many.wait(0.1)

    assert many.wait(LONGEST_WAIT_SECONDS)


def test_one_who_waits_for_the_database_leaves_its_turn() -> None:
    """Another computes meanwhile."""
    with turn(), without_turn():
        assert encoding(ROWS_WITHOUT_A_TURN).wait(LONGEST_WAIT_SECONDS)
