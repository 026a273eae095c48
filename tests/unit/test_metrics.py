"""The metrics' names, labels and counts."""

import fcntl
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from pathlib import Path

import pytest
from flask import Flask
from prometheus_client import values
from prometheus_client.parser import text_string_to_metric_families

from app.ops import metrics
from app.ops.metrics import BUCKETS, FOLDER, Counts
from app.services import services_of
from app.tasks.waiting import Waits
from tests.conftest import Caller, make_app, migrate, new_user_id
from tests.waiting import LONGEST_WAIT_SECONDS

Numbers = dict[tuple[str, ...], float]


@pytest.fixture
def app(tmp_path: Path) -> Iterator[Flask]:
    """A service for this test with METRICS=on."""
    url = f"sqlite:///{tmp_path / 'tasks.db'}"
    migrate(url)
    app = make_app(url, METRICS="on", AUTH_RATE_LIMIT="3")
    yield app
    services_of(app).engine.dispose()


@pytest.fixture
def counts() -> Counts:
    """Metrics for one route, without a service."""
    return Counts(["not_found"], lambda: 0, Waits())


def numbers(caller: Caller) -> Numbers:
    """Return each number by its name and the values of its labels."""
    answer = caller.get("/metrics")
    assert (answer.status_code, answer.mimetype) == (200, "text/plain")
    return {
        (sample.name, *(value for _, value in sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(answer.text)
        for sample in family.samples
    }


def answered(counts: Counts, seconds: float = 0.001, route: str | None = "/a", method: str = "GET") -> None:
    """Count a response as the service would."""
    request = type("Request", (), {"url_rule": type("Rule", (), {"rule": route}) if route else None})
    counts.add({"REQUEST_METHOD": method, "werkzeug.request": request}, "200 OK", seconds)


def samples(counts: Counts) -> Numbers:
    return {
        (sample.name, *(value for _, value in sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(counts.page().decode())
        for sample in family.samples
    }


def test_requests_are_counted_by_route_and_status(app: Flask, ann: Caller, anonymous: Caller) -> None:
    """By the route, not the path, because each id would be a series."""
    for _ in range(3):
        task_id = ann.add()["id"]
        assert ann.get(f"/v1/tasks/{task_id}").status_code == 200
    assert ann.get(f"/api/{new_user_id()}/tasks").status_code == 403
    assert anonymous.get("/v1/tasks").status_code == 401
    assert anonymous.call("HEAD", "/healthz").status_code == 200

    found = {key[1:]: value for key, value in numbers(anonymous).items() if key[0] == "tasks_requests_total"}

    assert found == {
        ("POST", "/v1/tasks", "201"): 3,
        ("GET", "/v1/tasks/<id:task_id>", "200"): 3,
        ("GET", "/api/<user_id>/tasks", "403"): 1,
        ("GET", "/v1/tasks", "401"): 1,
        ("HEAD", "/healthz", "200"): 1,
    }


@pytest.mark.parametrize(
    ("method", "path", "expected"),
    [
        ("GET", "/nothing", ("GET", "none", "404")),
        ("PUT", "/healthz", ("PUT", "none", "405")),
        ("BREW", "/healthz", ("other", "none", "405")),
    ],
)
def test_an_unknown_path_or_method_is_counted_as_none(
    app: Flask, anonymous: Caller, method: str, path: str, expected: tuple[str, ...]
) -> None:
    """So that clients cannot create series."""
    assert anonymous.call(method, path).status_code in (404, 405)

    assert numbers(anonymous)["tasks_requests_total", *expected] == 1


def test_a_failure_is_counted(app: Flask, ann: Caller, monkeypatch: pytest.MonkeyPatch) -> None:
    """As 500."""
    monkeypatch.setitem(app.view_functions, "service.check_health", lambda: 1 / 0)
    assert ann.get("/healthz").status_code == 500

    found = numbers(ann)

    assert found["tasks_requests_total", "GET", "/healthz", "500"] == 1
    assert found["tasks_problems_total", "internal_error"] == 1


def test_rejections_are_counted_by_code(app: Flask, anonymous: Caller) -> None:
    """Such as rejected tokens and rate limits. Codes that did not occur are 0."""
    for token in ("nonsense", "a.b.c"):
        assert anonymous.get("/v1/tasks", headers={"Authorization": f"Bearer {token}"}).status_code == 401
    assert anonymous.get("/v1/tasks").status_code == 401
    assert [anonymous.post("/v1/auth/refresh", json={}).status_code for _ in range(5)] == [422] * 3 + [429] * 2

    found = {key[1]: value for key, value in numbers(anonymous).items() if key[0] == "tasks_problems_total"}

    assert (found["token_malformed"], found["token_missing"], found["rate_limited"]) == (2, 1, 2)
    assert found["token_expired"] == 0


def test_the_metrics_name_no_user(app: Flask, ann: Caller) -> None:
    """The page needs no token, so it has no user, task or token."""
    task = ann.add()
    assert ann.get(f"/api/{ann.user_id}/tasks/{task['id']}").status_code == 200

    page = ann.get("/metrics").text

    assert str(ann.user_id) not in page
    assert task["id"] not in page


@pytest.mark.parametrize("path", ["/metrics", "/metrics/"])
def test_metrics_are_off_by_default(tmp_path: Path, path: str) -> None:
    """404, and nothing is counted."""
    app = make_app(f"sqlite:///{tmp_path / 'tasks.db'}")

    assert Caller(app).get(path).get_json()["code"] == "not_found"
    assert "metrics" not in app.extensions


def test_durations_are_counted_in_buckets(counts: Counts) -> None:
    """Each bucket includes all shorter ones; the last has all."""
    for seconds in (0.0004, 0.001, 0.0011, 7.0, 60.0):
        answered(counts, seconds)

    found = samples(counts)

    buckets = [found["tasks_request_duration_seconds_bucket", str(end), "GET", "/a"] for end in (*BUCKETS, "+Inf")]
    assert buckets == [2, *[3] * 11, 4, 5]
    assert found["tasks_request_duration_seconds_count", "GET", "/a"] == 5
    assert found["tasks_request_duration_seconds_sum", "GET", "/a"] == pytest.approx(67.0025)


def test_concurrent_counts_are_not_lost(counts: Counts) -> None:
    """In any order of threads."""
    threads = [threading.Thread(target=lambda: [answered(counts) for _ in range(2_000)]) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert samples(counts)["tasks_requests_total", "GET", "/a", "200"] == 16_000


def test_a_new_worker_continues_a_dead_ones_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It takes the slot of no live worker. The counts stay, and the connections are gone."""
    monkeypatch.setenv(FOLDER, str(tmp_path))
    monkeypatch.setattr(values, "ValueClass", values.ValueClass)
    in_use = 2
    counts = Counts(["not_found"], lambda: in_use, Waits())
    assert [counts.take_slot(set()), counts.take_slot({"0"})] == ["0", "1"]
    answered(counts)
    assert samples(counts)["tasks_database_connections_in_use",] == 2

    counts.free_slot("1")
    assert counts.take_slot({"0"}) == "1"
    in_use = 0
    answered(counts)

    found = samples(counts)
    assert found["tasks_requests_total", "GET", "/a", "200"] == 2
    assert found["tasks_database_connections_in_use",] == 0
    assert len(list(tmp_path.glob("counter_*"))) == 2


def test_a_file_is_read_only_when_it_is_complete(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A new worker's files are empty at first, so readers wait."""
    monkeypatch.setenv(FOLDER, str(tmp_path))
    monkeypatch.setattr(values, "ValueClass", values.ValueClass)
    counts = Counts([], lambda: 0, Waits())
    answered(counts)
    complete = (tmp_path / "counter_first.db").read_bytes()
    with ThreadPoolExecutor() as readers, (tmp_path / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        (tmp_path / "counter_1.db").touch()
        reading = readers.submit(samples, counts)
        assert wait([reading], timeout=0.2).not_done
        (tmp_path / "counter_1.db").write_bytes(complete)
        fcntl.flock(lock, fcntl.LOCK_UN)

        assert reading.result(LONGEST_WAIT_SECONDS)["tasks_requests_total", "GET", "/a", "200"] == 2


def test_connections_in_use_are_recorded_in_the_background(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that every worker knows them."""
    looked = threading.Event()
    counts = Counts([], lambda: looked.set() or 3, Waits())
    monkeypatch.setattr(metrics, "CHECK_INTERVAL_SECONDS", 3_600)
    counts.watch_pool()

    assert looked.wait(LONGEST_WAIT_SECONDS)
