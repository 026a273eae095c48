"""Kill what serves, what sends, and PostgreSQL, at random moments; then send what still waits."""

import os
import random
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

from tests.commands.calling import start
from tests.loaded import Loaded
from tests.process.conftest import Service
from tests.reliability.audit import Query
from tests.reliability.cluster import Cluster
from tests.waiting import LONGEST_WAIT_SECONDS

# As time would; a lease of a killed process ends after a minute.
MAKE_DUE = "UPDATE outbox SET due_at = '2026-01-01T00:00:00.000000Z' WHERE finished_at IS NULL AND kind <> 'purge'"
LEFT = "SELECT count(*) FROM outbox WHERE finished_at IS NULL AND kind <> 'purge'"
# Receivers fail in one of ten cases, and a webhook is switched off after ten in a row.
ROUNDS = 9
SENDERS = 2
# The service and the senders together use fewer connections than the broken server has.
THREADS = "3"


@dataclass(frozen=True)
class Database:
    """A database of either engine: its URL, and what reads and changes it without the service."""

    url: str
    query: Query
    run: Callable[[str], object]
    cluster: Cluster | None = None


class Kills:
    """Kill a worker of the service, one of two `flask work`, and PostgreSQL, in turns that chance mixes."""

    def __init__(self, service: Service, database: Database, **environment: str) -> None:
        self.service, self.database, self.environment = service, database, environment
        self.chance, self.counts = random.Random(1), Counter[str]()

    def go_on(self, seconds: float, is_enough: Callable[[], bool]) -> None:
        """Kill for this time, and until it is enough."""
        self.senders = [self._new_sender() for _ in range(SENDERS)]
        ways = [self._kill_server, self._kill_sender, *([self._restart_database] if self.database.cluster else [])]
        turns, ends_at = [], time.monotonic() + seconds
        try:
            while time.monotonic() < ends_at or not is_enough():
                turns = turns or self.chance.sample(ways, len(ways))
                time.sleep(self.chance.uniform(0.2, 3))
                turns.pop()()
        finally:
            for sender in self.senders:
                sender.kill()
                sender.wait()

    def send_the_rest(self) -> None:
        """Send all that waits, in as many attempts as it takes: receivers still fail now and then."""
        for _ in range(ROUNDS):
            self.database.run(MAKE_DUE)
            assert self._new_sender("--once").wait(LONGEST_WAIT_SECONDS * 5) == 0
            if self.database.query(LEFT) == [(0,)]:
                return
        raise AssertionError("some were never sent")

    def __str__(self) -> str:
        return ", ".join(f"{count} × {what}" for what, count in sorted(self.counts.items()))

    def _new_sender(self, *options: str) -> Loaded:
        streams = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.DEVNULL)
        return start(self.database.url, "work", *options, streams=streams, **self.environment)

    def _kill_server(self) -> None:
        with suppress(ProcessLookupError, IndexError):
            os.kill(self.chance.choice(self.service.workers()), signal.SIGKILL)
            self.counts["worker of the service killed"] += 1

    def _kill_sender(self) -> None:
        sender = self.senders.pop(0)
        sender.kill()
        sender.wait()
        self.senders.append(self._new_sender())
        self.counts["flask work killed"] += 1

    def _restart_database(self) -> None:
        assert self.database.cluster
        self.database.cluster.stop()
        time.sleep(self.chance.uniform(0, 2))
        self.database.cluster.start()
        self.counts["PostgreSQL killed"] += 1
