"""A real nginx with nginx.conf in front of the real service: forwarding, rejecting and buffering."""

import json
import socket
import ssl
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from urllib.parse import quote

import pytest

from app.settings import PROJECT
from app.tasks.uploads import FILE_BYTES
from tests.conftest import migrate, new_user_id, settings_for, shared_token
from tests.deploy.files import DEPLOY
from tests.deploy.site import NAME, Client, Site, request, require_nginx, serving
from tests.process.conftest import starting
from tests.unit.test_limits_documented import DOCUMENTED, gunicorn_setting
from tests.waiting import until

# Some 8 MB in one response: more than the sockets between a client and the service hold.
DETAILS = "🍵" * 10_000
LARGE_TASKS = 200
TASK = b'{"title": "tea"}'


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """The site in front of a service with one thread and a limit of one login a minute per address."""
    nginx = require_nginx()
    home = tmp_path_factory.mktemp("site")
    migrate(f"sqlite:///{home / 'tasks.db'}")
    settings = settings_for(
        f"sqlite:///{home / 'tasks.db'}",
        WEB_CONCURRENCY="1", THREADS="1", TRUSTED_PROXIES="1", AUTH_RATE_LIMIT="1", LOG_LEVEL="info",
    )  # fmt: skip
    with starting(home) as start, serving(nginx, start(**settings), home) as running:
        yield running


@pytest.fixture
def token() -> str:
    return shared_token(new_user_id())


def test_a_request_is_forwarded(site: Site, token: str) -> None:
    """And its response, with all headers."""
    made = site.call("POST", "/v1/tasks", token, TASK, X_Request_ID="mine")

    assert (made.status, made.headers["x-request-id"]) == (201, "mine")
    assert site.call("GET", made.headers["location"], token).body == made.body
    assert made.headers["strict-transport-security"].startswith("max-age=")


def test_a_request_that_waits_is_answered(site: Site, token: str) -> None:
    """Once something changes, and also if nothing does. A client that leaves does not wait on behind nginx."""
    since = site.call("GET", "/v1/tasks/changes", token).body["next"]
    waits = request("GET", f"/v1/tasks/changes?wait=40&since={since}", token)
    with site.connected() as gone:
        gone.send(waits)
    with site.connected() as client:
        client.send(waits)
        made = site.call("POST", "/v1/tasks", token, TASK)
        found = client.answer()
    nothing = site.call("GET", f"/v1/tasks/changes?wait=1&since={found.body['next']}", token)

    assert found.body["changed"] == [made.body]
    assert (nothing.status, nothing.body["changed"]) == (200, [])
    until(lambda: site.service.log.count("/v1/tasks/changes") == 4, "the end of both waits")


def test_http_1_and_http_2_work(site: Site) -> None:
    """The request above used HTTP/1.1."""
    trust = ssl.create_default_context(cafile=str(site.home / "fullchain.pem"))
    trust.set_alpn_protocols(["h2", "http/1.1"])
    with (
        socket.create_connection(("127.0.0.1", site.port)) as sock,
        trust.wrap_socket(sock, server_hostname=NAME) as tls,
    ):
        assert tls.selected_alpn_protocol() == "h2"


def test_unencrypted_requests_are_rejected(site: Site, token: str) -> None:
    """Without a redirect. Only the files of a certificate authority are served."""
    with socket.create_connection(("127.0.0.1", site.plain_port)) as sock:
        assert Client(sock).send(request("GET", "/v1/tasks", token)).answer().status == 403

    (site.home / ".well-known" / "acme-challenge").mkdir(parents=True)
    (site.home / ".well-known" / "acme-challenge" / "proof").write_text("proof")
    with socket.create_connection(("127.0.0.1", site.plain_port)) as sock:
        assert Client(sock).send(request("GET", "/.well-known/acme-challenge/proof")).answer().text == "proof"


@pytest.mark.parametrize("path", ["/v1//tasks", "/v1/tasks/", "/v1/./tasks", "/v1/%2e%2e/healthz"])
def test_paths_are_forwarded_unchanged(site: Site, token: str, path: str) -> None:
    """Only the service interprets them."""
    assert site.call("GET", path, token).body["code"] == "not_found"


@pytest.mark.parametrize("path", ["/metrics", "//metrics", "/%6detrics", "/docs/../metrics", "/metrics?"])
def test_metrics_are_not_public(site: Site, path: str) -> None:
    """In any spelling: nginx does not ask the service, whose responses have an id."""
    answer = site.call("GET", path)

    assert answer.status == 404
    assert "x-request-id" not in answer.headers


def login(site: Site, source: str, **headers: str) -> int:
    body = json.dumps({"email": "nobody@example.com", "password": "correct horse battery"}).encode()
    return site.call("POST", "/v1/auth/login", body=body, source=source, **headers).status


def test_the_service_sees_the_clients_real_address(site: Site) -> None:
    """Each client has its own rate limit, whatever X-Forwarded-For it sends."""
    assert login(site, "127.0.0.2") == 401
    assert login(site, "127.0.0.3") == 401
    assert login(site, "127.0.0.2") == 429
    assert login(site, "127.0.0.2", X_Forwarded_For="203.0.113.9") == 429
    assert login(site, "127.0.0.4", X_Forwarded_For="127.0.0.2") == 401


def connections(site: Site) -> int:
    """Return the number of nginx's connections to the service, including idle ones."""
    lines = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    return sum(line[1].endswith(f":{site.service.port:04X}") and line[3] == "01" for line in lines)


def test_slow_senders_do_not_occupy_the_service(site: Site, token: str) -> None:
    """nginx opens no connection for them until their request is complete, and others are served meanwhile."""
    assert site.call("GET", "/healthz").status == 200
    before = connections(site)
    with ExitStack() as stack:
        slow = [stack.enter_context(site.connected()) for _ in range(5)]
        for client in slow:
            client.send(request("POST", "/v1/tasks", token, len(TASK)) + TASK[:-1])
        assert site.call("GET", "/v1/tasks", token).body["items"] == []
        assert connections(site) == before

        assert [client.send(TASK[-1:]).answer().status for client in slow] == [201] * 5


def test_slow_readers_do_not_occupy_the_service(site: Site, token: str) -> None:
    """Its only thread serves others before they have read anything, and they still get everything."""
    body = json.dumps({"title": "tea", "details": DETAILS}, ensure_ascii=False).encode()
    with site.connected() as client:
        for _ in range(LARGE_TASKS):
            assert client.send(request("POST", "/v1/tasks", token, len(body)) + body).answer().status == 201
    with ExitStack() as stack:
        slow = [stack.enter_context(site.connected(receive_bytes=4096)) for _ in range(2)]
        for client in slow:
            client.send(request("GET", f"/v1/tasks?limit={LARGE_TASKS}", token))
        assert site.call("GET", "/healthz").status == 200

        assert [len(client.answer().body["items"]) for client in slow] == [LARGE_TASKS] * 2


@pytest.mark.parametrize("size", [200_000, 1_500_000])
def test_the_service_rejects_a_body_that_is_too_large(site: Site, token: str, size: int) -> None:
    """With its own error, as without nginx."""
    answer = site.call("POST", "/v1/tasks", token, b" " * size)

    assert (answer.status, answer.body["code"]) == (413, "payload_too_large")


def test_a_long_link_to_the_next_page_is_forwarded(site: Site) -> None:
    """The longest path and search fit into a response header."""
    user_id, search = "🍵" * 255, quote("🍵" * 200)
    path = f"/api/{quote(user_id)}/tasks"
    for _ in range(2):
        task = json.dumps({"title": "🍵" * 200}).encode()
        assert site.call("POST", path, shared_token(user_id), task).status == 201

    answer = site.call("GET", f"{path}?limit=1&q={search}", shared_token(user_id))

    assert answer.status == 200
    assert len(answer.headers["link"]) > 4096


def test_the_log_has_no_searches(site: Site, token: str) -> None:
    """It has the path, the status and the request id, but not the query."""
    answer = site.call("GET", "/v1/tasks?q=private", token)
    site.call("GET", "/healthz")

    (line,) = [
        line for line in (site.home / "tasks.log").read_text().splitlines() if answer.headers["x-request-id"] in line
    ]
    assert '"GET /v1/tasks" 200' in line
    assert "private" not in (site.home / "tasks.log").read_text()


def directive(name: str) -> int:
    """Return a value of the site in seconds or bytes."""
    lines = [line.split() for line in (DEPLOY / "nginx.conf").read_text().splitlines()]
    (text,) = {words[1].rstrip(";") for words in lines if words[:1] == [name]}
    return int(text.rstrip("smk")) * {"m": 1024**2, "k": 1024}.get(text[-1], 1)


def test_nginx_waits_longer_than_the_service() -> None:
    """Otherwise it would say 504 before the service's 503, or use a connection that is being closed."""
    longest, _ = DOCUMENTED["app.database.execution.TRANSACTION_SECONDS"]
    silence, _ = DOCUMENTED["app.database.postgresql.SILENCE_SECONDS"]

    assert directive("proxy_read_timeout") > longest + silence
    assert directive("proxy_connect_timeout") < directive("proxy_read_timeout")
    assert directive("keepalive_timeout") < gunicorn_setting("keepalive")


def test_nginxs_limits_are_not_below_the_services() -> None:
    """So that the service rejects bodies, paths and headers, with a reason."""
    assert directive("client_max_body_size") > FILE_BYTES + 1024**2
    assert "large_client_header_buffers 4 16k;" in (DEPLOY / "nginx.conf").read_text()
    assert max(gunicorn_setting("limit_request_line"), gunicorn_setting("limit_request_field_size")) < 16 * 1024


def test_the_page_on_operations_names_these_settings() -> None:
    """Both kinds of buffering."""
    page = (PROJECT / "docs" / "operations.md").read_text()
    text = (DEPLOY / "nginx.conf").read_text()

    for wanted in ("proxy_request_buffering on", "proxy_buffering on"):
        assert wanted in page
        assert f"{wanted};" in text
