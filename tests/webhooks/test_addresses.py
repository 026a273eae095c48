"""Which addresses a webhook may reach, as seen at the sockets of this process."""

import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from flask import Flask

from app.services import services_of
from app.webhooks import lookup
from app.webhooks.addresses import is_public
from tests.api.support.calls import assert_problem
from tests.conftest import NewDatabase, make_app, new_user_id
from tests.webhooks.conftest import Ann, Receiver, make_due, work

pytestmark = pytest.mark.one_engine

PUBLIC = "93.184.215.14"
NO_PUBLIC = "Its host has no address, or not only public ones."


@contextmanager
def connections() -> Iterator[list[tuple[Any, ...]]]:
    """Record where this process connects to, except to its database, which is a file here.

    Not with an audit hook: it could never be taken out, and threads change during it, which setting a tracer forbids.
    """
    made: list[tuple[Any, ...]] = []

    def recording(connect: Callable[..., Any]) -> Callable[..., Any]:
        def note_and_connect(connection: socket.socket, address: Any) -> Any:
            if isinstance(address, tuple):
                made.append(address)
            return connect(connection, address)

        return note_and_connect

    with pytest.MonkeyPatch.context() as patch:
        for name in ("connect", "connect_ex"):
            patch.setattr(socket.socket, name, recording(getattr(socket.socket, name)))
        yield made


@pytest.fixture
def app(new_database: NewDatabase) -> Iterator[Flask]:
    """An app that may send to public addresses only."""
    app = make_app(new_database())
    yield app
    services_of(app).engine.dispose()


class Names:
    """The system's look-up, with the answers that a test gives. Addresses are looked up by the system itself."""

    def __init__(self) -> None:
        self.answers: dict[str, list[str]] = {}
        self.asked: list[str] = []

    def __call__(self, host: str, port: int, **options: Any) -> Any:
        self.asked.append(host)
        found = self.answers.get(host)
        if found is None:
            return socket.getaddrinfo(host, port, **options)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in found]


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> Names:
    names = Names()
    monkeypatch.setattr(lookup, "_system", names)
    return names


FORBIDDEN = [
    "127.0.0.1",
    "127.1",
    "2130706433",
    "0x7f000001",
    "0177.0.0.1",
    "0",
    "0.0.0.0",
    "localhost",
    "localhost.",
    "10.0.0.1",
    "172.16.0.1",
    "192.168.1.1",
    "169.254.169.254",
    "100.64.0.1",
    "100.100.100.200",
    "192.0.0.192",
    "192.0.2.1",
    "192.88.99.1",
    "198.18.0.1",
    "203.0.113.1",
    "224.0.0.1",
    "240.0.0.1",
    "255.255.255.255",
    "[::1]",
    "[::]",
    "[::127.0.0.1]",
    "[::ffff:127.0.0.1]",
    "[::ffff:7f00:1]",
    "[64:ff9b::7f00:1]",
    "[64:ff9b::169.254.169.254]",
    "[64:ff9b:1::1]",
    "[2002:7f00:1::]",
    "[2001::1]",
    "[2001:db8::1]",
    "[fe80::1]",
    "[fec0::1]",
    "[fc00::1]",
    "[fd00:ec2::254]",
    "[ff02::1]",
]


@pytest.mark.parametrize("host", FORBIDDEN)
def test_a_private_address_is_rejected_at_once(app: Flask, ann: Ann, host: str) -> None:
    """In every spelling, and without any connection."""
    with connections() as made:
        answer = ann.post("/v1/webhooks", json={"url": f"https://{host}/"})

    assert_problem(answer, 422, "validation_error")
    assert (answer.json["errors"], made) == ({"url": [NO_PUBLIC]}, [])


@pytest.mark.parametrize("address", ["8.8.8.8", "2606:4700::1111", "64:ff9b::808:808", "::ffff:8.8.8.8", "192.0.1.1"])
def test_public_addresses_are_public(address: str) -> None:
    """Also behind a translator."""
    assert is_public(address)


@pytest.mark.parametrize("address", ["fe80::1%eth0", "", "example.com", "8.8.8", "::ffff:10.0.0.1"])
def test_what_is_not_plainly_public_is_not(address: str) -> None:
    assert not is_public(address)


WRONG = [
    "http://8.8.8.8/",
    "ftp://8.8.8.8/",
    "//8.8.8.8/",
    "8.8.8.8",
    "https:///path",
    "https://user@8.8.8.8/",
    "https://user:password@8.8.8.8/",
    "https://8.8.8.8\\@127.0.0.1/",
    "https://8.8.8.8/#fragment",
    "https://8.8.8.8/#",
    "https://8.8.8.8:0/",
    "https://8.8.8.8:65536/",
    "https://8.8.8.8:x/",
    "https://[8.8.8.8]/",
    "https://[::1",
    "https://[fe80::1%25eth0]/",
    "https://a..b/",
    "https://.a/",
    "https://a b/",
    "https://a/\r\nX: y",
    "https://a/ä",
    "https://bücher.example/",
    "https://１２７.0.0.1/",
    "https://8.8.8.8/%00\x01",
]


@pytest.mark.parametrize("url", WRONG)
def test_a_url_that_is_not_plain_is_rejected(app: Flask, ann: Ann, url: str) -> None:
    """With what is wrong with it."""
    with connections() as made:
        answer = ann.post("/v1/webhooks", json={"url": url})

    assert_problem(answer, 422, "validation_error")
    assert (answer.json["errors"].keys(), made) == ({"url"}, [])


def test_a_name_that_nothing_knows_is_rejected_like_a_private_one(app: Flask, ann: Ann) -> None:
    """So that no user learns which names a private network has."""
    answer = ann.post("/v1/webhooks", json={"url": "https://name.invalid/"})

    assert answer.json["errors"] == {"url": [NO_PUBLIC]}


@pytest.mark.parametrize("later", [["127.0.0.1"], ["169.254.169.254"], [PUBLIC, "10.0.0.1"], []])
def test_a_name_is_judged_again_at_each_attempt(app: Flask, ann: Ann, names: Names, later: list[str]) -> None:
    """A name that has become private, or private too, is not connected to."""
    names.answers["receiver.test"] = [PUBLIC]
    hook = ann.hook("https://receiver.test/")
    ann.add()
    names.answers["receiver.test"] = later
    with connections() as made:
        for _ in range(2):
            make_due(app, ann.user_id)
            work(app)

    assert made == []
    assert ann.deliveries(hook)[0]["last_error"] == NO_PUBLIC


def test_an_attempt_connects_to_the_address_that_was_judged(
    new_database: NewDatabase, receiver: Receiver, names: Names
) -> None:
    """The name is asked for once in each attempt, so its next answer does not matter."""
    app = make_app(new_database(), WEBHOOKS_ALLOW_PRIVATE="on")
    ann = Ann(app, new_user_id())
    names.answers["receiver.test"] = ["127.0.0.1"]
    ann.hook(f"http://receiver.test:{receiver.port}/")
    ann.add()
    names.asked.clear()
    with connections() as made:
        work(app)

    assert (made, names.asked) == ([("127.0.0.1", receiver.port)], ["receiver.test"])
    assert receiver.got[0].headers["Host"] == f"receiver.test:{receiver.port}"
    services_of(app).engine.dispose()


def test_proxies_of_the_environment_are_not_used(
    new_database: NewDatabase, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They would look names up themselves."""
    for name in ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    app = make_app(new_database(), WEBHOOKS_ALLOW_PRIVATE="on")
    ann = Ann(app, new_user_id())
    ann.hook(receiver.url)
    ann.add()
    work(app)

    assert receiver.got[0].line == "POST /hook?of=ann HTTP/1.1"
    services_of(app).engine.dispose()
