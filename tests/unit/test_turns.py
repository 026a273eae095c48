"""A worker's requests share one thread, so a long or endless one lets the others run."""

import subprocess
import sys

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
