"""compose.yaml: contained services, in the right order, and no start without secrets."""

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
REQUIRED = ["POSTGRES_PASSWORD", "DATABASE_PASSWORD", "AUTH_SECRET"]
# Of PostgreSQL's, not of the service's.
NOT_OURS = {"POSTGRES_PASSWORD", "POSTGRES_INITDB_ARGS", "DATABASE_PASSWORD"}
# The image and compose.yaml decide these.
DECIDED = {"HOST", "PORT", "DATABASE_URL"}
FILLED_IN = dict.fromkeys(REQUIRED, "0123456789abcdef0123456789abcdef")


@pytest.mark.parametrize("service", SERVICES.values(), ids=list(SERVICES))
def test_every_service_is_contained(service: dict[str, Any]) -> None:
    """It writes only where it must, and can become nobody else."""
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["tmpfs"]
    assert service.keys().isdisjoint({"privileged", "cap_add", "devices", "network_mode", "pid"})


@pytest.mark.parametrize("service", SERVICES.values(), ids=list(SERVICES))
def test_no_log_fills_the_disk(service: dict[str, Any]) -> None:
    """A file has a size, and there are only so many."""
    assert service["logging"]["options"].keys() == {"max-size", "max-file"}


def test_only_this_machine_reaches_the_service() -> None:
    """One port, on loopback; the database's network leads nowhere."""
    ports = {name: service["ports"] for name, service in SERVICES.items() if "ports" in service}

    assert ports == {"tasks": ["127.0.0.1:${PORT:-8000}:8000"]}
    assert SERVICES["postgres"]["networks"] == ["database"]
    assert COMPOSE["networks"]["database"] == {"internal": True}


def test_the_data_is_in_a_volume() -> None:
    """What a container writes elsewhere is gone with it."""
    mounts = [mount.partition(":") for mount in SERVICES["postgres"]["volumes"]]
    data = [name for name, _, place in mounts if place == "/var/lib/postgresql/data"]

    assert data
    assert set(data) <= COMPOSE["volumes"].keys()


def test_the_service_waits_for_its_schema() -> None:
    """Which one service alone brings up to date, once, through the pooler."""
    migrating = [name for name, service in SERVICES.items() if "upgrade" in service.get("command", [])]

    assert migrating == ["migrate"]
    assert SERVICES["migrate"]["command"] == ["flask", "db", "upgrade"]
    assert SERVICES["migrate"]["restart"] == "no"
    assert SERVICES["tasks"]["depends_on"]["migrate"] == {"condition": "service_completed_successfully"}


@pytest.mark.parametrize(("service", "other"), [("migrate", "pgbouncer"), ("pgbouncer", "postgres")])
def test_a_service_waits_for_what_it_needs(service: str, other: str) -> None:
    """Not only until it is started, but until its health check says so."""
    assert SERVICES[service]["depends_on"][other] == {"condition": "service_healthy"}
    assert SERVICES[other]["healthcheck"]["test"][0] == "CMD"


def test_the_migration_runs_in_the_image_that_serves() -> None:
    """With the same settings; built once."""
    tasks, migrate_ = SERVICES["tasks"], SERVICES["migrate"]

    assert (tasks["image"], tasks["environment"]) == (migrate_["image"], migrate_["environment"])
    assert [name for name, service in SERVICES.items() if service.get("build")] == ["migrate", "pgbouncer"]


def test_requests_may_finish_before_it_is_killed() -> None:
    """Compose waits for longer than gunicorn does."""
    assert int(SERVICES["tasks"]["stop_grace_period"].removesuffix("s")) > gunicorn_setting("graceful_timeout")


@pytest.mark.parametrize("name", REQUIRED)
def test_a_secret_has_no_default(name: str) -> None:
    """Wherever it is used, Compose refuses without it; and the example gives none away."""
    uses = re.findall(rf"\$\{{{name}(.*?)\}}", TEXT)

    assert uses
    assert {use[:2] for use in uses} == {":?"}
    assert re.search(rf"^{name}=$", EXAMPLE, re.MULTILINE)


def named_in(example: str) -> set[str]:
    """The variables of an example, those in comments included."""
    return set(re.findall(r"^#?([A-Z0-9_]+)=", example, re.MULTILINE))


def test_every_variable_is_known() -> None:
    """To the service, or to PostgreSQL."""
    named = {name for service in SERVICES.values() for name in service.get("environment", {})}
    named |= set(re.findall(r"\$\{(\w+)", TEXT)) | named_in(EXAMPLE)

    assert named - SETTINGS == NOT_OURS


def test_every_setting_is_passed_on() -> None:
    """What .env says reaches the service; the example names all of it."""
    passed_on = SERVICES["tasks"]["environment"].keys() - {"DATABASE_URL"}

    assert passed_on == SETTINGS - DECIDED
    assert named_in(EXAMPLE) == passed_on | {"POSTGRES_PASSWORD", "DATABASE_PASSWORD", "PORT"}


def test_the_example_is_taken_by_the_service(tmp_path: Path) -> None:
    """Each value that it suggests, uncommented."""
    example = tmp_path / ".env"
    example.write_text(re.sub(r"^#([A-Z0-9_]+=)", r"\1", EXAMPLE, flags=re.MULTILINE))
    values = {name: value for name, value in dotenv_values(example).items() if value}
    secrets = {"AUTH_SECRET": FILLED_IN["AUTH_SECRET"], "BETTER_AUTH_SECRET": FILLED_IN["AUTH_SECRET"]}

    assert read_settings(values | secrets, tmp_path).auth_jwks_url == values["AUTH_JWKS_URL"]


def test_what_up_waits_for_is_readiness(serve: Start, tmp_path: Path) -> None:
    """The health check, run against a service whose schema is this version's, and then is not."""
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
    """What reads compose.yaml on this machine."""
    for command in (["docker", "compose"], ["docker-compose"], ["podman-compose"]):
        if (
            shutil.which(command[0])
            and not subprocess.run([*command, "version"], capture_output=True, check=False).returncode
        ):
            return command
    pytest.skip("there is no docker compose, docker-compose or podman-compose")


def configure(folder: Path, **values: str) -> subprocess.CompletedProcess[str]:
    """Have Compose read the file with this .env beside it."""
    for path in DEPLOY.iterdir():
        shutil.copy(path, folder)
    (folder / ".env").write_text("".join(f"{name}={value}\n" for name, value in values.items()))
    environment = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    return subprocess.run(
        [*compose_program(), "--file", "compose.yaml", "config"],
        cwd=folder, env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip


def test_compose_takes_the_file(tmp_path: Path) -> None:
    """With the three secrets that the example asks for."""
    done = configure(tmp_path, **FILLED_IN)

    assert done.returncode == 0, done.stderr
    assert "127.0.0.1" in done.stdout


@pytest.mark.parametrize("missing", REQUIRED)
def test_compose_refuses_to_start_without_a_secret(tmp_path: Path, missing: str) -> None:
    """And names it."""
    done = configure(tmp_path, **FILLED_IN | {missing: ""})

    assert done.returncode != 0
    assert missing in done.stderr
    assert ".env" in done.stderr
