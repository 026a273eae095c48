"""A standby that each commit waits for: it is silent for a while, and takes over under load."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import pytest
from sqlalchemy.engine import make_url

from tests.conftest import migrate
from tests.reliability.cluster import Cluster, cluster
from tests.reliability.conftest import Launch
from tests.reliability.faults import Fault, endure
from tests.reliability.load import Client, User


@dataclass(frozen=True)
class Pair:
    primary: Cluster
    standby: Cluster
    database: str

    @property
    def url(self) -> str:
        """Return the service's URL: a machine whose name is gone, one that is read-only at first, and the primary."""
        hosts = ("gone.invalid:5432", f"127.0.0.1:{self.standby.port}", f"127.0.0.1:{self.primary.port}")
        url = make_url(self.primary.url(self.database, self.primary.port)).set(host=None, port=None)
        several = url.set(query={"host": hosts, "target_session_attrs": "read-write"})
        return several.render_as_string(hide_password=False)

    def query_standby(self, statement: str) -> list[tuple]:
        return self.primary.server.sql(statement, self.database, self.standby.admin)


@pytest.fixture(scope="module")
def pair() -> Iterator[Pair]:
    """Migrated."""
    with cluster() as primary, cluster(primary) as standby:
        primary.set("SET synchronous_standby_names = '*'")
        made = Pair(primary, standby, primary.server.create_database())
        migrate(made.url)
        yield made


def test_a_silent_standby_holds_up_only_writes(pair: Pair, launch: Launch) -> None:
    """Reads go on, also right after a write that waited in vain."""
    service = launch(pair.url, WEB_CONCURRENCY="1").wait_until_ready()
    client = Client(service.port, User().token, kept=False)
    assert client.call("POST", "/v1/tasks", {"title": "tea"}).status == 201
    pair.standby.freeze()
    try:
        assert client.call("POST", "/v1/tasks", {"title": "late"}).status == 503
        assert client.call("GET", "/v1/tasks").status == 200
    finally:
        pair.standby.thaw()
    assert service.stop() == 0


@contextmanager
def failed_over(pair: Pair) -> Iterator[None]:
    pair.primary.stop()
    pair.standby.promote()
    yield


def test_a_failover_loses_nothing(pair: Pair, launch: Launch) -> None:
    """The service needs no restart."""
    service = launch(pair.url).wait_until_ready()

    endure(service, pair.query_standby, Fault(failed_over, 0), pair)

    assert service.stop() == 0
