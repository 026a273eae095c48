"""Read the environment once, into one frozen and validated object."""

import os
import secrets
import sys
from collections.abc import Callable, Mapping
from dataclasses import Field, dataclass, field, fields
from difflib import get_close_matches
from functools import cache
from pathlib import Path
from typing import Any

from dotenv import dotenv_values
from sqlalchemy.engine import URL, make_url

from app import settings_parsers as parse

PROJECT = Path(__file__).resolve().parent.parent
INSTANCE = PROJECT / "instance"
SECRET_FILE = "auth_secret"

# Revocations are kept for this long, because afterwards no valid token is left.
MAX_ACCESS_TOKEN_SECONDS = 86_400
MAX_REFRESH_TOKEN_SECONDS = 31_536_000
# For tokens that another issuer signs.
MAX_OUTSIDE_TOKEN_SECONDS = 31_536_000

# The similarity from which a name counts as misspelt: HOSTNAME is too different from HOST.
NEARLY = 0.9

# As AUTH_ISSUER or AUTH_AUDIENCE: that claim is not compared.
ANY = "*"

# OWASP's Password Storage Cheat Sheet: KiB of memory and passes, each pair as strong as the others.
OWASP_ARGON2ID = ((47_104, 1), (19_456, 2), (12_288, 3), (9_216, 4), (7_168, 5))


class SettingsError(Exception):
    """A setting is missing, unknown or unsafe. The message names it and the fix, in one line."""


def setting(parser: Callable[[str], Any], default: str | None = None, *, absent: Any = None, variable: str = "") -> Any:
    """Declare a field of Settings: the parser of its variable, and its text or value if that is not set.

    The variable is named like the field, in capitals, unless `variable` says otherwise.
    """
    described = {"parse": parser, "default": default, "absent": absent, "variable": variable}
    return field(metadata=described, repr=parser is not parse.secret_list)


@dataclass(frozen=True, slots=True)
class Settings:
    """All settings. Secrets are not in its `repr`."""

    database_url: URL = setting(parse.database_url)  # noqa: RUF009 (it is a field)
    auth_secrets: tuple[str, ...] = setting(parse.secret_list, absent=(), variable="AUTH_SECRET")
    better_auth_secrets: tuple[str, ...] = setting(parse.secret_list, absent=(), variable="BETTER_AUTH_SECRET")
    auth_jwks_url: str | None = setting(parse.http_url)
    auth_issuer: str | None = setting(str)
    auth_audience: str | None = setting(str)
    auth_audience_claim: str = setting(str, "aud")
    auth_user_id_claim: str = setting(str, "sub")
    auth_max_token_seconds: int = setting(parse.integer(60, MAX_OUTSIDE_TOKEN_SECONDS), "2592000")
    mcp: bool = setting(parse.switch, "on")
    mcp_oauth_issuer: str | None = setting(parse.oauth_issuer)
    local_auth: bool = setting(parse.switch, "on")
    access_token_seconds: int = setting(parse.integer(60, MAX_ACCESS_TOKEN_SECONDS), "900")
    refresh_token_seconds: int = setting(parse.integer(3_600, MAX_REFRESH_TOKEN_SECONDS), "2592000")
    auth_rate_limit: int = setting(parse.integer(1, 1_000_000), "30")
    argon2_memory_kib: int = setting(parse.integer(7_168, 4_194_304), "19456")
    argon2_passes: int = setting(parse.integer(1, 100), "2")
    argon2_lanes: int = setting(parse.integer(1, 64), "1")
    cors_origins: tuple[str, ...] = setting(parse.origin_list, absent=())
    cors_headers: tuple[str, ...] = setting(parse.header_list, absent=())
    public_url: str = setting(parse.origin)
    smtp_url: parse.MailServer | None = setting(parse.mail_server)  # noqa: RUF009 (it is a field)
    mail_from: str | None = setting(parse.mail_address)
    password_reset_url: str | None = setting(parse.link_template)
    email_verify_url: str | None = setting(parse.link_template)
    require_verified_email: bool = setting(parse.switch, "off")
    trusted_proxies: int = setting(parse.integer(0, 10), "0")
    host: str = setting(parse.host, "127.0.0.1")
    port: int = setting(parse.integer(1, 65_535), "8000")
    web_concurrency: int = setting(parse.integer(1, 256), "2")
    threads: int = setting(parse.integer(1, 256), "16")
    log_level: str = setting(parse.one_of("debug", "info", "warning", "error"), "info")
    log_format: str = setting(parse.one_of("auto", "text", "json"), "auto")
    metrics: bool = setting(parse.switch, "off")
    webhooks_allow_private: bool = setting(parse.switch, "off")
    work: bool = setting(parse.switch, "on")

    @property
    def mcp_url(self) -> str:
        """The address of the endpoint for agents, which is also the audience of tokens for it (RFC 8707)."""
        return f"{self.public_url}/mcp"

    @property
    def sends_mail(self) -> bool:
        """Whether accounts can be reached by mail."""
        return self.local_auth and self.smtp_url is not None


def variables() -> dict[str, Field[Any]]:
    """Return each field of Settings by the name of its variable."""
    return {one.metadata["variable"] or one.name.upper(): one for one in fields(Settings)}


@cache
def load_settings() -> Settings:
    """Return the settings of this process as at its start, from `.env` in the project and the environment, which wins.

    gunicorn asks again when it reloads, but the application stays as it was loaded and must match its server.
    """
    file = {name: value for name, value in dotenv_values(PROJECT / ".env").items() if value is not None}
    return read_settings(file | dict(os.environ), makes_secret=not _is_command())


def misspelt() -> list[tuple[str, str]]:
    """Return each variable of the environment or `.env` that is nearly a setting's name, with that name."""
    known = variables()
    names = sorted({*dotenv_values(PROJECT / ".env"), *os.environ}.difference(known))
    return [(name, near[0]) for name in names if (near := get_close_matches(name, known, 1, NEARLY))]


def _is_command() -> bool:
    """Return whether this is `flask` with anything except `run`. Flask says so in the environment."""
    return os.environ.get("FLASK_RUN_FROM_CLI") == "true" and "run" not in sys.argv


def read_settings(environment: Mapping[str, str], instance: Path = INSTANCE, makes_secret: bool = True) -> Settings:
    """Validate an environment. `instance` is the folder for the service's own files.

    A serving process may create a secret. It would not know a secret that a command created.
    """
    values = {one.name: _read(environment, one.metadata, variable) for variable, one in variables().items()}
    values["database_url"] = values["database_url"] or _kept_file(instance)
    if values["local_auth"] and not values["auth_secrets"]:
        values["auth_secrets"] = _kept_secret(instance, makes_secret)
    if values["mcp_oauth_issuer"] and not values["public_url"]:
        raise SettingsError("MCP_OAUTH_ISSUER is set, but not PUBLIC_URL: set it to the origin that clients call")
    values["public_url"] = values["public_url"] or _loopback_origin(values["host"], values["port"])
    settings = Settings(**values)
    if not any(
        settings.argon2_memory_kib >= kib and settings.argon2_passes >= passes for kib, passes in OWASP_ARGON2ID
    ):
        raise SettingsError("ARGON2_MEMORY_KIB and ARGON2_PASSES are too small together: try 19456 and 2")
    if (settings.smtp_url is None) != (settings.mail_from is None):
        raise SettingsError("SMTP_URL and MAIL_FROM need each other: set both, or neither")
    if settings.require_verified_email and not settings.sends_mail:
        raise SettingsError("REQUIRE_VERIFIED_EMAIL is on, but no mail can be sent: set SMTP_URL and MAIL_FROM")
    if settings.auth_audience_claim != "aud" and settings.auth_audience is None:
        raise SettingsError("AUTH_AUDIENCE_CLAIM is set, but not AUTH_AUDIENCE: set it to what that claim must say")
    if not (settings.local_auth or settings.better_auth_secrets or settings.auth_jwks_url):
        raise SettingsError(
            "LOCAL_AUTH is off and no other issuer is set: set BETTER_AUTH_SECRET or AUTH_JWKS_URL, or LOCAL_AUTH=on"
        )
    return settings


def _read(environment: Mapping[str, str], declared: Mapping[str, Any], variable: str) -> Any:
    """Return a variable's value. A parser's ValueError becomes a SettingsError that names the variable."""
    text = environment.get(variable, declared["default"])
    if text is None:
        return declared["absent"]
    if not text.strip():
        raise SettingsError(f"{variable} is empty: give it a value, or unset it")
    try:
        return declared["parse"](text.strip())
    except ValueError as error:
        raise SettingsError(f"{variable} {error}") from error


def _loopback_origin(host: str, port: int) -> str:
    host = host if host in parse.LOOPBACK else parse.LOOPBACK[1]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def _kept_file(instance: Path) -> URL:
    """Return the default database: an SQLite file in the instance folder."""
    try:
        instance.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise SettingsError(
            f"DATABASE_URL is not set and {instance} cannot be made ({error.strerror}): set it"
        ) from error
    return make_url(f"sqlite:///{instance / 'tasks.db'}")


def _kept_secret(instance: Path, makes_secret: bool) -> tuple[str, ...]:
    """Return the secret in this folder. The first serving process that finds none creates one (mode 0600)."""
    path = instance / SECRET_FILE
    try:
        if not path.exists():
            if not makes_secret:
                return ()
            _write_secret(path)
        return parse.secret_list(path.read_text().strip())
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
