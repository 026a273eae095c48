"""Faults of a PostgreSQL server, each during a `with`."""

import contextlib
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, closing
from dataclasses import dataclass
from pathlib import Path

import psycopg2

from tests.process.conftest import Service
from tests.reliability.audit import Query, audit
from tests.reliability.cluster import Cluster
from tests.reliability.load import Load, Reply
from tests.reliability.network import Network

# The promised limits, in seconds: until a 503, the same for a silent server, and until recovery.
ANSWER_SECONDS = 5
SILENT_ANSWER_SECONDS = 10
RECOVERY_SECONDS = 5
# For a slow machine that also does other work.
MARGIN_SECONDS = 1.5
CALM_SECONDS = 0.7
# Longer than the service waits, which is 7 s.
SILENT_SECONDS = 8.5


@dataclass(frozen=True)
class Site:
    """A database behind a network, and its server."""

    cluster: Cluster
    network: Network
    database: str

    @property
    def url(self) -> str:
        return self.cluster.url(self.database, self.network.port)

    def query(self, statement: str) -> list[tuple]:
        return self.cluster.server.sql(statement, self.database)


@contextlib.contextmanager
def stopped(site: Site) -> Iterator[None]:
    site.cluster.stop()
    try:
        yield
    finally:
        site.cluster.start()


@contextlib.contextmanager
def restarted(site: Site) -> Iterator[None]:
    site.cluster.restart()
    yield


@contextlib.contextmanager
def connections_killed(site: Site) -> Iterator[None]:
    """Repeat an action."""
    with _repeating(lambda: site.cluster.end_sessions(site.database), 0.3):
        yield


@contextlib.contextmanager
def out_of_connections(site: Site) -> Iterator[None]:
    """Let others take each connection that the service loses."""
    with ExitStack() as others:

        def take_all() -> None:
            with contextlib.suppress(psycopg2.OperationalError):
                while True:
                    connection = psycopg2.connect(site.cluster.url(site.database, site.cluster.port))
                    others.enter_context(closing(connection))

        take_all()
        site.cluster.end_sessions(site.database)
        with _repeating(take_all, 0.01):
            yield


@contextlib.contextmanager
def read_only(site: Site) -> Iterator[None]:
    site.cluster.set("SET default_transaction_read_only = on")
    try:
        yield
    finally:
        site.cluster.set("RESET default_transaction_read_only")


@contextlib.contextmanager
def frozen(site: Site) -> Iterator[None]:
    site.cluster.freeze()
    try:
        yield
    finally:
        site.cluster.thaw()


@contextlib.contextmanager
def network_gone(site: Site) -> Iterator[None]:
    site.network.cut()
    try:
        yield
    finally:
        site.network.fix()


@contextlib.contextmanager
def disk_full(disk: Path) -> Iterator[None]:
    """Let other data fill the disk."""
    filler = disk / "filler"
    with filler.open("wb", buffering=0) as output, contextlib.suppress(OSError):
        while True:
            output.write(bytes(4096))
    yield
    filler.unlink()


@contextlib.contextmanager
def rows_locked(site: Site) -> Iterator[None]:
    """Let each statement wait, so that it keeps its connection out of the pool."""
    with closing(psycopg2.connect(site.cluster.admin_url(site.database))) as other:
        other.cursor().execute("LOCK TABLE tasks")
        yield


@contextlib.contextmanager
def _repeating(work: Callable[[], None], pause: float) -> Iterator[None]:
    ended = threading.Event()

    def repeat() -> None:
        while not ended.wait(pause):
            work()

    thread = threading.Thread(target=repeat)
    work()
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


@dataclass(frozen=True)
class Fault:
    """A fault, its duration, and the limit of responses. A brief one may go unnoticed."""

    happens: Callable[..., AbstractContextManager[None]]
    seconds: float
    answer_seconds: float = ANSWER_SECONDS
    is_brief: bool = False

    @property
    def name(self) -> str:
        return self.happens.__name__


FAULTS = [
    Fault(restarted, 0, is_brief=True),
    Fault(connections_killed, 1, is_brief=True),
    Fault(stopped, 2),
    Fault(out_of_connections, 2),
    Fault(read_only, 1),
    Fault(frozen, SILENT_SECONDS, SILENT_ANSWER_SECONDS),
    Fault(network_gone, SILENT_SECONDS, SILENT_ANSWER_SECONDS),
]


@dataclass(frozen=True)
class Incident:
    """A fault that happened, and the responses from its start until all writers succeed again."""

    fault: Fault
    returned: float
    replies: list[Reply]

    @property
    def refused(self) -> list[Reply]:
        return [reply for reply in self.replies if reply.status in (0, 503)]

    @property
    def slowest(self) -> float:
        """Return the slowest response in seconds."""
        return max(reply.ended - reply.began for reply in self.replies)

    @property
    def unavailable(self) -> float:
        """Return the seconds from the database's return until the last rejection."""
        return max([0, *(reply.ended - self.returned for reply in self.refused)])

    def verdict(self) -> list[str]:
        """Return the broken promises."""
        limit = self.fault.answer_seconds + MARGIN_SECONDS
        return [
            f"{self.fault.name}: {text}"
            for is_wrong, text in (
                (self.slowest > limit, f"an answer took {self.slowest:.1f} s"),
                (self.unavailable > RECOVERY_SECONDS, f"refused for {self.unavailable:.1f} s after the return"),
                (not self.refused and not self.fault.is_brief, "nobody noticed"),
            )
            if is_wrong
        ]


def inject(load: Load, fault: Fault, *where: object) -> Incident:
    """Inject a fault under load, and wait until the load is served as before."""
    first = len(load.replies)
    with fault.happens(*where):
        time.sleep(fault.seconds)
    returned = time.monotonic()
    wait_for_calm(load)
    return Incident(fault, returned, load.replies[first:])


def endure(service: Service, query: Query, fault: Fault, *where: object) -> Incident:
    """Inject a fault under load, and check all promises."""
    load = Load(service.port)
    with load.running():
        time.sleep(0.5)
        incident = inject(load, fault, *where)

    assert incident.verdict() == []
    assert load.failures() == []
    assert not (findings := audit(load, query)), findings
    return incident


def wait_for_calm(load: Load) -> None:
    """Wait until no request failed for a while and one succeeded, at most twice the promised time."""
    end = time.monotonic() + 2 * (RECOVERY_SECONDS + SILENT_ANSWER_SECONDS)
    while time.monotonic() < end:
        first = len(load.replies)
        time.sleep(CALM_SECONDS)
        statuses = {reply.status for reply in load.replies[first:]}
        if statuses & {200, 201} and not statuses & {0, 503}:
            return
    raise AssertionError("the service did not recover")
