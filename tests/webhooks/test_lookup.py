"""Look-ups end in time, in gunicorn's worker and in threads."""

import os
import subprocess
import sys

import pytest

from app.settings import PROJECT

# A system's look-up that takes long for one name. `time.sleep` itself, as in a thread of the C library.
PROGRAM = """
import sys
if sys.argv[1] == "worker":
    from gevent import monkey
    monkey.patch_all()
import threading, time
from gevent import monkey
from app.webhooks import lookup
from app.webhooks.lookup import LookUps

sleep = monkey.get_original("time", "sleep")

def system(host, port, **options):
    if host == "slow.test":
        sleep(1.5)
    return [(2, 1, 6, "", ("192.0.2.1", port)), (2, 1, 6, "", ("192.0.2.1", port)), (10, 1, 6, "", ("2001:db8::1", 0))]

lookup._system = system
names = LookUps(2)

def try_it(host):
    try:
        return names.find(host, 443, 0.3)
    except TimeoutError:
        return "too long"

print(try_it("fast.test"))
slow = [threading.Thread(target=lambda: print(try_it("slow.test"))) for _ in range(2)]
for each in slow:
    each.start()
for each in slow:
    each.join()
# Both are left behind, and hold their places until they end.
print(try_it("fast.test"))
time.sleep(2)
print(try_it("fast.test"))
"""


@pytest.mark.parametrize("where", ["worker", "thread"])
def test_a_slow_look_up_is_left_behind(where: str) -> None:
    """Those that were left behind are not more than there may be at once."""
    environment = {"PATH": os.environ["PATH"]}
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, where],
        cwd=PROJECT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    found = "['192.0.2.1', '2001:db8::1']"
    assert done.stderr == ""
    assert done.stdout.splitlines() == [found, "too long", "too long", "too long", found]
