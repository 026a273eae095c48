"""Fetching a published document is limited in time and size, and goes only to its address."""

import http.client
import socket
import threading
import time

import pytest

from app.auth import jwks
from app.auth.jwks import ANSWER_BYTES, USER_AGENT, download
from tests.auth.issuer import PATH, answer_elsewhere, answer_with, drip
from tests.waiting import LONGEST_WAIT_SECONDS

# The errors that the service treats as a failed fetch.
FAILURE = (OSError, http.client.HTTPException, ValueError)

OK, JSON = b"HTTP/1.1 200 OK\r\n", b'{"keys":[]'
DRIPPING = {
    "nothing at all": drip(endless=b""),
    "status line": drip(b"HTTP/1.1 200 ", endless=b"O"),
    "one header": drip(OK, b"X-Slow: ", endless=b"x"),
    "many headers": drip(OK, endless=b"X: y\r\n"),
    "interim answers": drip(endless=b"HTTP/1.1 100 Continue\r\n\r\n"),
    "body of a length": drip(OK, b"Content-Length: 200000\r\n\r\n", JSON, endless=b" "),
    "body until the end": drip(OK, b"Connection: close\r\n\r\n", JSON, endless=b" "),
    "body of HTTP/1.0": drip(b"HTTP/1.0 200 OK\r\n\r\n", JSON, endless=b" "),
    "chunks": drip(OK, b"Transfer-Encoding: chunked\r\n\r\n", endless=b"1\r\n \r\n"),
    "size of a chunk": drip(OK, b"Transfer-Encoding: chunked\r\n\r\n", endless=b"0"),
    "trailers": drip(OK, b"Transfer-Encoding: chunked\r\n\r\n1\r\n \r\n0\r\n", endless=b"X: y\r\n"),
}


@pytest.mark.parametrize("dripping", DRIPPING)
def test_a_fetch_has_a_time_limit_as_a_whole(issuer, monkeypatch, dripping):
    """A byte now and then would keep a socket's time-out from expiring."""
    monkeypatch.setattr(jwks, "WHOLE_SECONDS", 0.2)
    issuer.answering = DRIPPING[dripping]
    outcome = []

    def fetch():
        try:
            outcome.append(download(issuer.url))
        except FAILURE as failure:
            outcome.append(failure)

    thread = threading.Thread(target=fetch, daemon=True)
    thread.start()
    thread.join(LONGEST_WAIT_SECONDS / 4)
    ended = not thread.is_alive()
    issuer.released.set()
    thread.join(LONGEST_WAIT_SECONDS)

    assert ended
    # An expected response that was cut short and is not JSON.
    assert isinstance(outcome[0], FAILURE) or b"}" not in outcome[0]


def test_a_document_of_256_kib_is_read(issuer):
    """The range includes its bound."""
    document = b"x" * ANSWER_BYTES
    issuer.answering = answer_with(200, document)

    assert download(issuer.url) == document


@pytest.mark.parametrize("framing", ["length", "chunks", "close"])
def test_a_larger_document_is_rejected(issuer, framing):
    """However it is sent, and without being read to its end."""
    too_much = b"x" * (ANSWER_BYTES + 1)
    chunk = b"%x\r\n%b\r\n" % (len(too_much), too_much)
    issuer.answering = {
        "length": answer_with(200, too_much),
        "chunks": drip(OK, b"Transfer-Encoding: chunked\r\n\r\n", chunk, endless=chunk),
        "close": drip(OK, b"Connection: close\r\n\r\n", too_much, endless=too_much),
    }[framing]

    with pytest.raises(ValueError, match="larger than"):
        download(issuer.url)


@pytest.mark.parametrize(
    "status", [201, 203, 204, 206, 301, 302, 303, 304, 307, 308, 400, 401, 403, 404, 429, 500, 503]
)
def test_any_status_except_200_is_a_failure(issuer, status):
    """RFC 9110: the body of any other is not the document."""
    issuer.answering = answer_with(status, issuer.document if status not in (204, 304) else b"")

    with pytest.raises(ValueError, match=str(status)):
        download(issuer.url)


def test_a_redirect_is_not_followed(issuer):
    """No response replaces the address that the operator set."""
    issuer.answering = answer_elsewhere

    with pytest.raises(ValueError, match="302"):
        download(issuer.url)
    assert [request["path"] for request in issuer.requests] == [PATH]


def test_a_fetch_names_its_client_and_the_accepted_type(issuer):
    """Some firewalls reject a bare library's name. The request has no secret."""
    assert download(f"{issuer.url}?set=1") == issuer.document

    [request] = issuer.requests
    assert request.pop("Host") == issuer.origin.removeprefix("http://")
    assert request == {
        "path": f"{PATH}?set=1",
        "User-Agent": USER_AGENT,
        "Accept": "application/json",
        "Accept-Encoding": "identity",
    }


def test_an_issuer_that_is_gone_is_a_failure(issuer):
    """Also if it refuses connections."""
    issuer.close()

    with pytest.raises(OSError, match="refused"):
        download(issuer.url)


def test_looking_up_a_name_has_a_time_limit(monkeypatch):
    """A resolver that does not respond takes tens of seconds to give up."""
    released = threading.Event()
    monkeypatch.setattr(jwks, "WHOLE_SECONDS", 0.2)
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: released.wait(LONGEST_WAIT_SECONDS) and [])
    began_at = time.monotonic()
    try:
        with pytest.raises(TimeoutError, match="longer than"):
            download("http://issuer.example/jwks")
    finally:
        released.set()

    assert time.monotonic() - began_at < LONGEST_WAIT_SECONDS / 4


def test_an_unknown_host_is_a_failure():
    """RFC 6761: `.invalid` never exists."""
    with pytest.raises(FAILURE):
        download("http://issuer.invalid/jwks")
