"""compose.yaml: isolated services, in the right order, and no start without secrets."""

import os
import re
import shutil
import sqlite3
import subprocess
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from dotenv import dotenv_values

from app.settings import read_settings
from tests.conftest import migrate
from tests.deploy.files import COMPOSE, DEPLOY, SETTINGS
from tests.process.conftest import BIN, Start
from tests.unit.test_limits_documented import gunicorn_setting

TEXT = (DEPLOY / "compose.yaml").read_text()
EXAMPLE = (DEPLOY / ".env.example").read_text()
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
REQUIRED = ["POSTGRES_PASSWORD", "OWNER_PASSWORD", "DATABASE_PASSWORD", "AUTH_SECRET"]
# Variables of PostgreSQL, not of the service.
NOT_OURS = {"POSTGRES_PASSWORD", "POSTGRES_INITDB_ARGS", "OWNER_PASSWORD", "DATABASE_PASSWORD"}
# The image and compose.yaml set these.
DECIDED = {"HOST", "PORT", "DATABASE_URL"}
FILLED_IN = dict.fromkeys(REQUIRED, "0123456789abcdef0123456789abcdef")


@pytest.mark.parametrize("service", SERVICES.values(), ids=list(SERVICES))
def test_every_service_is_isolated(service: dict[str, Any]) -> None:
    """It has a read-only file system and no capabilities."""
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["tmpfs"]
    assert service.keys().isdisjoint({"privileged", "cap_add", "devices", "network_mode", "pid"})


@pytest.mark.parametrize("service", SERVICES.values(), ids=list(SERVICES))
def test_logs_cannot_fill_the_disk(service: dict[str, Any]) -> None:
    """The size and number of log files are limited."""
    assert service["logging"]["options"].keys() == {"max-size", "max-file"}


def test_only_this_machine_can_reach_the_service() -> None:
    """There is one port, on loopback, and the database's network is internal."""
    ports = {name: service["ports"] for name, service in SERVICES.items() if "ports" in service}

    assert ports == {"tasks": ["127.0.0.1:${PORT:-8000}:8000"]}
    assert SERVICES["postgres"]["networks"] == ["database"]
    assert COMPOSE["networks"]["database"] == {"internal": True}


def test_all_data_is_in_volumes() -> None:
    """Other files are lost with their container."""
    mounts = [mount.partition(":") for mount in SERVICES["postgres"]["volumes"]]
    data = [name for name, _, place in mounts if place == "/var/lib/postgresql/data"]

    assert data
    assert set(data) <= COMPOSE["volumes"].keys()


def test_the_service_waits_for_its_schema() -> None:
    """One other service migrates it once, as the owner of the tables, and lets the service's role use them."""
    migrating = [name for name, service in SERVICES.items() if "upgrade" in str(service.get("command"))]

    assert migrating == ["migrate"]
    assert SERVICES["migrate"]["command"] == ["sh", "-c", "flask db upgrade && flask db grant tasks"]
    assert "//tasks_owner:${OWNER_PASSWORD" in SERVICES["migrate"]["environment"]["DATABASE_URL"]
    assert SERVICES["migrate"]["restart"] == "no"
    assert SERVICES["tasks"]["depends_on"]["migrate"] == {"condition": "service_completed_successfully"}


@pytest.mark.parametrize(("service", "other"), [("migrate", "postgres"), ("pgbouncer", "postgres")])
def test_a_service_waits_for_healthy_dependencies(service: str, other: str) -> None:
    """Not only for started ones."""
    assert SERVICES[service]["depends_on"][other] == {"condition": "service_healthy"}
    assert SERVICES[other]["healthcheck"]["test"][0] == "CMD"


def test_the_migration_uses_the_services_image() -> None:
    """With the same settings, and built once."""
    tasks, migrate_ = SERVICES["tasks"], SERVICES["migrate"]

    own = {"DATABASE_URL": migrate_["environment"]["DATABASE_URL"]}
    assert (tasks["image"], tasks["environment"] | own) == (migrate_["image"], migrate_["environment"])
    assert [name for name, service in SERVICES.items() if service.get("build")] == ["migrate", "pgbouncer"]


def test_compose_waits_for_requests_before_it_kills() -> None:
    """For longer than gunicorn does."""
    assert int(SERVICES["tasks"]["stop_grace_period"].removesuffix("s")) > gunicorn_setting("graceful_timeout")


@pytest.mark.parametrize("name", REQUIRED)
def test_secrets_have_no_default(name: str) -> None:
    """Compose does not start without them, and the example has no values."""
    uses = re.findall(rf"\$\{{{name}(.*?)\}}", TEXT)

    assert uses
    assert {use[:2] for use in uses} == {":?"}
    assert re.search(rf"^{name}=$", EXAMPLE, re.MULTILINE)


def named_in(example: str) -> set[str]:
    """Return an example's variables, including those in comments."""
    return set(re.findall(r"^#?([A-Z0-9_]+)=", example, re.MULTILINE))


def test_every_variable_is_known() -> None:
    """By the service or by PostgreSQL."""
    named = {name for service in SERVICES.values() for name in service.get("environment", {})}
    named |= set(re.findall(r"\$\{(\w+)", TEXT)) | named_in(EXAMPLE)

    assert named - SETTINGS == NOT_OURS


def test_every_setting_reaches_the_service() -> None:
    """From .env. The example names all of them."""
    passed_on = SERVICES["tasks"]["environment"].keys() - {"DATABASE_URL"}

    assert passed_on == SETTINGS - DECIDED
    assert named_in(EXAMPLE) == passed_on | {"POSTGRES_PASSWORD", "OWNER_PASSWORD", "DATABASE_PASSWORD", "PORT"}


def test_the_service_accepts_the_examples_values(tmp_path: Path) -> None:
    """Uncommented."""
    example = tmp_path / ".env"
    example.write_text(re.sub(r"^#([A-Z0-9_]+=)", r"\1", EXAMPLE, flags=re.MULTILINE))
    values = {name: value for name, value in dotenv_values(example).items() if value}
    secrets = {"AUTH_SECRET": FILLED_IN["AUTH_SECRET"], "BETTER_AUTH_SECRET": FILLED_IN["AUTH_SECRET"]}

    assert read_settings(values | secrets, tmp_path).auth_jwks_url == values["AUTH_JWKS_URL"]


def test_up_waits_for_readiness(serve: Start, tmp_path: Path) -> None:
    """The health check succeeds with the current schema, and fails with another."""
    file = tmp_path / "tasks.db"
    migrate(f"sqlite:///{file}")
    service = serve(f"sqlite:///{file}")
    assert check(service.port) == 0

    with closing(sqlite3.connect(file)) as database, database:
        database.execute("DELETE FROM alembic_version")
    assert check(service.port) != 0
    assert service.call("GET", "/healthz").status == 200


def check(port: int) -> int:
    _, program, *arguments = SERVICES["tasks"]["healthcheck"]["test"]
    words = [argument.replace("8000", str(port)) for argument in arguments]
    return subprocess.run([BIN / program, *words], check=False, stderr=subprocess.DEVNULL, timeout=60).returncode


def compose_program() -> list[str]:
    """Return the program on this machine that reads compose.yaml."""
    for command in (["docker", "compose"], ["docker-compose"], ["podman-compose"]):
        if (
            shutil.which(command[0])
            and not subprocess.run([*command, "version"], capture_output=True, check=False).returncode
        ):
            return command
    pytest.skip("there is no docker compose, docker-compose or podman-compose")


def configure(folder: Path, **values: str) -> subprocess.CompletedProcess[str]:
    """Let Compose read the file with this .env next to it."""
    for path in DEPLOY.iterdir():
        shutil.copy(path, folder)
    (folder / ".env").write_text("".join(f"{name}={value}\n" for name, value in values.items()))
    environment = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    return subprocess.run(
        [*compose_program(), "--file", "compose.yaml", "config"],
        cwd=folder, env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip


def test_compose_accepts_the_file(tmp_path: Path) -> None:
    """With the example's three secrets."""
    done = configure(tmp_path, **FILLED_IN)

    assert done.returncode == 0, done.stderr
    assert "127.0.0.1" in done.stdout


@pytest.mark.parametrize("missing", REQUIRED)
def test_compose_does_not_start_without_a_secret(tmp_path: Path, missing: str) -> None:
    """The error names it."""
    done = configure(tmp_path, **FILLED_IN | {missing: ""})

    assert done.returncode != 0
    assert missing in done.stderr
    assert ".env" in done.stderr
