"""The keys of MCP_OAUTH_ISSUER, found by its metadata (RFC 8414): in the background, and never worse than before."""

import pytest

from app.auth.issuer_metadata import fetch_keys, well_known
from app.auth.jwks import FRESH_SECONDS
from app.auth.problems import KeysUnavailable, TokenSignature
from tests.auth.agents import METADATA, PUBLIC_URL, OAuthServer
from tests.auth.issuer import answer_with, send
from tests.auth.tokens import new_key
from tests.waiting import until

ORIGIN = "https://app.example.com"


@pytest.fixture
def server():
    with OAuthServer() as server:
        yield server


@pytest.fixture
def verify(new_verifier, server):
    """Judge a token as POST /mcp does."""
    verifier = new_verifier(**server.settings)
    return lambda token: verifier.verify(token, at_mcp=True)


@pytest.mark.parametrize(
    ("issuer", "addresses"),
    [
        (
            ORIGIN,
            [f"{ORIGIN}/.well-known/oauth-authorization-server", f"{ORIGIN}/.well-known/openid-configuration"],
        ),
        (
            f"{ORIGIN}/",
            [f"{ORIGIN}/.well-known/oauth-authorization-server", f"{ORIGIN}/.well-known/openid-configuration"],
        ),
        (
            f"{ORIGIN}/api/auth",
            [
                f"{ORIGIN}/.well-known/oauth-authorization-server/api/auth",
                f"{ORIGIN}/.well-known/openid-configuration/api/auth",
                f"{ORIGIN}/api/auth/.well-known/openid-configuration",
            ],
        ),
    ],
)
def test_the_well_known_part_goes_between_host_and_path(issuer, addresses):
    """RFC 8414, section 3.1; OpenID appends it."""
    assert [*well_known(issuer)] == addresses


@pytest.mark.parametrize("address", [*well_known("http://host/api/auth")])
def test_the_metadata_is_found_at_each_address(address):
    """The others answer with a page."""
    with OAuthServer(metadata_at=address.removeprefix("http://host")) as server:
        assert fetch_keys(server.name) == server.document


def test_no_metadata_is_needed_with_the_address_of_the_keys(new_verifier, server):
    """AUTH_JWKS_URL has them already."""
    server.metadata_at = "/nowhere"
    verifier = new_verifier(**server.settings, AUTH_JWKS_URL=server.url)

    assert verifier.verify(server.access_token(), at_mcp=True)
    assert {request["path"] for request in server.requests} == {"/api/auth/jwks"}


@pytest.mark.parametrize(
    "metadata",
    [
        {"issuer": "https://elsewhere.example"},
        {"issuer": None},
        {"jwks_uri": None},
        {"jwks_uri": 7},
        {"jwks_uri": "http://keys.example/jwks"},
        {"jwks_uri": "file:///etc/passwd"},
        {"jwks_uri": "https://ann:pw@keys.example/jwks"},
        {"jwks_uri": "https://"},
    ],
    ids=str,
)
def test_metadata_that_is_not_safe_gives_no_keys(verify, server, metadata):
    """Of another issuer, or with keys that somebody on the way could replace."""
    server.metadata |= metadata

    with pytest.raises(KeysUnavailable):
        verify(server.access_token())


@pytest.mark.parametrize("moved", [METADATA, "/api/auth/jwks"])
@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_a_redirect_is_not_followed(server, moved, status):
    """Neither of the metadata nor of the keys."""
    usual = server.answering

    def answer(issuer, handler):
        if handler.path == moved:
            send(handler, status, b"", Location=f"{issuer.origin}/moved")
        else:
            usual(issuer, handler)

    server.answering = answer
    with pytest.raises(ValueError, match="status"):
        fetch_keys(server.name)
    assert "/moved" not in {request["path"] for request in server.requests}


def test_many_tokens_take_one_fetch(verify, server):
    """Of the metadata and of the keys."""
    for _ in range(20):
        verify(server.access_token())

    assert [request["path"] for request in server.requests] == [METADATA, "/api/auth/jwks"]


def test_the_keys_are_fetched_before_the_first_token(new_verifier, server):
    """By each new process."""
    verifier = new_verifier(**server.settings)
    verifier.start()
    until(lambda: verifier._key_set._had_keys, "the keys")
    server.close()

    assert verifier.verify(server.access_token(), at_mcp=True)


def test_new_keys_elsewhere_are_found_in_time(verify, server, clock):
    """The metadata is read again as often as the keys, so it may name another address."""
    assert verify(server.access_token())
    old, new = server.signing, server.rotate()
    server.withdraw(old)
    clock.let_pass(FRESH_SECONDS + 1)
    assert verify(server.access_token(new))

    def is_withdrawn():
        try:
            verify(server.access_token(old, sub="another"))
        except TokenSignature:
            return True
        return False

    until(is_withdrawn, "the refusal")


def test_the_last_good_keys_stay_while_the_metadata_is_broken(verify, server, clock):
    """A known key never waits for the issuer."""
    assert verify(server.access_token())
    server.answering = answer_with(500)
    clock.let_pass(FRESH_SECONDS + 1)

    assert verify(server.access_token())
    with pytest.raises(TokenSignature):
        verify(server.access_token(new_key()))


def test_an_issuer_that_is_gone_is_said_so(new_verifier, server):
    """503, not 401: the token may be good."""
    server.close()
    verifier = new_verifier(PUBLIC_URL=PUBLIC_URL, MCP_OAUTH_ISSUER=server.name)

    with pytest.raises(KeysUnavailable):
        verifier.verify(server.access_token(), at_mcp=True)
