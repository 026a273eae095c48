"""A standby takes over under load, and the service finds it."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import pytest
from sqlalchemy.engine import make_url

from tests.conftest import migrate
from tests.reliability.cluster import Cluster, cluster
from tests.reliability.conftest import Launch
from tests.reliability.faults import Fault, endure


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


@pytest.fixture
def pair() -> Iterator[Pair]:
    """Each commit waits for the standby."""
    with cluster() as primary, cluster(primary) as standby:
        primary.set("SET synchronous_standby_names = '*'")
        yield Pair(primary, standby, primary.server.create_database())


@contextmanager
def failed_over(pair: Pair) -> Iterator[None]:
    pair.primary.stop()
    pair.standby.promote()
    yield


def test_a_failover_loses_nothing(pair: Pair, launch: Launch) -> None:
    """The service needs no restart."""
    migrate(pair.url)
    service = launch(pair.url).wait_until_ready()

    endure(service, pair.query_standby, Fault(failed_over, 0), pair)

    assert service.stop() == 0
