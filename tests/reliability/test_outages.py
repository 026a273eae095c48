"""PostgreSQL fails in every way under load, and no write is lost and no request hangs."""

import os
import shutil
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import migrate
from tests.process.conftest import Service
from tests.reliability.audit import audit
from tests.reliability.conftest import Launch
from tests.reliability.faults import (
    ANSWER_SECONDS,
    FAULTS,
    RECOVERY_SECONDS,
    Fault,
    Incident,
    Site,
    disk_full,
    endure,
    inject,
    rows_locked,
    stopped,
)
from tests.reliability.load import Client, Load, User
from tests.waiting import until

# The time for which faults follow one another; each happens at least once.
SECONDS = float(os.environ.get("RELIABILITY_SECONDS", "0"))
THREADS = 2
# Two workers, each with one per thread and one more.
MAX_SESSIONS = 2 * (THREADS + 1)


@pytest.fixture(scope="module")
def service(site: Site, launch: Launch) -> Service:
    return launch(site.url, THREADS=str(THREADS)).wait_until_ready()


def test_the_service_starts_without_its_database(site: Site, launch: Launch) -> None:
    """It answers 503, and serves when the database is there."""
    with stopped(site):
        service = launch(site.url)
        client = Client(service.port, User().token, kept=False)
        until(lambda: client.call("GET", "/healthz").status == 200, "a process that lives")
        for path in ("/readyz", "/v1/tasks"):
            reply = client.call("GET", path)
            assert (reply.status, "Retry-After" in reply.headers) == (503, True)
            assert reply.ended - reply.began < ANSWER_SECONDS
    returned = time.monotonic()
    until(lambda: client.call("POST", "/v1/tasks", {"title": "tea"}).status == 201, "a task")

    assert time.monotonic() - returned < RECOVERY_SECONDS
    assert service.stop() == 0


def test_an_exhausted_pool_is_a_short_503_and_loses_nothing(site: Site, launch: Launch) -> None:
    """With more threads than connections, a request without one fails before the others finish."""
    service = launch(site.url, "--threads", "6", THREADS="1").wait_until_ready()

    endure(service, site.query, Fault(rows_locked, 7), site)

    assert service.stop() == 0


@pytest.fixture
def small_site(site: Site, small_disk: Path) -> Iterator[Site]:
    """The same server, with a migrated database on a small disk."""
    server = site.cluster.server
    shutil.chown(small_disk, site.cluster.user)
    server.sql(f"CREATE TABLESPACE small LOCATION '{small_disk}'")
    database = server.create_database()
    server.sql(f"ALTER DATABASE {database} SET TABLESPACE small")
    migrate(site.cluster.url(database, site.cluster.port))
    yield Site(site.cluster, site.network, database)
    server.sql(f"DROP DATABASE {database} WITH (FORCE)")
    server.sql("DROP TABLESPACE small")


def test_a_full_disk_is_a_short_503_and_loses_nothing(small_site: Site, launch: Launch, small_disk: Path) -> None:
    """Acknowledged writes are there, and the service recovers when there is space again."""
    service = launch(small_site.url).wait_until_ready()

    endure(service, small_site.query, Fault(disk_full, 2), small_disk)

    assert service.stop() == 0


def summary(load: Load, incidents: list[Incident], lost: int, doubled: int, late: int) -> str:
    counts = Counter(incident.fault.name for incident in incidents)
    figures = {
        "writes acknowledged": load.acknowledged(),
        "writes refused": sum(write.is_unknown for writes in load.writes.values() for write in writes),
        "of these done nevertheless": late,
        **{f"faults, {name}": count for name, count in counts.items()},
        "neither answered nor refused clearly": len(load.failures()),
        "lost": lost,
        "doubled": doubled,
        "longest unavailability after the return": f"{max(each.unavailable for each in incidents):.1f} s",
    }
    for name in counts:
        slowest = max(incident.slowest for incident in incidents if incident.fault.name == name)
        figures[f"slowest answer, {name}"] = f"{slowest:.1f} s"
    return "\n".join(f"{name:45} {figure}" for name, figure in figures.items())


def test_nothing_is_lost_in_outage_after_outage(
    site: Site, service: Service, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each response is in time, the service recovers by itself, and every acknowledged write is there once."""
    load, incidents = Load(service.port), []
    end = time.monotonic() + SECONDS
    with load.running():
        while time.monotonic() < end or len(incidents) < len(FAULTS):
            incidents.append(inject(load, FAULTS[len(incidents) % len(FAULTS)], site))
            assert len(site.cluster.sessions(site.database)) <= MAX_SESSIONS
    findings = audit(load, site.query)
    with capsys.disabled():
        print(f"\n{summary(load, incidents, len(findings.lost), len(findings.doubled), findings.late)}")  # noqa: T201

    assert not findings, findings
    assert load.failures() == []
    assert [text for incident in incidents for text in incident.verdict()] == []
    assert set(site.cluster.sessions(site.database)) <= {"idle"}
