"""Routes outside the tasks: /, health checks, documentation pages, and browsers of other origins."""

import re

import pytest

from app.services import services_of
from tests.api.support.calls import assert_problem
from tests.conftest import Caller, make_app

pytestmark = pytest.mark.one_engine

ORIGIN = "https://app.example.com"
ALLOWED = {"Authorization", "Content-Type", "Idempotency-Key", "If-Match", "If-None-Match", "X-Request-ID"}
EXPOSED = {
    "ETag", "Idempotent-Replay", "Link", "Location", "Retry-After", "WWW-Authenticate", "X-Request-ID", "X-Total-Count",
}  # fmt: skip


@pytest.mark.both_engines
def test_the_root_has_the_name_version_and_links(anonymous):
    """All links work."""
    answer = anonymous.get("/")

    assert answer.status_code == 200
    assert set(answer.json) == {"name", "version", "links"}
    assert {"/docs", "/openapi.json", "/healthz", "/readyz"} <= set(answer.json["links"].values())
    for path in answer.json["links"].values():
        assert anonymous.get(path).status_code == 200


@pytest.mark.both_engines
@pytest.mark.parametrize("path", ["/healthz", "/readyz"])
def test_a_working_service_is_healthy_and_ready(anonymous, path):
    """On both engines."""
    answer = anonymous.get(path)

    assert (answer.status_code, answer.json) == (200, {"status": "ok"})


@pytest.mark.parametrize(
    "url",
    ["sqlite:////nowhere/tasks.db", "postgresql://nobody@/nothing?host=/nowhere", "postgresql://nobody@127.0.0.1:1/x"],
)
def test_without_its_database_the_service_is_healthy_but_not_ready(url):
    """/healthz uses no database; /readyz says when to try again."""
    caller = Caller(make_app(url))
    health, readiness = caller.get("/healthz"), caller.get("/readyz")

    assert (health.status_code, health.json) == (200, {"status": "ok"})
    assert_problem(readiness, 503, "database_unavailable")
    assert int(readiness.headers["Retry-After"]) > 0


@pytest.mark.both_engines
def test_a_service_without_tables_is_not_ready(new_database):
    """The response names the command to run."""
    app = make_app(new_database(migrated=False))
    answer = Caller(app).get("/readyz")
    services_of(app).engine.dispose()

    assert_problem(answer, 503, "database_unavailable")
    assert "flask db upgrade" in answer.json["detail"]
    assert int(answer.headers["Retry-After"]) > 0


def test_the_interactive_page_loads_nothing_from_other_hosts(anonymous):
    """The service serves all its assets, and the page names no other host."""
    page = anonymous.get("/docs")
    named = re.findall(r'(?:src|href|url)\s*[=:]\s*"([^"]*)"', page.text)

    assert (page.status_code, page.mimetype) == (200, "text/html")
    assert len(named) >= 3
    for path in named:
        assert re.match(r"/[^/]", path)
        with anonymous.get(path) as asset:
            assert (asset.status_code, len(asset.data) > 100) == (200, True)
    assert not re.search(r"https?:|[\"'(]//", page.text)


def test_the_pages_style_loads_nothing_from_other_hosts(anonymous):
    """All its references are inside the file."""
    with anonymous.get("/docs/assets/swagger-ui.css") as style:
        assert style.status_code == 200
        assert all(target.startswith("data:") for target in re.findall(r"url\([\"']?([^)]*)", style.text))


@pytest.mark.parametrize("name", ["", "nothing", "index.html", "..", "%2e%2e%2f__init__.py", "..%5c__init__.py"])
def test_no_other_file_is_served(anonymous, name):
    """The assets are a closed list."""
    assert_problem(anonymous.get(f"/docs/assets/{name}"), 404, "not_found")


def test_the_page_of_errors_explains_each_code_once(anonymous):
    """Every code has an anchor, and the page loads nothing else."""
    page = anonymous.get("/docs/errors")
    anchors = re.findall(r'id="(\w+)"', page.text)

    assert (page.status_code, page.mimetype) == (200, "text/html")
    assert len(anchors) == len(set(anchors)) > 20
    assert not re.search(r"https?:|src=", page.text)


PREFLIGHT = {
    "Origin": ORIGIN,
    "Access-Control-Request-Method": "PATCH",
    "Access-Control-Request-Headers": ", ".join(ALLOWED),
}


@pytest.fixture
def browser(new_database):
    """Return a function that creates a caller of a service with these CORS_ORIGINS."""
    apps = []

    def make(origins):
        apps.append(make_app(new_database(), CORS_ORIGINS=origins))
        return Caller(apps[-1])

    yield make
    for app in apps:
        services_of(app).engine.dispose()


@pytest.mark.parametrize("path", ["/healthz", "/v1/tasks", "/nowhere", "/docs"])
@pytest.mark.parametrize("method", ["GET", "OPTIONS"])
def test_by_default_no_other_origin_is_allowed(anonymous, path, method):
    """No response names an origin."""
    answer = anonymous.call(method, path, headers=PREFLIGHT)

    assert answer.status_code in (200, 401, 404)
    assert not [name for name in dict(answer.headers) if name.startswith("Access-Control")]


@pytest.mark.parametrize("path", ["/v1/tasks", "/v1/tasks/0199b1f2-7c3e-7a41-9d5b-2f6c8e0a4b17", "/api/ann/tasks"])
def test_a_listed_origin_may_send_all_methods_and_headers(browser, path):
    """A preflight request needs no token."""
    answer = browser(f"http://localhost:3000, {ORIGIN}").call("OPTIONS", path, headers=PREFLIGHT)

    assert answer.status_code == 200
    assert answer.headers["Access-Control-Allow-Origin"] == ORIGIN
    assert set(answer.headers["Access-Control-Allow-Headers"].split(", ")) == ALLOWED
    assert set(answer.headers["Access-Control-Allow-Methods"].split(", ")) >= {"GET", "POST", "PUT", "PATCH", "DELETE"}
    assert "Origin" in answer.headers["Vary"]


@pytest.mark.parametrize("path", ["/healthz", "/v1/tasks", "/nowhere"])
def test_a_listed_origin_may_read_responses(browser, path):
    """Including errors, so that a front end can see the reason."""
    answer = browser(ORIGIN).get(path, headers={"Origin": ORIGIN})

    assert answer.status_code in (200, 401, 404)
    assert answer.headers["Access-Control-Allow-Origin"] == ORIGIN
    assert set(answer.headers["Access-Control-Expose-Headers"].split(", ")) == EXPOSED
    assert "Access-Control-Allow-Credentials" not in answer.headers


@pytest.mark.parametrize(
    ("listed", "origin"),
    [
        (ORIGIN, "https://evil.example"),
        (ORIGIN, f"{ORIGIN}.evil.example"),
        (ORIGIN, "https://appXexample.com"),
        (ORIGIN, "http://app.example.com"),
        (ORIGIN, f"{ORIGIN}:8443"),
        (ORIGIN, "null"),
        ("http://[::1]:3000", "http://1:3000.evil.example"),
        ("http://[::1]:3000", "http://::3000"),
    ],
)
def test_an_origin_that_is_not_listed_is_not_allowed(browser, listed, origin):
    """Origins are compared as whole strings."""
    answer = browser(listed).get("/healthz", headers={"Origin": origin})

    assert answer.status_code == 200
    assert "Access-Control-Allow-Origin" not in answer.headers


@pytest.mark.parametrize("origin", [ORIGIN, "https://evil.example", None])
def test_responses_vary_by_origin(browser, origin):
    """Otherwise a cache would give a listed origin a response that it may not read."""
    caller = browser(ORIGIN)
    for call in (
        "GET /healthz",
        "GET /nowhere",
        "GET /v1/tasks",
        "GET /docs",
        "GET /openapi.json",
        "OPTIONS /v1/tasks",
    ):
        answer = caller.call(*call.split(), headers={"Origin": origin} if origin else {})

        assert answer.status_code in (200, 204, 401, 404)
        compressed = ["Accept-Encoding"] if call == "GET /openapi.json" else []
        assert answer.headers.getlist("Vary") == [*compressed, "Origin"]


@pytest.mark.parametrize("path", ["/", "/healthz", "/nowhere", "/v1/tasks", "/docs", "/docs/assets/docs.js"])
def test_responses_forbid_content_sniffing(anonymous, path):
    """Without CORS_ORIGINS they do not vary by origin."""
    answer = anonymous.get(path, buffered=True)

    assert answer.status_code in (200, 401, 404)
    assert answer.headers.getlist("X-Content-Type-Options") == ["nosniff"]
    assert "Origin" not in answer.headers.getlist("Vary")


@pytest.mark.parametrize("origin", ["http://localhost:3000", "http://127.0.0.1:3000", "http://[::1]:3000"])
def test_every_spelling_of_a_host_can_be_listed(browser, origin):
    """Names, and addresses of IPv4 and IPv6."""
    answer = browser(origin).get("/healthz", headers={"Origin": origin})

    assert answer.status_code == 200
    assert answer.headers["Access-Control-Allow-Origin"] == origin
