"""Shared by the tests of mails: a mail server of another maker, and apps that send to it."""

import re
from collections.abc import Callable, Iterator
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import Envelope, Session
from flask import Flask

from app.services import services_of
from app.work import work_of
from tests.auth.people import Member, register
from tests.conftest import Caller, NewDatabase, make_app
from tests.process.conftest import free_port

SENDER = "Tasks <tasks@example.com>"
LINK = re.compile(r"^http\S+#token=(\S+)", re.MULTILINE)
NEW_PASSWORD = "battery staple horse"


class Mailbox:
    """What a mail server got, and what it answers instead of accepting."""

    def __init__(self) -> None:
        self.envelopes: list[Envelope] = []
        self.sessions: list[Session] = []
        self.answer: Callable[[str], str] = lambda recipient: "250 OK"

    async def handle_RCPT(  # noqa: N802 (its caller names it)
        self, _server: Any, session: Session, envelope: Envelope, address: str, options: Any
    ) -> str:
        answer = self.answer(address)
        if answer.startswith("250"):
            envelope.rcpt_tos.append(address)
        return answer

    async def handle_DATA(  # noqa: N802 (as above)
        self, _server: Any, session: Session, envelope: Envelope
    ) -> str:
        self.envelopes.append(envelope)
        self.sessions.append(session)
        return "250 OK"

    @property
    def mails(self) -> list[EmailMessage]:
        return [message_from_bytes(envelope.content, policy=policy.default) for envelope in self.envelopes]

    def to(self, address: str) -> list[EmailMessage]:
        """Return the mails to an address, oldest first."""
        return [
            mail for envelope, mail in zip(self.envelopes, self.mails, strict=True) if envelope.rcpt_tos == [address]
        ]

    def token(self, address: str) -> str:
        """Return the token of the link in the newest mail to an address."""
        return LINK.search(self.to(address)[-1].get_content())[1]


@pytest.fixture(scope="package")
def kept_mailbox() -> Mailbox:
    return Mailbox()


@pytest.fixture
def mailbox(kept_mailbox: Mailbox) -> Mailbox:
    """An empty mailbox that accepts everything."""
    vars(kept_mailbox).update(vars(Mailbox()))
    return kept_mailbox


@pytest.fixture(scope="package")
def mail_server(kept_mailbox: Mailbox) -> Iterator[Controller]:
    """A mail server without encryption, on loopback."""
    server = Controller(kept_mailbox, hostname="127.0.0.1", port=free_port())
    server.start()
    yield server
    server.stop()


def url_of(server: Controller) -> str:
    return f"smtp://127.0.0.1:{server.port}"


@pytest.fixture
def new_mail_app(new_database: NewDatabase) -> Iterator[Callable[..., Flask]]:
    """Return a function that makes an app that sends mails, on a database of its own."""
    made = []

    def make(**settings: str) -> Flask:
        made.append(make_app(new_database(), MAIL_FROM=SENDER, **settings))
        return made[-1]

    yield make
    for app in made:
        services_of(app).engine.dispose()


@pytest.fixture(scope="package")
def kept_app(new_database: NewDatabase, mail_server: Controller) -> Iterator[Flask]:
    app = make_app(new_database(), MAIL_FROM=SENDER, SMTP_URL=url_of(mail_server))
    yield app
    services_of(app).engine.dispose()


@pytest.fixture
def app(kept_app: Flask, kept_mailbox: Mailbox) -> Flask:
    """An app that sends to the mail server, shared by all tests; what earlier ones left to be sent is sent."""
    deliver(kept_app)
    kept_mailbox.envelopes.clear()
    return kept_app


@pytest.fixture
def member(app: Flask, mailbox: Mailbox) -> Member:
    """A member whose address is verified."""
    member = register(app)
    deliver(app)
    assert verify(app, mailbox.token(member.email)) == 204
    return member


def deliver(app: Flask) -> None:
    """Do what happens after the responses."""
    with app.app_context():
        work_of(app).run_once()


def verify(app: Flask, token: str) -> int:
    return Caller(app).post("/v1/auth/email/verify", json={"token": token}).status_code


def forget(app: Flask, email: str) -> None:
    """Ask for a link, and let it be sent."""
    answer = Caller(app).post("/v1/auth/password/forgot", json={"email": email})
    assert (answer.status_code, answer.data) == (202, b"")
    deliver(app)


def reset(app: Flask, token: str, password: str = NEW_PASSWORD) -> Any:
    return Caller(app).post("/v1/auth/password/reset", json={"token": token, "new_password": password})
