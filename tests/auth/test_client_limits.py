"""The limit of requests to /v1/auth per client, and how clients are counted."""

import re
from uuid import uuid4

import pytest

from tests.api.support.calls import assert_problem
from tests.auth.people import ago, another_app, assert_limited, at_once, sql
from tests.conftest import Caller, new_user_id


def every_call(app):
    """Return method and path of each operation under /v1/auth."""
    rules = [rule for rule in app.url_map.iter_rules() if rule.rule.startswith("/v1/auth/")]
    assert len(rules) >= 8
    for rule in rules:
        for method in rule.methods - {"OPTIONS"}:
            yield method, re.sub("<id:[a-z_]+>", str(uuid4()), rule.rule)


@pytest.fixture
def limited_app(new_database):
    """Return a function that makes an app without counted clients and a limit of five requests a minute."""
    made = []

    def make(**changes):
        made.append(another_app(new_database(), AUTH_RATE_LIMIT="5", **changes))
        return made[-1].__enter__()

    yield make
    for app in made:
        app.__exit__(None, None, None)


def call_from(app, address, forwarded=None):
    """Return the status of an anonymous request from this address."""
    headers = {"X-Forwarded-For": forwarded} if forwarded else {}
    answer = Caller(app).get("/v1/auth/me", headers=headers, environ_overrides={"REMOTE_ADDR": address})
    if answer.status_code == 429:
        assert 0 < assert_limited(answer) <= 60
    else:
        assert_problem(answer, 401, "token_missing")
    return answer.status_code


def test_a_clients_requests_per_minute_are_limited(limited_app):
    """The sixth to any operation gets 429, before its token and body are checked."""
    app = limited_app()
    assert [call_from(app, "127.0.0.1") for _ in range(5)] == [401] * 5

    for method, path in every_call(app):
        assert 0 < assert_limited(Caller(app).call(method, path)) <= 60
        assert 0 < assert_limited(Caller(app, new_user_id()).call(method, path, data="{")) <= 60


def test_a_clients_minute_ends(limited_app):
    """The next request starts a new one."""
    app = limited_app()
    assert [call_from(app, "127.0.0.1") for _ in range(6)] == [401] * 5 + [429]
    sql(app, "UPDATE login_attempts SET started_at = :moment", moment=ago(60))

    assert call_from(app, "127.0.0.1") == 401


def test_concurrent_requests_are_all_counted(limited_app):
    """Of 20 at once, five are accepted."""
    app = limited_app()

    assert sorted(at_once(20, lambda: call_from(app, "127.0.0.1"))) == [401] * 5 + [429] * 15


def test_tasks_are_not_limited(limited_app):
    """The limit is only against guessing."""
    ann = Caller(limited_app(), new_user_id())
    assert [ann.get("/v1/auth/me").status_code for _ in range(6)] == [200] * 5 + [429]

    assert [ann.get("/v1/tasks").status_code for _ in range(10)] == [200] * 10


@pytest.mark.one_engine
@pytest.mark.parametrize(
    ("proxies", "forwarded", "is_one_client"),
    [
        ("0", "203.0.113.{}", True),
        ("0", "203.0.113.{}, 198.51.100.1", True),
        ("1", "203.0.113.{}", False),
        ("1", "203.0.113.{}, 198.51.100.1", True),
        ("1", "198.51.100.1, 203.0.113.{}", False),
        ("2", "203.0.113.{}, 198.51.100.1", False),
        ("2", "203.0.113.{}, 198.51.100.1, 198.51.100.2", True),
        ("2", "198.51.100.1, 203.0.113.{}", True),
        ("2", "203.0.113.{}", True),
    ],
)
def test_the_client_is_the_address_before_the_trusted_proxies(limited_app, proxies, forwarded, is_one_client):
    """The client itself can forge addresses further left in X-Forwarded-For."""
    app = limited_app(TRUSTED_PROXIES=proxies)

    statuses = [call_from(app, "127.0.0.1", forwarded.format(last)) for last in range(1, 7)]

    assert statuses == [401] * 5 + [429 if is_one_client else 401]


@pytest.mark.one_engine
@pytest.mark.parametrize(
    ("address", "is_one_client"),
    [
        ("203.0.113.{}", False),
        ("2001:db8:1:2::{}", True),
        ("2001:db8:1:2:{}::1", True),
        ("2001:db8:1:{}::1", False),
        ("::ffff:203.0.113.{}", False),
    ],
)
def test_a_host_counts_as_one_client(limited_app, address, is_one_client):
    """An IPv4 address, also mapped by a dual-stack socket, or an IPv6 network of 64 bits."""
    app = limited_app()

    assert [call_from(app, address.format(last)) for last in range(1, 7)] == [401] * 5 + [429 if is_one_client else 401]
