"""/metrics with real workers counts every response once, also of workers that are gone."""

import contextlib
import http.client
import os
import signal
from concurrent.futures import ThreadPoolExecutor

import psycopg2
import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.conftest import migrate, new_user_id, shared_token
from tests.postgres import Server
from tests.process.conftest import Service, Start
from tests.waiting import LONGEST_WAIT_SECONDS, until

WORKERS = 2
CLIENTS = 8
# In one round.
REQUESTS = 200

IN_USE = ("tasks_database_connections_in_use",)


@pytest.fixture
def service(serve: Start, sqlite_url: str) -> Service:
    service = serve(sqlite_url, METRICS="on", WEB_CONCURRENCY=str(WORKERS))
    until(lambda: len(service.workers()) == WORKERS, "all workers")
    return service


def scrape(service: Service) -> dict[tuple[str, ...], float]:
    """Return each number by its name and the values of its labels."""
    connection = http.client.HTTPConnection("127.0.0.1", service.port, timeout=LONGEST_WAIT_SECONDS)
    with contextlib.closing(connection):
        connection.request("GET", "/metrics", headers={"Connection": "close"})
        text = connection.getresponse().read().decode()
    families = text_string_to_metric_families(text)
    return {
        (sample.name, *(value for _, value in sorted(sample.labels.items()))): sample.value
        for family in families
        for sample in family.samples
    }


def listed(service: Service) -> float:
    return scrape(service).get(("tasks_requests_total", "GET", "/v1/tasks", "200"), 0)


def ask(service: Service, requests: int = REQUESTS) -> None:
    """Send each request on its own connection, several at once, so that any worker may accept it."""
    token = shared_token(new_user_id())
    with ThreadPoolExecutor(CLIENTS) as clients:
        answers = list(clients.map(lambda _: service.call("GET", "/v1/tasks", token).status, range(requests)))
    assert set(answers) == {200}


def test_two_workers_counts_are_summed(service: Service) -> None:
    """After each round the count is exact, also in the buckets, and the same at each worker."""
    for rounds in (1, 2):
        ask(service)
        numbers = [scrape(service) for _ in range(10)]

        assert {n["tasks_requests_total", "GET", "/v1/tasks", "200"] for n in numbers} == {rounds * REQUESTS}
        assert {n["tasks_request_duration_seconds_count", "GET", "/v1/tasks"] for n in numbers} == {rounds * REQUESTS}


def test_a_killed_workers_counts_stay(service: Service) -> None:
    """Its successor continues from there."""
    ask(service)
    before = service.workers()
    os.kill(before[0], signal.SIGKILL)
    until(lambda: len(service.workers()) == WORKERS and service.workers() != before, "a new worker")

    assert listed(service) == REQUESTS
    ask(service)
    assert listed(service) == 2 * REQUESTS


def test_replaced_workers_counts_stay(service: Service) -> None:
    """After SIGHUP during requests, no response is lost or counted twice, and no number decreases."""
    first = set(service.workers())
    seen = []
    for rounds in (1, 2, 3):
        with ThreadPoolExecutor(1) as background:
            asking = background.submit(ask, service)
            service.process.send_signal(signal.SIGHUP)
            while not asking.done():
                seen.append(listed(service))
        asking.result()
        assert listed(service) == rounds * REQUESTS

    assert seen == sorted(seen)
    until(lambda: len(service.workers()) == WORKERS and first.isdisjoint(service.workers()), "new workers alone")
    assert listed(service) == 3 * REQUESTS


def test_connections_in_use_are_shown(serve: Start, postgresql: Server) -> None:
    """A request that waits for a lock has one, at each worker; afterwards none is in use."""
    database = postgresql.create_database()
    migrate(postgresql.url(database))
    service = serve(postgresql.url(database), METRICS="on", WEB_CONCURRENCY=str(WORKERS))
    admin = postgresql.admin.set(database=database).render_as_string(hide_password=False)
    with ThreadPoolExecutor() as clients, contextlib.closing(psycopg2.connect(admin)) as other:
        other.cursor().execute("LOCK TABLE tasks")
        asked = []

        def one_waits() -> bool:
            # Each waits only for two seconds, in which a busy machine may not have looked.
            if not asked or asked[-1].done():
                asked.append(clients.submit(service.call, "GET", "/v1/tasks", shared_token(new_user_id())))
            return scrape(service)[IN_USE] == 1

        until(one_waits, "a connection in use")
        other.rollback()

    assert {each.result().status for each in asked} <= {200, 503}
    until(lambda: scrape(service)[IN_USE] == 0, "no connection in use")


def test_metrics_are_off_by_default(serve: Start, sqlite_url: str) -> None:
    """Without METRICS=on the route does not exist."""
    assert serve(sqlite_url).call("GET", "/metrics").status == 404
