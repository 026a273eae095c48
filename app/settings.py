"""The environment, read once, as one frozen and validated object."""

import os
import re
import secrets
import socket
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import TypeVar
from urllib.parse import parse_qsl, urlsplit

import psycopg2
from dotenv import dotenv_values
from jwt import InvalidKeyError
from jwt.algorithms import HMACAlgorithm
from psycopg2.extensions import parse_dsn
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError

PROJECT = Path(__file__).resolve().parent.parent
INSTANCE = PROJECT / "instance"
SECRET_FILE = "auth_secret"

# RFC 7518, section 3.2: a key for HS256 has at least the size of its hash.
SECRET_BYTES = 32

# The largest ACCESS_TOKEN_SECONDS: what has been revoked for as long refuses no living token any more.
MAX_ACCESS_TOKEN_SECONDS = 86_400
MAX_REFRESH_TOKEN_SECONDS = 31_536_000
# What an outside issuer may sign.
MAX_OUTSIDE_TOKEN_SECONDS = 31_536_000

# OWASP's Password Storage Cheat Sheet: KiB of memory and passes, each pair as strong as the others.
OWASP_ARGON2ID = ((47_104, 1), (19_456, 2), (12_288, 3), (9_216, 4), (7_168, 5))

# RFC 6454, section 6.2: scheme, host and port, as browsers send them.
_ORIGIN = re.compile(r"https?://([A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(:[0-9]{1,5})?")

Value = TypeVar("Value")


class SettingsError(Exception):
    """A setting is missing, unknown or unsafe; the message names it and the fix, in one line."""


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything that can be set from outside. Secrets stay out of its `repr`."""

    database_url: URL
    auth_secrets: tuple[str, ...] = field(repr=False)
    better_auth_secrets: tuple[str, ...] = field(repr=False)
    auth_jwks_url: str | None
    auth_issuer: str | None
    auth_audience: str | None
    auth_user_id_claim: str
    auth_max_token_seconds: int
    local_auth: bool
    access_token_seconds: int
    refresh_token_seconds: int
    auth_rate_limit: int
    argon2_memory_kib: int
    argon2_passes: int
    argon2_lanes: int
    cors_origins: tuple[str, ...]
    trusted_proxies: int
    host: str
    port: int
    web_concurrency: int
    threads: int
    log_level: str
    log_format: str
    metrics: bool


@cache
def load_settings() -> Settings:
    """The settings of this process, as they were at its start: `.env` beside the project, overruled by the environment.

    gunicorn asks again when it reloads, but the application stays as it was loaded, and is to fit its server.
    """
    file = {name: value for name, value in dotenv_values(PROJECT / ".env").items() if value is not None}
    return read_settings(file | dict(os.environ), makes_secret=not _is_command())


def _is_command() -> bool:
    """Whether this is `flask` with anything but `run`. Flask says so in the environment."""
    return os.environ.get("FLASK_RUN_FROM_CLI") == "true" and "run" not in sys.argv


def read_settings(environment: Mapping[str, str], instance: Path = INSTANCE, makes_secret: bool = True) -> Settings:
    """Validate an environment. `instance` is the folder for what the service keeps itself.

    Who serves may make a secret. One that a command made would be none of the service that runs.
    """
    read = _Reader(environment)
    local_auth = read("LOCAL_AUTH", _one_of("on", "off"), "on") == "on"
    settings = Settings(
        database_url=read.optional("DATABASE_URL", _database_url) or _kept_file(instance),
        auth_secrets=read.secret("AUTH_SECRET") or (_kept_secret(instance, makes_secret) if local_auth else ()),
        better_auth_secrets=read.secret("BETTER_AUTH_SECRET"),
        auth_jwks_url=read.optional("AUTH_JWKS_URL", _http_url),
        auth_issuer=read.optional("AUTH_ISSUER", str),
        auth_audience=read.optional("AUTH_AUDIENCE", str),
        auth_user_id_claim=read("AUTH_USER_ID_CLAIM", str, "sub"),
        auth_max_token_seconds=read("AUTH_MAX_TOKEN_SECONDS", _integer(60, MAX_OUTSIDE_TOKEN_SECONDS), "2592000"),
        local_auth=local_auth,
        access_token_seconds=read("ACCESS_TOKEN_SECONDS", _integer(60, MAX_ACCESS_TOKEN_SECONDS), "900"),
        refresh_token_seconds=read("REFRESH_TOKEN_SECONDS", _integer(3_600, MAX_REFRESH_TOKEN_SECONDS), "2592000"),
        auth_rate_limit=read("AUTH_RATE_LIMIT", _integer(1, 1_000_000), "30"),
        argon2_memory_kib=read("ARGON2_MEMORY_KIB", _integer(7_168, 4_194_304), "19456"),
        argon2_passes=read("ARGON2_PASSES", _integer(1, 100), "2"),
        argon2_lanes=read("ARGON2_LANES", _integer(1, 64), "1"),
        cors_origins=read.optional("CORS_ORIGINS", _origins) or (),
        trusted_proxies=read("TRUSTED_PROXIES", _integer(0, 10), "0"),
        host=read("HOST", _host, "127.0.0.1"),
        port=read("PORT", _integer(1, 65_535), "8000"),
        web_concurrency=read("WEB_CONCURRENCY", _integer(1, 256), "2"),
        threads=read("THREADS", _integer(1, 256), "16"),
        log_level=read("LOG_LEVEL", _one_of("debug", "info", "warning", "error"), "info"),
        log_format=read("LOG_FORMAT", _one_of("auto", "text", "json"), "auto"),
        metrics=read("METRICS", _one_of("on", "off"), "off") == "on",
    )
    if not any(
        settings.argon2_memory_kib >= kib and settings.argon2_passes >= passes for kib, passes in OWASP_ARGON2ID
    ):
        raise SettingsError("ARGON2_MEMORY_KIB and ARGON2_PASSES are too small together: try 19456 and 2")
    if not (settings.local_auth or settings.better_auth_secrets or settings.auth_jwks_url):
        raise SettingsError(
            "LOCAL_AUTH is off and nobody else may sign: set BETTER_AUTH_SECRET or AUTH_JWKS_URL, or LOCAL_AUTH=on"
        )
    return settings


class _Reader:
    """Reads one variable at a time; a parser's ValueError becomes a SettingsError that names the variable."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self.environment = environment

    def __call__(self, name: str, parse: Callable[[str], Value], default: str) -> Value:
        text = self.environment.get(name, default)
        if not text.strip():
            raise SettingsError(f"{name} is empty: give it a value, or unset it")
        try:
            return parse(text.strip())
        except ValueError as error:
            raise SettingsError(f"{name} {error}") from error

    def optional(self, name: str, parse: Callable[[str], Value]) -> Value | None:
        return self(name, parse, "") if name in self.environment else None

    def secret(self, name: str) -> tuple[str, ...]:
        return self.optional(name, _secrets) or ()


def _integer(least: int, most: int) -> Callable[[str], int]:
    def parse(text: str) -> int:
        if not re.fullmatch(r"[0-9]{1,12}", text) or not least <= int(text) <= most:
            raise ValueError(f"must be a whole number from {least} to {most}")
        return int(text)

    return parse


def _one_of(*choices: str) -> Callable[[str], str]:
    def parse(text: str) -> str:
        if text.lower() not in choices:
            raise ValueError(f"must be one of {', '.join(choices)}")
        return text.lower()

    return parse


def _secrets(text: str) -> tuple[str, ...]:
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


def _origins(text: str) -> tuple[str, ...]:
    origins = tuple(origin.strip() for origin in text.split(","))
    if not all(_ORIGIN.fullmatch(origin) for origin in origins):
        raise ValueError("must list origins such as https://app.example.com, separated by commas, without a path")
    return origins


def _http_url(text: str) -> str:
    parts = urlsplit(text)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.username or parts.fragment:
        raise ValueError("must be an address such as https://app.example.com/api/auth/jwks")
    return text


def _host(text: str) -> str:
    try:
        socket.getaddrinfo(text, None, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise ValueError("must be an address of this machine, such as 127.0.0.1, 0.0.0.0 or ::1") from error
    return text


def _database_url(text: str) -> URL:
    try:
        url = make_url(text)
    except (ArgumentError, ValueError) as error:
        raise ValueError("must be a URL such as postgresql://user:password@host:5432/name") from error
    # A password may hold a ? as it is, and an option without a value is none to SQLAlchemy.
    query = (text if url.username is None else text.partition("@")[2]).partition("?")[2]
    if url.drivername in ("postgres", "postgresql", "postgresql+psycopg2"):
        # SQLAlchemy 2.1 takes another driver for a bare postgresql://.
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


def _kept_file(instance: Path) -> URL:
    """Where the database is that nobody has to set up."""
    try:
        instance.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise SettingsError(
            f"DATABASE_URL is not set and {instance} cannot be made ({error.strerror}): set it"
        ) from error
    return make_url(f"sqlite:///{instance / 'tasks.db'}")


def _kept_secret(instance: Path, makes_secret: bool) -> tuple[str, ...]:
    """The secret in this folder; the first process that serves and finds none writes one (mode 0600)."""
    path = instance / SECRET_FILE
    try:
        if not path.exists():
            if not makes_secret:
                return ()
            _write_secret(path)
        return _secrets(path.read_text().strip())
    except OSError as error:
        raise SettingsError(f"AUTH_SECRET is not set and {path} cannot be kept ({error.strerror}): set it") from error
    except ValueError as error:
        raise SettingsError(f"AUTH_SECRET is not set and {path} {error}") from error


def _write_secret(path: Path) -> None:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    draft = path.with_name(f"{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
    draft.touch(mode=0o600)
    draft.write_text(secrets.token_urlsafe(48))
    try:
        # Unlike a rename, a link never replaces the secret that another process has just written.
        os.link(draft, path)
    except FileExistsError:
        pass
    finally:
        draft.unlink()
