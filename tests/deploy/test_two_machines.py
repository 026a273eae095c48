"""nginx.conf with a second machine, of which one restarts or is gone: no request fails."""

import contextlib
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import new_user_id, settings_for, shared_token
from tests.deploy.site import Site, require_nginx, serving
from tests.process.conftest import Service, Start
from tests.reliability.network import Network

TASK = b'{"title": "tea"}'
REQUESTS = 6


@pytest.fixture
def service(start: Start, sqlite_url: str) -> Service:
    require_nginx()
    return start(**settings_for(sqlite_url))


@contextlib.contextmanager
def creating(site: Site) -> Iterator[list[int]]:
    """Create tasks without pause, and collect the statuses."""
    token, statuses, ended = shared_token(new_user_id()), [], threading.Event()

    def create() -> None:
        while not ended.is_set():
            statuses.append(site.call("POST", "/v1/tasks", token, TASK).status)

    threads = [threading.Thread(target=create) for _ in range(4)]
    for thread in threads:
        thread.start()
    try:
        yield statuses
    finally:
        ended.set()
        for thread in threads:
            thread.join()


def test_a_restart_of_one_machine_fails_no_request(
    service: Service, start: Start, sqlite_url: str, tmp_path: Path
) -> None:
    """Neither while it stops nor while it is away."""
    settings = settings_for(sqlite_url)
    second = start(**settings)
    with serving(require_nginx(), service, tmp_path, second.port) as site, creating(site) as statuses:
        assert second.stop() == 0
        start(port=second.port, **settings)

    assert set(statuses) == {201}


def test_a_machine_that_is_gone_fails_no_new_request(service: Service, tmp_path: Path) -> None:
    """It accepts no connection, so not even a POST has reached it when the other one gets the request."""
    network, token = Network(service.port), shared_token(new_user_id())
    with serving(require_nginx(), service, tmp_path, network.port) as site:
        network.cut()
        statuses = [site.call("POST", "/v1/tasks", token, TASK).status for _ in range(REQUESTS)]
        network.fix()
    network.end()

    assert statuses == [201] * REQUESTS
