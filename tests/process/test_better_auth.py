"""A real Better Auth server as the issuer: its access tokens are accepted, and none of its other tokens."""

import json
import shutil
import subprocess
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from http.cookiejar import CookieJar
from pathlib import Path

import jwt
import pytest

from tests.api.support.calls import assert_problem
from tests.auth.people import another_app, new_email
from tests.conftest import SHARED_SECRET, Caller
from tests.npm import installed
from tests.waiting import LONGEST_WAIT_SECONDS

HERE = Path(__file__).parent / "better_auth"
MISSING = [program for program in ("node", "npm") if shutil.which(program) is None]

# The algorithm of each server's keys, and the secret of its session cookies.
SERVERS = {"EdDSA": "secret", "ES256": "keys", "RS256": "secret"}

pytestmark = pytest.mark.skipif(bool(MISSING), reason=f"not on this machine: {' and '.join(MISSING)}")


class BetterAuth:
    """A server with a signed-up user."""

    def __init__(self, url: str) -> None:
        self.url, self.jwks_url, self.cookies = url, f"{url}/api/auth/jwks", CookieJar()
        # Loopback is never behind a proxy, whatever the environment says.
        self._client = urllib.request.build_opener(
            urllib.request.ProxyHandler({}), urllib.request.HTTPCookieProcessor(self.cookies)
        )
        person = {"email": new_email(), "password": "correct horse battery", "name": "Ann"}
        self.email = person["email"]
        self.user_id = json.loads(self.ask("/api/auth/sign-up/email", person))["user"]["id"]

    def ask(self, path: str, body: object = None) -> str:
        data = None if body is None else json.dumps(body).encode()
        headers = {"Content-Type": "application/json", "Origin": self.url}
        request = urllib.request.Request(self.url + path, data, headers)
        with self._client.open(request, timeout=LONGEST_WAIT_SECONDS) as answer:
            return answer.read().decode()

    def token(self) -> str:
        """Return a token of its `jwt` plugin."""
        return str(json.loads(self.ask("/api/auth/token"))["token"])

    def cookie(self, name: str) -> str:
        return str(next(cookie.value for cookie in self.cookies if cookie.name == f"better-auth.{name}"))


@contextmanager
def started(folder: Path, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    with subprocess.Popen(
        ["node", "server.mjs", *arguments], cwd=folder, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        try:
            yield process
        finally:
            process.kill()


@pytest.fixture(scope="session")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, BetterAuth]]:
    """A server for each algorithm. All have the same secret."""
    folder = tmp_path_factory.mktemp("better-auth")
    shutil.copy(HERE / "server.mjs", folder)
    (folder / "node_modules").symlink_to(installed(HERE))
    with ExitStack() as stack:
        processes = {
            algorithm: stack.enter_context(started(folder, algorithm, SHARED_SECRET, cookies))
            for algorithm, cookies in SERVERS.items()
        }
        yield {algorithm: BetterAuth(process.stdout.readline().strip()) for algorithm, process in processes.items()}


@pytest.mark.parametrize("algorithm", SERVERS)
def test_a_token_of_the_jwt_plugin_creates_a_task(servers, new_database, algorithm):
    """Only AUTH_JWKS_URL is set, and the user needs no registration."""
    issuer = servers[algorithm]
    token = issuer.token()
    assert jwt.get_unverified_header(token)["alg"] == algorithm
    with another_app(new_database(), AUTH_JWKS_URL=issuer.jwks_url) as app:
        ann = Caller(app, issuer.user_id, token)
        task = ann.add()

        assert task["user_id"] == issuer.user_id
        listed = ann.get(f"/api/{issuer.user_id}/tasks")
        assert (listed.status_code, [found["id"] for found in listed.json]) == (200, [task["id"]])
        assert_problem(ann.get("/api/somebody-else/tasks"), 403, "user_id_mismatch")
        me = ann.get("/v1/auth/me").json
        assert (me["id"], me["name"], me["email"]) == (issuer.user_id, "Ann", issuer.email)


@pytest.mark.parametrize("algorithm", SERVERS)
@pytest.mark.parametrize("signed", ["session cookie", "session token", "mailed token"])
def test_its_other_tokens_are_rejected(servers, new_database, algorithm, signed):
    """With the shared secret and the published keys: these name a session or an address."""
    issuer = servers[algorithm]
    text, code = {
        "session cookie": (issuer.cookie("session_data"), "token_claim"),
        "session token": (issuer.cookie("session_token"), "token_malformed"),
        "mailed token": (issuer.ask("/mailed"), "token_claim"),
    }[signed]
    with another_app(new_database(), AUTH_JWKS_URL=issuer.jwks_url, BETTER_AUTH_SECRET=SHARED_SECRET) as app:
        assert_problem(Caller(app, issuer.user_id, text).get("/v1/tasks"), 401, code)


def test_a_mailed_token_is_rejected_if_another_claim_names_the_user(servers, new_database):
    """AUTH_USER_ID_CLAIM selects the user, but an access token still needs `sub`."""
    mailed = servers["EdDSA"].ask("/mailed")
    assert "email" in jwt.decode(mailed, options={"verify_signature": False})
    with another_app(new_database(), AUTH_USER_ID_CLAIM="email") as app:
        assert_problem(Caller(app, "ann", mailed).get("/v1/tasks"), 401, "token_claim")


def test_another_claim_can_hold_the_user_id(servers, new_database):
    """Better Auth puts the whole user into its tokens."""
    issuer = servers["EdDSA"]
    token = issuer.token()
    email = jwt.decode(token, options={"verify_signature": False})["email"]
    with another_app(new_database(), AUTH_JWKS_URL=issuer.jwks_url, AUTH_USER_ID_CLAIM="email") as app:
        assert Caller(app, email, token).add()["user_id"] == email


def test_another_servers_token_is_rejected(servers, new_database):
    """Its key is not published."""
    issuer, other = servers["EdDSA"], servers["RS256"]
    with another_app(new_database(), AUTH_JWKS_URL=issuer.jwks_url) as app:
        assert_problem(Caller(app, other.user_id, other.token()).get("/v1/tasks"), 401, "token_signature")
