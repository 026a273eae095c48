"""Hand mails over to a mail server (RFC 5321), encrypted wherever a network lies between."""

import smtplib
import ssl
import time
from contextlib import suppress
from email.errors import HeaderParseError
from email.headerregistry import Address
from email.message import EmailMessage
from email.utils import formatdate, parseaddr
from functools import cache
from typing import Any

from app.auth.addresses import fold
from app.outbox.delivery import Again, Done, Failed, Outcome
from app.settings import Settings
from app.settings_parsers import MailServer

# For each answer of the server, and for all of them together: less than a message's lease.
ANSWER_SECONDS = 15
WHOLE_SECONDS = 45
# For the n-th attempt that follows a failed one, in seconds; the last for all that follow.
PAUSES = (10, 30, 60, 120, 300, 600, 900, 1_800)
# A server's greeting.
READY = 220
# The first of the codes that a server repeats for ever.
PERMANENT = 500


class _InTime:
    """Limits the time of all answers together."""

    sock: Any
    ends_at = float("inf")

    def getreply(self) -> tuple[int, bytes]:
        left = self.ends_at - time.monotonic()
        if left <= 0:
            raise TimeoutError("the mail server is too slow")
        if self.sock:
            self.sock.settimeout(min(ANSWER_SECONDS, left))
        return super().getreply()  # type: ignore[misc,no-any-return]


class _Plain(_InTime, smtplib.SMTP):
    pass


class _Encrypted(_InTime, smtplib.SMTP_SSL):
    pass


class NotEncrypted(Exception):
    """The server offers no STARTTLS, and a network lies between."""


def send(settings: Settings, mail_id: str, attempts: int, address: str, subject: str, text: str) -> Outcome:
    """Send a mail, and return what became of it. The same id makes the same Message-ID."""
    server, address = settings.smtp_url, _with_ascii_domain(address)
    assert server is not None
    try:
        message = _written(settings, mail_id, address, subject, text)
    except (ValueError, IndexError, HeaderParseError) as error:
        return Failed(f"No mail can be written to this address: {error}")
    return _hand_over(server, message, address, attempts)


def _hand_over(server: MailServer, message: EmailMessage, address: str, attempts: int) -> Outcome:
    try:
        _send(server, message, address)
    except smtplib.SMTPRecipientsRefused as error:
        code, said = next(iter(error.recipients.values()))
        return _refused(code, said, attempts)
    except (smtplib.SMTPAuthenticationError, smtplib.SMTPConnectError, smtplib.SMTPHeloError, NotEncrypted) as error:
        # The server and not the mail is in the way: the operator can change that.
        return _later(attempts, f"{type(error).__name__}: check SMTP_URL.")
    except smtplib.SMTPResponseException as error:
        return _refused(error.smtp_code, error.smtp_error, attempts)
    except smtplib.SMTPNotSupportedError as error:
        return Failed(f"The mail server cannot send to this address: {error}")
    except (OSError, smtplib.SMTPException) as error:
        return _later(attempts, f"{type(error).__name__}: {error}")
    return Done()


def _send(server: MailServer, message: EmailMessage, address: str) -> None:
    connection = _connect(server)
    try:
        # To this address, however the header could be read.
        connection.send_message(message, to_addrs=[address])
    finally:
        # The mail is accepted or refused by now, whatever comes of the farewell.
        with suppress(OSError, smtplib.SMTPException):
            connection.quit()
        connection.close()


def _with_ascii_domain(address: str) -> str:
    local, _, domain = address.rpartition("@")
    return f"{local}{fold(f'@{domain}')}"


def _written(settings: Settings, mail_id: str, address: str, subject: str, text: str) -> EmailMessage:
    # EmailMessage refuses line breaks in headers.
    message = EmailMessage()
    _, sender = parseaddr(settings.mail_from or "")
    message["From"], message["To"], message["Subject"] = settings.mail_from, Address(addr_spec=address), subject
    message["Date"] = formatdate()
    message["Message-ID"] = f"<{mail_id}@{sender.rpartition('@')[2]}>"
    # No automatic replies (RFC 3834).
    message["Auto-Submitted"] = "auto-generated"
    message.set_content(text)
    return message


@cache
def _context(is_local: bool) -> ssl.SSLContext:
    """Return what encrypts. It is made once, because loading all authorities takes 30 ms of processor time."""
    if not is_local:
        return ssl.create_default_context()
    # A local server's certificate proves nothing that is in doubt.
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


def _connect(server: MailServer) -> smtplib.SMTP:
    context = _context(server.is_local)
    limit = ANSWER_SECONDS
    connection: Any = _Encrypted(timeout=limit, context=context) if server.tls else _Plain(timeout=limit)
    connection.ends_at = time.monotonic() + WHOLE_SECONDS
    try:
        # The name that the certificate must have.
        connection._host = server.host
        code, said = connection.connect(server.host, server.port)
        if code != READY:
            raise smtplib.SMTPConnectError(code, said)
        connection.ehlo_or_helo_if_needed()
        if not server.tls:
            _encrypt(connection, server, context)
        if server.user:
            connection.login(server.user, server.password or "")
    except BaseException:
        connection.close()
        raise
    accepted: smtplib.SMTP = connection
    return accepted


def _encrypt(connection: smtplib.SMTP, server: MailServer, context: ssl.SSLContext) -> None:
    if connection.has_extn("starttls"):
        connection.starttls(context=context)
        connection.ehlo()
    elif not server.is_local:
        raise NotEncrypted


def _refused(code: int, said: bytes | str, attempts: int) -> Outcome:
    text = said.decode(errors="replace") if isinstance(said, bytes) else said
    return Failed(text, code) if code >= PERMANENT else _later(attempts, text, code)


def _later(attempts: int, said: str, code: int | None = None) -> Again:
    return Again(PAUSES[min(attempts, len(PAUSES)) - 1], said or "no answer", code)
