"""Connection counts of all workers in shared memory, so that new connections go to workers with fewer.

The kernel wakes any worker. Without this, a new worker would stay idle while the others hold all connections that
clients keep open.
"""

import mmap

# Twice the maximum number of workers, because SIGHUP starts the new ones before the old ones have ended.
PLACES = 512
# Workers that differ by less than this may all accept a new connection.
SLACK = 4


class Sharing:
    """Each worker writes its own place and reads those of the others."""

    def __init__(self) -> None:
        # One more than the number of connections; 0 if there is no worker.
        self._counts = memoryview(mmap.mmap(-1, 4 * PLACES)).cast("i")

    def note(self, age: int, connections: int) -> None:
        """Record a worker's number of connections under gunicorn's number for the worker."""
        self._counts[age % PLACES] = connections + 1

    def forget(self, age: int) -> None:
        """Remove a worker that has ended."""
        self._counts[age % PLACES] = 0

    def has_more_than_others(self, connections: int) -> bool:
        """Return whether a worker with this many connections should let others accept first."""
        return connections + 1 > min(filter(None, self._counts), default=0) + SLACK


# Made before the workers are forked, because gunicorn's first process loads their class.
sharing = Sharing()
