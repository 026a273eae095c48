"""Connections are reused, limited, and closed with the engine."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from flask import Flask
from sqlalchemy.engine import make_url
from sqlalchemy.exc import TimeoutError as PoolTimeout

from app.database import engines
from app.database.connections import Connections
from app.services import services_of
from tests.conftest import Caller, NewDatabase, make_app
from tests.database.conftest import NewApp
from tests.postgres import Server
from tests.waiting import LONGEST_WAIT_SECONDS, until


@pytest.fixture
def small_app(new_database: NewDatabase, monkeypatch: pytest.MonkeyPatch) -> Flask:
    """With two connections, and a short wait for them."""
    monkeypatch.setattr(engines, "POOL_WAIT_SECONDS", 0.05)
    return make_app(new_database(), THREADS="1")


def test_the_connection_used_last_is_taken_first(small_app: Flask) -> None:
    """So that as few as possible are made."""
    connections: Connections = services_of(small_app).database.connections
    one = connections.take()
    assert connections.in_use == 1
    connections.give_back(one)

    assert connections.in_use == 0
    assert connections.take() is one
    connections.give_back(one)
    services_of(small_app).engine.dispose()


def test_no_more_connections_are_made_than_allowed(small_app: Flask) -> None:
    """Others wait until one comes back, or fail."""
    connections: Connections = services_of(small_app).database.connections
    taken = [connections.take() for _ in range(2)]

    with pytest.raises(PoolTimeout):
        connections.take()
    connections.give_back(taken.pop())
    taken.append(connections.take())
    for pooled in taken:
        connections.give_back(pooled)
    services_of(small_app).engine.dispose()


def test_a_waiting_request_gets_the_connection_that_comes_back(
    new_database: NewDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However long others may wait."""
    monkeypatch.setattr(engines, "POOL_WAIT_SECONDS", LONGEST_WAIT_SECONDS)
    app = make_app(new_database(), THREADS="1")
    connections: Connections = services_of(app).database.connections
    taken = [connections.take() for _ in range(2)]
    with ThreadPoolExecutor(1) as thread:
        waiting = thread.submit(connections.take)
        until(lambda: connections._waiting, "who waits")
        connections.give_back(taken.pop())
        taken.append(waiting.result(LONGEST_WAIT_SECONDS))
    for pooled in taken:
        connections.give_back(pooled)
    services_of(app).engine.dispose()


def test_disposing_of_an_engine_closes_its_connections(small_app: Flask) -> None:
    """Otherwise SQLite's -wal would stay, and a server would keep the sessions."""
    connections: Connections = services_of(small_app).database.connections
    pooled = connections.take()
    driver = pooled.driver_connection
    connections.give_back(pooled)

    services_of(small_app).engine.dispose()

    with pytest.raises(Exception, match="closed"):
        driver.cursor()


def test_hosts_without_ports_are_tried_in_turn(postgresql: Server, postgresql_database: str, new_app: NewApp) -> None:
    """The first that is there serves, at PostgreSQL's usual port."""
    url = make_url(postgresql.url(postgresql_database))
    if "host" not in url.query:
        pytest.skip("the given server may have another port")
    hosts = {"host": ("/nowhere", str(url.query["host"]))}
    app = new_app(url.update_query_dict(hosts).render_as_string(hide_password=False))

    assert Caller(app).get("/readyz").status_code == 200
