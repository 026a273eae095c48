"""Parse settings: turn a variable's text into its value, or raise a ValueError that says what it must be."""

import re
import socket
from collections.abc import Callable
from dataclasses import dataclass, field
from email.utils import formataddr, parseaddr
from urllib.parse import parse_qsl, unquote, urlsplit

import psycopg2
from jwt import InvalidKeyError
from jwt.algorithms import HMACAlgorithm
from psycopg2.extensions import parse_dsn
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError

# RFC 7518, section 3.2: a key for HS256 has at least the size of its hash.
SECRET_BYTES = 32

LOOPBACK = ("localhost", "127.0.0.1", "::1")

# RFC 6454, section 6.2: scheme, host and port, as browsers send them.
# RFC 9110, section 5.6.2.
_HEADER = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")

# Apps in a web view (capacitor, ionic, tauri) and browser extensions have their own schemes.
_ORIGIN = re.compile(r"(?!ftp:|file:)[a-z][a-z0-9+.-]*://([A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(:[0-9]{1,5})?")


# RFC 6409 and RFC 8314.
_MAIL_PORTS = {"smtp": 587, "smtps": 465}
_MAIL_ADDRESS = re.compile(r"[!-?A-~]+@[A-Za-z0-9.-]+")


def integer(minimum: int, maximum: int) -> Callable[[str], int]:
    def parse(text: str) -> int:
        if not re.fullmatch(r"[0-9]{1,12}", text) or not minimum <= int(text) <= maximum:
            raise ValueError(f"must be a whole number from {minimum} to {maximum}")
        return int(text)

    return parse


def one_of(*choices: str) -> Callable[[str], str]:
    def parse(text: str) -> str:
        if text.lower() not in choices:
            raise ValueError(f"must be one of {', '.join(choices)}")
        return text.lower()

    return parse


def switch(text: str) -> bool:
    return one_of("on", "off")(text) == "on"


def secret_list(text: str) -> tuple[str, ...]:
    """Comma-separated: the first signs, all verify."""
    values = tuple(value.strip() for value in text.split(","))
    if any(len(value.encode()) < SECRET_BYTES for value in values):
        least = f"at least {SECRET_BYTES} bytes (each, where a comma separates several)"
        raise ValueError(f"must have {least}: try `openssl rand -base64 48`")
    try:
        for value in values:
            HMACAlgorithm(HMACAlgorithm.SHA256).prepare_key(value)
    except InvalidKeyError as error:
        # Anybody who knows the public key could sign with it.
        raise ValueError("must be a random secret, not a key: set AUTH_JWKS_URL for published keys") from error
    return values


def origin_list(text: str) -> tuple[str, ...]:
    origins = tuple(origin.strip() for origin in text.split(","))
    if wrong := [origin for origin in origins if not _ORIGIN.fullmatch(origin)]:
        example = "https://app.example.com, separated by commas, without a path or a slash at the end"
        raise ValueError(f"must list origins such as {example}: {wrong[0]!r} is not one")
    return origins


def header_list(text: str) -> tuple[str, ...]:
    names = tuple(name.strip() for name in text.split(","))
    if not all(_HEADER.fullmatch(name) for name in names):
        raise ValueError("must list names of headers such as X-Trace, separated by commas")
    return names


def http_url(text: str) -> str:
    parts = urlsplit(text)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.username or parts.fragment:
        raise ValueError("must be an address such as https://app.example.com/api/auth/jwks")
    return text


def origin(text: str) -> str:
    """One origin that clients use as a name, so it has one spelling: in lower case, without a default port."""
    if not _ORIGIN.fullmatch(text) or not is_safe(text):
        raise ValueError(
            "must be an origin such as https://tasks.example.com, without a path or a slash at the end; "
            "http only on loopback"
        )
    text = text.lower()
    return text.removesuffix(":443" if text.startswith("https:") else ":80")


def oauth_issuer(text: str) -> str:
    """The name of an authorization server, exactly as its tokens write it (RFC 8414, section 2)."""
    parts = urlsplit(text)
    if not parts.hostname or parts.username or parts.query or parts.fragment or not is_safe(text):
        raise ValueError(
            "must be the issuer's address, as its tokens say it, such as https://app.example.com/api/auth; "
            "http only on loopback"
        )
    return text


def is_safe(url: str) -> bool:
    """Return whether nobody in the network can change what this address serves."""
    parts = urlsplit(url)
    return parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in LOOPBACK)


@dataclass(frozen=True, slots=True)
class MailServer:
    """Where mails are handed over, and how: with TLS from the start, or with STARTTLS."""

    host: str
    port: int
    user: str | None
    password: str | None = field(repr=False)
    tls: bool

    @property
    def is_local(self) -> bool:
        """Whether no network lies between."""
        return self.host in LOOPBACK


def mail_server(text: str) -> MailServer:
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:
        parts, port = urlsplit(""), None
    is_wrong = parts.path.strip("/") or parts.query or parts.fragment or bool(parts.username) != bool(parts.password)
    if parts.scheme not in _MAIL_PORTS or not parts.hostname or is_wrong:
        raise ValueError(
            "must be a mail server such as smtp://user:password@mail.example.com:587, or smtps://; write special "
            "characters of user and password as %40"
        )
    user, password = (part and unquote(part) for part in (parts.username, parts.password))
    return MailServer(parts.hostname, port or _MAIL_PORTS[parts.scheme], user, password, parts.scheme == "smtps")


def mail_address(text: str) -> str:
    """An address, perhaps with a name before it."""
    name, address = parseaddr(text)
    if not _MAIL_ADDRESS.fullmatch(address) or not text.isprintable():
        raise ValueError("must be an address such as tasks@example.com, or Tasks <tasks@example.com>")
    return formataddr((name, address))


def link_template(text: str) -> str:
    """The address of a front end's page, in which a token replaces {token}."""
    if text.count("{token}") != 1 or not text.isprintable() or not is_safe(text):
        raise ValueError(
            "must be a page's address with {token}, such as https://app.example.com/reset#token={token}; http only on "
            "loopback"
        )
    return text


def host(text: str) -> str:
    try:
        socket.getaddrinfo(text, None, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise ValueError("must be an address of this machine, such as 127.0.0.1, 0.0.0.0 or ::1") from error
    return text


def database_url(text: str) -> URL:
    try:
        url = make_url(text)
    except (ArgumentError, ValueError) as error:
        raise ValueError("must be a URL such as postgresql://user:password@host:5432/name") from error
    # A password may contain a raw ?. SQLAlchemy drops an option without a value.
    query = (text if url.username is None else text.partition("@")[2]).partition("?")[2]
    if url.drivername in ("postgres", "postgresql", "postgresql+psycopg2"):
        # SQLAlchemy 2.1 uses another driver for a bare postgresql://.
        for name, value in parse_qsl(query, keep_blank_values=True):
            _require_option(name, value)
        return url.set(drivername="postgresql+psycopg2")
    if url.drivername != "sqlite":
        raise ValueError("must start with postgresql:// (or postgres://), or with sqlite:///")
    if url.database in (None, "", ":memory:"):
        raise ValueError("must name a file, such as sqlite:////var/lib/tasks/tasks.db: workers cannot share memory")
    if query:
        raise ValueError("must name a file without options: leave out what follows the ?")
    return url


def _require_option(name: str, value: str) -> None:
    if not value:
        raise ValueError(f"has an option without a value, {name!r}: give it one, or leave it out")
    try:
        parse_dsn(f"{name}=x")
    except psycopg2.ProgrammingError as error:
        raise ValueError(f"has an option that PostgreSQL does not know, {name!r}: leave it out") from error
