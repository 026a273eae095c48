"""Each setting: its default, its valid values, and its one-line error."""

import re
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

from app.settings import PROJECT, Settings, SettingsError, misspelt, read_settings
from app.settings_parsers import MailServer

SECRET = "s" * 32
OTHER = "t" * 32

# Variable, field, default.
DEFAULTS = [
    ("BETTER_AUTH_SECRET", "better_auth_secrets", ()),
    ("AUTH_JWKS_URL", "auth_jwks_url", None),
    ("AUTH_ISSUER", "auth_issuer", None),
    ("AUTH_AUDIENCE", "auth_audience", None),
    ("AUTH_AUDIENCE_CLAIM", "auth_audience_claim", "aud"),
    ("AUTH_USER_ID_CLAIM", "auth_user_id_claim", "sub"),
    ("AUTH_MAX_TOKEN_SECONDS", "auth_max_token_seconds", 2_592_000),
    ("MCP", "mcp", True),
    ("MCP_OAUTH_ISSUER", "mcp_oauth_issuer", None),
    ("LOCAL_AUTH", "local_auth", True),
    ("ACCESS_TOKEN_SECONDS", "access_token_seconds", 900),
    ("REFRESH_TOKEN_SECONDS", "refresh_token_seconds", 2_592_000),
    ("AUTH_RATE_LIMIT", "auth_rate_limit", 30),
    ("ARGON2_MEMORY_KIB", "argon2_memory_kib", 19_456),
    ("ARGON2_PASSES", "argon2_passes", 2),
    ("ARGON2_LANES", "argon2_lanes", 1),
    ("CORS_ORIGINS", "cors_origins", ()),
    ("CORS_HEADERS", "cors_headers", ()),
    ("PUBLIC_URL", "public_url", "http://127.0.0.1:8000"),
    ("TRUSTED_PROXIES", "trusted_proxies", 0),
    ("HOST", "host", "127.0.0.1"),
    ("PORT", "port", 8000),
    ("WEB_CONCURRENCY", "web_concurrency", 2),
    ("THREADS", "threads", 16),
    ("LOG_LEVEL", "log_level", "info"),
    ("LOG_FORMAT", "log_format", "auto"),
    ("METRICS", "metrics", False),
    ("WEBHOOKS_ALLOW_PRIVATE", "webhooks_allow_private", False),
    ("WORK", "work", True),
    ("SMTP_URL", "smtp_url", None),
    ("MAIL_FROM", "mail_from", None),
    ("PASSWORD_RESET_URL", "password_reset_url", None),
    ("EMAIL_VERIFY_URL", "email_verify_url", None),
    ("REQUIRE_VERIFIED_EMAIL", "require_verified_email", False),
]
FIELD = {variable: field for variable, field, _ in DEFAULTS} | {
    "AUTH_SECRET": "auth_secrets",
    "DATABASE_URL": "database_url",
}
# What a setting cannot be set without.
NEEDED = {"MCP_OAUTH_ISSUER": {"PUBLIC_URL": "https://tasks.example.com"}}

TAKEN = [
    ("AUTH_SECRET", SECRET, (SECRET,)),
    ("AUTH_SECRET", f" {SECRET} , {OTHER} ", (SECRET, OTHER)),
    ("AUTH_SECRET", "ä" * 16, ("ä" * 16,)),
    ("BETTER_AUTH_SECRET", f"{SECRET},{OTHER}", (SECRET, OTHER)),
    ("AUTH_JWKS_URL", "http://web:3000/api/auth/jwks", "http://web:3000/api/auth/jwks"),
    ("AUTH_RATE_LIMIT", "1000000", 1_000_000),
    ("ARGON2_MEMORY_KIB", "65536", 65_536),
    ("ARGON2_PASSES", "3", 3),
    ("ARGON2_LANES", "4", 4),
    ("TRUSTED_PROXIES", "2", 2),
    ("AUTH_ISSUER", "https://app.example.com", "https://app.example.com"),
    ("AUTH_AUDIENCE", "tasks", "tasks"),
    ("AUTH_AUDIENCE_CLAIM", "aud", "aud"),
    ("AUTH_USER_ID_CLAIM", "uid", "uid"),
    ("AUTH_MAX_TOKEN_SECONDS", "60", 60),
    ("AUTH_MAX_TOKEN_SECONDS", "31536000", 31_536_000),
    ("MCP", "off", False),
    ("MCP_OAUTH_ISSUER", "https://app.example.com/api/auth", "https://app.example.com/api/auth"),
    ("MCP_OAUTH_ISSUER", "https://tenant.example.com/", "https://tenant.example.com/"),
    ("MCP_OAUTH_ISSUER", "http://localhost:3000/api/auth", "http://localhost:3000/api/auth"),
    ("PUBLIC_URL", "https://tasks.example.com", "https://tasks.example.com"),
    ("PUBLIC_URL", "https://Tasks.example.com:443", "https://tasks.example.com"),
    ("PUBLIC_URL", "https://tasks.example.com:8443", "https://tasks.example.com:8443"),
    ("PUBLIC_URL", "http://[::1]:8000", "http://[::1]:8000"),
    ("LOCAL_AUTH", "On", True),
    ("WEBHOOKS_ALLOW_PRIVATE", "on", True),
    ("WORK", "off", False),
    ("PASSWORD_RESET_URL", "https://a.example.com/#token={token}", "https://a.example.com/#token={token}"),
    ("EMAIL_VERIFY_URL", "http://localhost:3000/v/{token}", "http://localhost:3000/v/{token}"),
    ("ACCESS_TOKEN_SECONDS", "60", 60),
    ("ACCESS_TOKEN_SECONDS", "86400", 86_400),
    ("REFRESH_TOKEN_SECONDS", "3600", 3_600),
    ("REFRESH_TOKEN_SECONDS", "31536000", 31_536_000),
    (
        "CORS_ORIGINS",
        "http://localhost:3000, https://app.example.com",
        ("http://localhost:3000", "https://app.example.com"),
    ),
    (
        "CORS_ORIGINS",
        "capacitor://localhost,tauri://localhost,chrome-extension://abcdefghijklmnop",
        ("capacitor://localhost", "tauri://localhost", "chrome-extension://abcdefghijklmnop"),
    ),
    ("CORS_HEADERS", "X-Trace, X-Other", ("X-Trace", "X-Other")),
    ("HOST", "0.0.0.0", "0.0.0.0"),
    ("PORT", "1", 1),
    ("PORT", " 65535 ", 65_535),
    ("WEB_CONCURRENCY", "1", 1),
    ("THREADS", "256", 256),
    ("LOG_LEVEL", "WARNING", "warning"),
    ("LOG_FORMAT", "json", "json"),
    ("METRICS", "on", True),
]

REFUSED = {
    "AUTH_SECRET": ["short", "s" * 31, f"{SECRET},", f"{SECRET},short", ",", " " * 40],
    "BETTER_AUTH_SECRET": ["short", f"short,{SECRET}"],
    "AUTH_JWKS_URL": [
        "app.example.com/jwks",
        "ftp://app.example.com/jwks",
        "https://",
        "https://ann:pw@app.example.com/",
    ],
    "MCP": ["yes"],
    "MCP_OAUTH_ISSUER": [
        "http://app.example.com/api/auth",
        "app.example.com",
        "https://",
        "https://app.example.com/api/auth?tenant=1",
        "https://app.example.com/api/auth#keys",
        "https://ann:pw@app.example.com/",
    ],
    "PUBLIC_URL": [
        "http://tasks.example.com",
        "tasks.example.com",
        "https://tasks.example.com/",
        "https://tasks.example.com/api",
        "https://ann:pw@tasks.example.com",
        "capacitor://localhost",
    ],
    "AUTH_RATE_LIMIT": ["0", "1000001", "none"],
    "ARGON2_MEMORY_KIB": ["7167", "64M"],
    "ARGON2_PASSES": ["0", "101"],
    "ARGON2_LANES": ["0", "65"],
    "TRUSTED_PROXIES": ["-1", "11", "all"],
    "LOCAL_AUTH": ["yes", "true", "0"],
    "ACCESS_TOKEN_SECONDS": ["59", "86401", "-900", "900.0", "9_00", "15m", "٩٠٠", "9" * 40],
    "REFRESH_TOKEN_SECONDS": ["3599", "31536001"],
    "AUTH_MAX_TOKEN_SECONDS": ["59", "31536001", "30d"],
    "CORS_ORIGINS": [
        "*",
        "null",
        "app.example.com",
        "https://app.example.com/",
        "https://app.example.com/path",
        "https://app.example.com?",
        "https://*.example.com",
        "https://.*",
        "ftp://app.example.com",
        "https://",
        "https://app.example.com,",
        "https://a.example.com https://b.example.com",
    ],
    "CORS_HEADERS": ["*,", "X Trace", "X-Trace:"],
    "PORT": ["0", "65536", "http", "8000/tcp", "+80"],
    "WEB_CONCURRENCY": ["0", "257", "auto"],
    "THREADS": ["0", "257", "two"],
    "HOST": ["999.1.1.1", "foo bar", "[::1]"],
    "LOG_LEVEL": ["verbose", "10"],
    "LOG_FORMAT": ["xml"],
    "METRICS": ["yes", "1"],
    "WORK": ["yes"],
    "SMTP_URL": [
        "mail.example.com",
        "https://mail.example.com",
        "smtp://",
        "smtp://user@mail.example.com",
        "smtp://mail.example.com:port",
        "smtp://mail.example.com/inbox",
        "smtp://mail.example.com?tls=off",
    ],
    "MAIL_FROM": ["tasks", "@example.com", "Tasks <tasks>", "tasks@example.com\tBcc: b@example.com"],
    "PASSWORD_RESET_URL": [
        "https://a.example.com",
        "http://a.example.com/{token}",
        "https://a.example.com/{token}{token}",
    ],
    "EMAIL_VERIFY_URL": ["/verify#token={token}", "https://a.example.com/verify#{}"],
    "REQUIRE_VERIFIED_EMAIL": ["1"],
    "DATABASE_URL": [
        "postgresql://ann@localhost/tasks?schema=public",
        "postgresql://ann@localhost/tasks?sslmode=",
        "postgresql://ann@localhost/tasks?sslmode",
        "sqlite:////tmp/tasks.db?mode=ro",
        "tasks.db",
        "mysql://localhost/tasks",
        "postgresql+asyncpg://localhost/tasks",
        "postgresql://localhost:port/tasks",
        "sqlite://",
        "sqlite:///:memory:",
    ],
}


# What needs others.
MAIL = {"SMTP_URL": "smtp://localhost", "MAIL_FROM": "tasks@example.com"}
TAKEN_TOGETHER = {
    "SMTP_URL": [
        ("smtp://mail.example.com", MailServer("mail.example.com", 587, None, None, tls=False)),
        ("smtps://ann%40a:p%2Fw@mail.example.com", MailServer("mail.example.com", 465, "ann@a", "p/w", tls=True)),
        ("smtp://localhost:1025", MailServer("localhost", 1025, None, None, tls=False)),
    ],
    "MAIL_FROM": [("tasks@example.com", "tasks@example.com"), ("My Tasks <a@b.example>", "My Tasks <a@b.example>")],
    "REQUIRE_VERIFIED_EMAIL": [("on", True)],
}


def read(instance: Path, **environment: str) -> Settings:
    return read_settings({"AUTH_SECRET": SECRET, **environment}, instance)


def refusal(instance: Path, **environment: str) -> str:
    with pytest.raises(SettingsError) as error:
        read(instance, **environment)
    return str(error.value)


@pytest.mark.parametrize(("variable", "field", "default"), DEFAULTS, ids=[variable for variable, *_ in DEFAULTS])
def test_a_setting_has_its_default(tmp_path: Path, variable: str, field: str, default: Any) -> None:
    """Without an environment the service runs on this machine only."""
    assert getattr(read(tmp_path), field) == default


def test_the_default_database_is_a_file_in_the_instance_folder(tmp_path: Path) -> None:
    """It needs no installation, and is not created before it is used."""
    assert str(read(tmp_path).database_url) == f"sqlite:///{tmp_path}/tasks.db"
    assert list(tmp_path.iterdir()) == []


def test_every_setting_is_tested_here() -> None:
    """A new one needs rows in the tables above."""
    assert set(FIELD.values()) == {field.name for field in fields(Settings)}
    assert {variable for variable, *_ in TAKEN} | {"DATABASE_URL"} | TAKEN_TOGETHER.keys() == set(FIELD)


@pytest.mark.parametrize(
    ("variable", "text", "value"), [(name, *taken) for name, pairs in TAKEN_TOGETHER.items() for taken in pairs]
)
def test_settings_of_mail_are_accepted_together(tmp_path: Path, variable: str, text: str, value: Any) -> None:
    """Each needs the others, or the service's own accounts."""
    assert getattr(read(tmp_path, **{**MAIL, variable: text}), FIELD[variable]) == value
    without = {name: given for name, given in MAIL.items() if name != variable}
    if variable == "REQUIRE_VERIFIED_EMAIL":
        assert refusal(tmp_path, REQUIRE_VERIFIED_EMAIL="on").startswith("REQUIRE_VERIFIED_EMAIL is on")
    else:
        assert refusal(tmp_path, **without).startswith("SMTP_URL and MAIL_FROM need each other")


def test_the_password_of_a_mail_server_is_not_in_its_repr(tmp_path: Path) -> None:
    """It could go into logs."""
    assert "hunter2" not in repr(read(tmp_path, **{**MAIL, "SMTP_URL": "smtp://ann:hunter2@localhost"}))


@pytest.mark.parametrize(("variable", "text", "value"), TAKEN)
def test_a_valid_value_is_accepted(tmp_path: Path, variable: str, text: str, value: Any) -> None:
    """Surrounding white space and the case of words do not matter. A range includes both ends."""
    assert getattr(read(tmp_path, **NEEDED.get(variable, {}), **{variable: text}), FIELD[variable]) == value


@pytest.mark.parametrize(
    ("variable", "text"), [(variable, text) for variable, texts in REFUSED.items() for text in texts]
)
def test_an_invalid_value_is_rejected_in_one_line(tmp_path: Path, variable: str, text: str) -> None:
    """The line begins with the variable, and says what it must be."""
    message = refusal(tmp_path, **{variable: text})

    assert re.fullmatch(rf"{variable} (must|is|has) .+", message)
    assert len(message) < 200


@pytest.mark.parametrize(
    ("variable", "text"),
    [
        ("AUTH_SECRET", "hunter2"),
        ("BETTER_AUTH_SECRET", f"{SECRET},hunter2"),
        ("DATABASE_URL", "ann:hunter2@localhost/tasks"),
        ("DATABASE_URL", "mysql://ann:hunter2@localhost/tasks"),
        ("DATABASE_URL", "postgresql://ann:hunter2@localhost:port/tasks"),
        ("SMTP_URL", "smtp://ann:hunter2@localhost:port"),
    ],
)
def test_an_error_repeats_no_secret(tmp_path: Path, variable: str, text: str) -> None:
    """Because the line goes into logs."""
    message = refusal(tmp_path, **{variable: text})

    assert "hunter2" not in message
    assert SECRET not in message


@pytest.mark.parametrize("text", ["", "   ", "\t"])
@pytest.mark.parametrize("variable", FIELD)
def test_an_empty_value_is_rejected(tmp_path: Path, variable: str, text: str) -> None:
    """So that a variable that a script failed to fill does not become the default."""
    assert refusal(tmp_path, **{variable: text}).startswith(f"{variable} ")


def test_one_issuer_must_be_set(tmp_path: Path) -> None:
    """Otherwise no token could be valid."""
    assert "BETTER_AUTH_SECRET" in refusal(tmp_path, LOCAL_AUTH="off")
    assert read(tmp_path, LOCAL_AUTH="off", BETTER_AUTH_SECRET=OTHER).local_auth is False


@pytest.mark.parametrize(
    ("host", "origin"),
    [("0.0.0.0", "http://127.0.0.1:9000"), ("::1", "http://[::1]:9000"), ("localhost", "http://localhost:9000")],
)
def test_the_public_url_is_on_loopback_by_default(tmp_path: Path, host: str, origin: str) -> None:
    """Nothing else is known of how clients reach the service."""
    assert read(tmp_path, HOST=host, PORT="9000").public_url == origin


def test_an_oauth_issuer_needs_the_public_url(tmp_path: Path) -> None:
    """Its tokens name it, and no client could reach a loopback address."""
    message = refusal(tmp_path, MCP_OAUTH_ISSUER="https://app.example.com/api/auth")

    assert "MCP_OAUTH_ISSUER" in message
    assert "PUBLIC_URL" in message


@pytest.mark.parametrize("scheme", ["postgres", "postgresql", "postgresql+psycopg2"])
def test_every_spelling_of_postgresql_is_accepted(tmp_path: Path, scheme: str) -> None:
    """Hosting services' addresses work unchanged, with their options."""
    options = "?sslmode=require&channel_binding=require"
    url = read(tmp_path, DATABASE_URL=f"{scheme}://ann:p%40ss@db.example.com:6432/tasks{options}").database_url

    assert (url.drivername, url.password, url.port) == ("postgresql+psycopg2", "p@ss", 6432)
    assert dict(url.query) == {"sslmode": "require", "channel_binding": "require"}


@pytest.mark.parametrize("options", ["", "?sslmode=require"])
def test_a_password_may_contain_a_question_mark(tmp_path: Path, options: str) -> None:
    """Generated ones do."""
    url = read(tmp_path, DATABASE_URL=f"postgresql://ann:p?ss@db.example.com/tasks{options}").database_url

    assert (url.password, url.host, url.database) == ("p?ss", "db.example.com", "tasks")
    assert dict(url.query) == ({"sslmode": "require"} if options else {})


def test_several_hosts_are_kept(tmp_path: Path) -> None:
    """So that the driver follows a failover."""
    options = "host=a:5432&host=b:5432&target_session_attrs=read-write"
    url = read(tmp_path, DATABASE_URL=f"postgresql://ann:x@/tasks?{options}").database_url

    assert dict(url.query) == {"host": ("a:5432", "b:5432"), "target_session_attrs": "read-write"}


@pytest.mark.parametrize("show", [repr, str, "{}".format])
def test_secrets_are_not_in_the_repr(tmp_path: Path, show: Any) -> None:
    """Settings can be printed and logged."""
    settings = read(tmp_path, BETTER_AUTH_SECRET=OTHER, DATABASE_URL="postgresql://ann:hunter2@localhost/tasks")

    shown = show(settings)

    assert [secret for secret in (SECRET, OTHER, "hunter2") if secret in shown] == []


def test_settings_are_immutable(tmp_path: Path) -> None:
    """Validated values stay."""
    with pytest.raises(AttributeError):
        read(tmp_path).port = 1  # type: ignore[misc]


class Recorder(dict[str, str]):
    """An environment that records the variables that are read."""

    def __init__(self) -> None:
        super().__init__(AUTH_SECRET=SECRET)
        self.asked: set[str] = set()

    def get(self, name: str, default: Any = None) -> Any:
        self.asked.add(name)
        return super().get(name, default)

    def __contains__(self, name: object) -> bool:
        self.asked.add(str(name))
        return super().__contains__(name)


def test_every_setting_is_documented(tmp_path: Path) -> None:
    """.env.example names exactly the variables that are read."""
    environment = Recorder()
    read_settings(environment, tmp_path)
    documented = re.findall(r"^#?([A-Z0-9_]+)=", (PROJECT / ".env.example").read_text(), re.MULTILINE)

    assert sorted(documented) == sorted(environment.asked) == sorted(FIELD)


@pytest.mark.parametrize(("memory", "passes"), [("19455", "2"), ("19456", "1"), ("7168", "4")])
def test_argon2_settings_below_the_minimum_are_rejected(tmp_path: Path, memory: str, passes: str) -> None:
    """Less memory needs more passes."""
    assert "too small together" in refusal(tmp_path, ARGON2_MEMORY_KIB=memory, ARGON2_PASSES=passes)


@pytest.mark.parametrize(("memory", "passes"), [("47104", "1"), ("19456", "2"), ("7168", "5")])
def test_more_passes_allow_less_memory(tmp_path: Path, memory: str, passes: str) -> None:
    """OWASP's equally strong pairs."""
    assert read(tmp_path, ARGON2_MEMORY_KIB=memory, ARGON2_PASSES=passes).argon2_passes == int(passes)


def test_a_misspelt_setting_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    """With the correct name. Other programs' variables are not."""
    for name in ("CORS_ORIGIN", "BETTER_AUTH_SECRT", "HOSTNAME", "PORTS_OPEN", "LOG"):
        monkeypatch.setenv(name, "x")

    assert {*misspelt()} >= {("BETTER_AUTH_SECRT", "BETTER_AUTH_SECRET"), ("CORS_ORIGIN", "CORS_ORIGINS")}
    assert not {"HOSTNAME", "PORTS_OPEN", "LOG"} & {name for name, _ in misspelt()}
