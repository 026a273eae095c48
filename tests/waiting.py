"""Wait for events elsewhere: in another thread, another process or a server."""

import time
from collections.abc import Callable
from typing import Any

# Only reached if something is broken.
LONGEST_WAIT_SECONDS = 60


def until(condition: Callable[[], Any], what: str) -> Any:
    """Repeat a call until its result is true, and return that."""
    end = time.monotonic() + LONGEST_WAIT_SECONDS
    while time.monotonic() < end:
        if result := condition():
            return result
        time.sleep(0.01)
    raise AssertionError(f"waited in vain for {what}")
