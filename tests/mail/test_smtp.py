"""Mails reach a mail server whatever it does: encrypted, late, again, or never."""

import datetime as dt
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, suppress
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult, LoginPassword
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from flask import Flask

from app.auth.mails import MAIL_KIND
from app.database import scope
from app.mail import smtp
from app.outbox.delivery import Again, Done, Failed, Outcome
from app.settings import read_settings
from app.work import senders
from tests.auth.people import Member, register, sql
from tests.conftest import settings_for
from tests.mail.conftest import SENDER, Mailbox, deliver, forget, reset, url_of
from tests.process.conftest import free_port
from tests.work.conftest import rows

pytestmark = pytest.mark.one_engine

ADDRESS = "ann@example.com"


def send(tmp_path: Path, url: str, address: str = ADDRESS, text: str = "tea") -> Outcome:
    settings = read_settings(settings_for("sqlite:////nowhere", SMTP_URL=url, MAIL_FROM=SENDER), tmp_path)
    return smtp.send(settings, "0199b1f2-7c3e-7a41-9d5b-2f6c8e0a4b17", 1, address, "Hello", text)


@pytest.fixture
def certificate(tmp_path: Path) -> tuple[ssl.SSLContext, Path]:
    """A server's certificate for this machine's addresses, and the file with it."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "mail.example.com")])
    now = dt.datetime.now(dt.UTC)
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now)
        .not_valid_after(now + dt.timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    file = tmp_path / "certificate.pem"
    file.write_bytes(
        made.public_bytes(serialization.Encoding.PEM)
        + key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(file)
    return context, file


def authenticate(_server: Any, _session: Any, _envelope: Any, _mechanism: str, given: Any) -> AuthResult:
    is_right = isinstance(given, LoginPassword) and (given.login, given.password) == (b"ann@a", b"p/w")
    return AuthResult(success=is_right, handled=False)


@pytest.fixture
def encrypted(mailbox: Mailbox, certificate: tuple[ssl.SSLContext, Path]) -> Iterator[Controller]:
    """A mail server that takes no mail without STARTTLS and a password."""
    options = {"tls_context": certificate[0], "require_starttls": True, "auth_required": True}
    port = free_port()
    server = Controller(mailbox, hostname="127.0.0.1", port=port, authenticator=authenticate, **options)
    server.start()
    yield server
    server.stop()


def test_a_mail_has_what_it_needs(tmp_path: Path, mail_server: Controller, mailbox: Mailbox) -> None:
    """Plain text, and headers by which programs know it."""
    assert send(tmp_path, url_of(mail_server), text="Grüße 茶\n") == Done()

    [mail] = mailbox.mails
    assert (mail["From"], mail["To"], mail["Subject"]) == (SENDER, ADDRESS, "Hello")
    assert (mail["Auto-Submitted"], mail.get_content_type()) == ("auto-generated", "text/plain")
    assert mail["Message-ID"] == "<0199b1f2-7c3e-7a41-9d5b-2f6c8e0a4b17@example.com>"
    assert abs(parsedate_to_datetime(mail["Date"]).timestamp() - dt.datetime.now(dt.UTC).timestamp()) < 600
    assert mail.get_content().strip() == "Grüße 茶"


def test_starttls_and_a_password_are_used(tmp_path: Path, encrypted: Controller, mailbox: Mailbox) -> None:
    """The password is decoded from the URL."""
    assert send(tmp_path, f"smtp://ann%40a:p%2Fw@127.0.0.1:{encrypted.port}") == Done()
    assert mailbox.sessions[0].ssl is not None
    assert mailbox.sessions[0].authenticated


def test_a_wrong_password_is_tried_again(tmp_path: Path, encrypted: Controller, mailbox: Mailbox) -> None:
    """The operator can change it; the mail is not at fault."""
    outcome = send(tmp_path, f"smtp://ann:wrong@127.0.0.1:{encrypted.port}")

    assert isinstance(outcome, Again)
    assert (outcome.error, mailbox.mails) == ("SMTPAuthenticationError: check SMTP_URL.", [])


def test_tls_from_the_start_is_used(tmp_path: Path, mailbox: Mailbox, certificate: tuple[ssl.SSLContext, Path]) -> None:
    """For smtps://."""
    server = Controller(mailbox, hostname="127.0.0.1", port=free_port(), ssl_context=certificate[0])
    server.start()
    try:
        assert send(tmp_path, f"smtps://127.0.0.1:{server.port}") == Done()
    finally:
        server.stop()
    assert len(mailbox.mails) == 1


def others_address() -> str:
    """Return an address of this machine that is not loopback."""
    with closing(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) as asking:
        try:
            # Nothing is sent.
            asking.connect(("192.0.2.1", 9))
        except OSError:
            pytest.skip("this machine has no network")
        return str(asking.getsockname()[0])


@pytest.mark.parametrize("offered", [False, True], ids=["without STARTTLS", "with a certificate of nobody known"])
def test_nothing_is_sent_unprotected_over_a_network(
    tmp_path: Path, mailbox: Mailbox, certificate: tuple[ssl.SSLContext, Path], offered: bool
) -> None:
    """Somebody between could read a link."""
    address = others_address()
    server = Controller(mailbox, hostname=address, port=free_port(), tls_context=certificate[0] if offered else None)
    server.start()
    try:
        outcome = send(tmp_path, f"smtp://{address}:{server.port}")
    finally:
        server.stop()

    assert isinstance(outcome, Again)
    assert outcome.error.startswith("SSLCertVerificationError" if offered else "NotEncrypted")
    assert mailbox.mails == []


ANSWERS = [("451 later", Again), ("421 closing", Again), ("550 no such user", Failed), ("552 full", Failed)]


@pytest.mark.parametrize(("answer", "kind"), ANSWERS)
def test_a_refusal_is_final_only_if_the_server_says_so(
    tmp_path: Path, mail_server: Controller, mailbox: Mailbox, answer: str, kind: type[Outcome]
) -> None:
    """5xx is, 4xx is not."""
    mailbox.answer = lambda recipient: answer
    outcome = send(tmp_path, url_of(mail_server))

    assert isinstance(outcome, kind)
    assert outcome.status == int(answer[:3])


class Silent:
    """A server that accepts connections, and says this and nothing more."""

    def __init__(self, greeting: bytes = b"") -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self._accepting = threading.Thread(target=self._accept, args=(greeting,))
        self._accepting.start()

    def _accept(self, greeting: bytes) -> None:
        with ExitStack() as clients, suppress(OSError):
            while True:
                client = clients.enter_context(self._listener.accept()[0])
                # A client may have gone already.
                with suppress(ConnectionError):
                    client.sendall(greeting)

    def close(self) -> None:
        # Only this ends a call of accept() that another thread waits in.
        self._listener.shutdown(socket.SHUT_RDWR)
        self._accepting.join()
        self._listener.close()


@pytest.mark.parametrize("greeting", [b"", b"220 mail", b"554 no service\r\n"], ids=["silent", "half", "closed"])
def test_a_server_that_serves_nobody_is_tried_again(
    tmp_path: Path, greeting: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After a limited time."""
    monkeypatch.setattr(smtp, "ANSWER_SECONDS", 0.3)
    with closing(Silent(greeting)) as server:
        assert isinstance(send(tmp_path, f"smtp://127.0.0.1:{server.port}"), Again)


def test_a_slow_server_gets_only_so_much_time_in_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Less than the message's lease."""
    monkeypatch.setattr(smtp, "WHOLE_SECONDS", 0)
    with closing(Silent(b"220 mail\r\n250 hello\r\n")) as server:
        outcome = send(tmp_path, f"smtp://127.0.0.1:{server.port}")

    assert outcome == Again(10, "TimeoutError: the mail server is too slow")


def test_a_server_that_is_gone_is_tried_again_later_and_later(tmp_path: Path) -> None:
    """Up to half an hour."""
    settings = read_settings(
        settings_for("sqlite:////nowhere", SMTP_URL=f"smtp://127.0.0.1:{free_port()}", MAIL_FROM=SENDER), tmp_path
    )
    outcomes = [smtp.send(settings, "id", attempt, ADDRESS, "Hello", "tea") for attempt in (1, 2, 3, 8, 50)]

    assert [outcome.seconds for outcome in outcomes] == [10, 30, 60, 1_800, 1_800]


@pytest.mark.parametrize(
    "address", ["ann@example.com\nBcc: bob@example.com", "ann@example.com\r\n.\r\n", "ann", "", "@"]
)
def test_no_address_adds_a_header(tmp_path: Path, mail_server: Controller, mailbox: Mailbox, address: str) -> None:
    """It is not written at all."""
    assert isinstance(send(tmp_path, url_of(mail_server), address), Failed)
    assert mailbox.mails == []


@pytest.mark.parametrize("local", ['"a,b"', "ann+tag", "o'hara"])
def test_a_mail_goes_to_exactly_its_address(
    tmp_path: Path, mail_server: Controller, mailbox: Mailbox, local: str
) -> None:
    """However a header with it could be read."""
    assert send(tmp_path, url_of(mail_server), f"{local}@example.com") == Done()
    assert mailbox.envelopes[0].rcpt_tos == [f"{local}@example.com"]


def test_a_domain_is_written_as_the_dns_knows_it(tmp_path: Path, mail_server: Controller, mailbox: Mailbox) -> None:
    """Not every server knows Unicode."""
    assert send(tmp_path, url_of(mail_server), "ann@München.example") == Done()
    assert mailbox.envelopes[0].rcpt_tos == ["ann@xn--mnchen-3ya.example"]


def test_a_mail_server_that_is_away_delays_mails_alone(new_mail_app: Callable[..., Flask], mailbox: Mailbox) -> None:
    """Registering goes on, and the mail follows when it is back."""
    port = free_port()
    app = new_mail_app(SMTP_URL=f"smtp://127.0.0.1:{port}")
    member = register(app)
    deliver(app)
    with app.app_context():
        [waiting] = rows(app, member.user_id)
    assert (waiting.status, waiting.attempts) == ("waiting", 1)
    assert waiting.last_error.startswith("ConnectionRefusedError")

    server = Controller(mailbox, hostname="127.0.0.1", port=port)
    server.start()
    try:
        due_now(app, member)
        deliver(app)
    finally:
        server.stop()
    assert len(mailbox.to(member.email)) == 1


def due_now(app: Flask, member: Member, **more: str) -> None:
    assignments = ", ".join(
        ["due_at = '2026-01-01T00:00:00.000000Z'", *(f"{name} = '{value}'" for name, value in more.items())]
    )
    sql(app, f"UPDATE outbox SET {assignments} WHERE user_id = :user", user=member.user_id)


def test_a_mail_that_was_sent_but_not_noted_is_sent_again_with_the_same_link(
    app: Flask, member: Member, mailbox: Mailbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As by a worker that was killed in between. The link works once in all, and a spent one is not sent again."""
    settle = senders.settle

    def forget_to_settle(user_id: str, message: Any, outcome: Outcome) -> bool:
        return message.kind == MAIL_KIND or settle(user_id, message, outcome)

    monkeypatch.setattr(senders, "settle", forget_to_settle)
    forget(app, member.email)
    first = mailbox.token(member.email)
    for _ in range(2):
        due_now(app, member)
        deliver(app)
    mails = mailbox.to(member.email)
    assert len(mails) == 1 + 3
    assert {mail["Message-ID"] for mail in mails[1:]} == {mails[-1]["Message-ID"]}
    assert mailbox.token(member.email) == first

    assert reset(app, first).status_code == 204
    with app.app_context(), scope(member.user_id):
        sql(app, "DELETE FROM outbox WHERE user_id = :user AND body LIKE '%password_changed%'", user=member.user_id)
    due_now(app, member)
    deliver(app)
    assert len(mailbox.to(member.email)) == len(mails)
    assert reset(app, first).status_code == 400


@pytest.mark.parametrize(("minutes", "is_sent"), [(29, True), (31, False)])
def test_a_link_is_not_sent_when_it_has_expired(
    app: Flask, member: Member, mailbox: Mailbox, minutes: int, is_sent: bool
) -> None:
    """The attempts end with it."""
    mailbox.answer = lambda recipient: "451 later"
    forget(app, member.email)
    mailbox.answer = lambda recipient: "250 OK"
    since = (dt.datetime.now(dt.UTC) - dt.timedelta(minutes=minutes)).strftime("%Y-%m-%dT%H:%M:%S.000000Z")
    with app.app_context():
        [row] = rows(app, member.user_id)
    due_now(app, member, body=row.body[: row.body.index('"since"')] + f'"since":"{since}"}}')
    deliver(app)

    assert (len(mailbox.to(member.email)) == 1 + 1) is is_sent
    if is_sent:
        assert reset(app, mailbox.token(member.email)).status_code == 204
