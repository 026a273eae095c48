"""How many connections each worker has, in memory that all of them share: new ones go to those that have fewer.

The kernel wakes whichever worker it likes. Without this, one that has just been replaced would stay without work while
the others hold all connections that clients keep open.
"""

import mmap

# The most workers that a setting asks for, twice: SIGHUP starts the new before the old have ended.
PLACES = 512
# Between workers that differ by less, the faster one may take a new connection.
SLACK = 4


class Sharing:
    """Each worker writes at a place of its own, and reads those of the others."""

    def __init__(self) -> None:
        # One more than the number of connections; 0 where there is no worker.
        self._counts = memoryview(mmap.mmap(-1, 4 * PLACES)).cast("i")

    def note(self, age: int, connections: int) -> None:
        """Say how many a worker has, by gunicorn's number for it."""
        self._counts[age % PLACES] = connections + 1

    def forget(self, age: int) -> None:
        """A worker has ended."""
        self._counts[age % PLACES] = 0

    def has_more_than_others(self, connections: int) -> bool:
        """Whether a worker with so many should let others go first."""
        return connections + 1 > min(filter(None, self._counts), default=0) + SLACK


# Made before the workers are forked, since gunicorn's first process loads their class.
sharing = Sharing()
