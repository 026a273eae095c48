"""The role that postgres.sh makes, and PgBouncer in front of it: both done for real."""

import os
import re
import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import psycopg2
import pytest
from sqlalchemy.engine import make_url

from tests.conftest import migrate
from tests.deploy.database import PASSWORD, READY, initialise, readiness, url
from tests.deploy.files import COMPOSE, DEPLOY
from tests.process.conftest import free_port
from tests.reliability.cluster import Cluster
from tests.waiting import LONGEST_WAIT_SECONDS, until


def test_the_role_has_no_attribute_but_to_log_in(initialised: Cluster) -> None:
    """None that would free it from row-level security, or let it free itself."""
    flags = "rolsuper, rolbypassrls, rolcreaterole, rolcreatedb, rolreplication, rolcanlogin"
    found = initialised.server.sql(f"SELECT {flags} FROM pg_roles WHERE rolname = 'tasks'")

    assert found == [(False, False, False, False, False, True)]


def test_the_service_is_ready_with_that_role(initialised: Cluster) -> None:
    """It owns its database, so it could migrate; and is held to row-level security, or /readyz would refuse."""
    assert readiness(url(initialised)) == READY


def test_the_password_is_the_given_one(initialised: Cluster) -> None:
    """No other opens the database."""
    with pytest.raises(psycopg2.OperationalError, match="password authentication failed"):
        psycopg2.connect(url(initialised, password=PASSWORD[:-1]))


@pytest.mark.parametrize("password", ["", "with space", "a/b", "p@ss", "100%", "it's", 'a"b', "naïve"])
def test_a_password_that_would_break_the_url_is_refused(server: Cluster, password: str) -> None:
    """By name, and with the fix."""
    done = initialise(server, DATABASE_PASSWORD=password)

    assert done.returncode == 1
    assert done.stderr.startswith("DATABASE_PASSWORD ")
    assert "openssl rand -hex 24" in done.stderr


def test_no_password_is_refused(server: Cluster) -> None:
    """A role without one would be open, or closed for good."""
    done = initialise(server)

    assert done.returncode != 0
    assert "DATABASE_PASSWORD" in done.stderr


@pytest.mark.parametrize("script", ["postgres.sh", "pgbouncer.sh"])
def test_a_script_can_be_run(script: str) -> None:
    """PostgreSQL's image runs those that are executable, and takes others into its own shell."""
    assert os.access(DEPLOY / script, os.X_OK)


def test_the_server_is_named_as_in_compose() -> None:
    """PgBouncer finds PostgreSQL, and the service PgBouncer, under names of services."""
    (database, host, port) = re.findall(r"^(\w+) = host=(\w+) port=(\d+)$", pgbouncer_ini(), re.MULTILINE)[0]
    service = make_url(re.sub(r"\$\{.*\}", "x", COMPOSE["services"]["tasks"]["environment"]["DATABASE_URL"]))

    assert {host, service.host} <= COMPOSE["services"].keys()
    assert (service.username, service.database, port) == ("tasks", database, "5432")
    assert f"listen_port = {service.port}" in pgbouncer_ini()


def pgbouncer_ini() -> str:
    return (DEPLOY / "pgbouncer.ini").read_text()


@pytest.fixture
def pooled(initialised: Cluster, tmp_path: Path) -> Iterator[str]:
    """PgBouncer as its image starts it, but for folders and addresses; the URL behind it."""
    program = shutil.which("pgbouncer", path=f"{os.environ['PATH']}:/usr/sbin")
    if program is None:
        pytest.skip("there is no pgbouncer (Debian: apt-get install pgbouncer)")
    home, port = initialised.home / "pgbouncer", free_port()
    home.mkdir()
    changes = {
        "host=postgres port=5432": f"host=127.0.0.1 port={initialised.port}",
        "listen_addr = *": "listen_addr = 127.0.0.1",
        "listen_port = 6432": f"listen_port = {port}",
        "/run/pgbouncer": str(home),
        "/etc/pgbouncer": str(home),
    }
    for name in ("pgbouncer.ini", "pgbouncer.sh"):
        text = (DEPLOY / name).read_text()
        for here, there in changes.items():
            text = text.replace(here, there)
        (home / name).write_text(text)
    if initialised.user:
        # It refuses to run as root.
        shutil.chown(home, initialised.user)
    environment = {"PATH": f"{Path(program).parent}:{os.environ['PATH']}", "DATABASE_PASSWORD": PASSWORD}
    log = tmp_path / "pgbouncer.log"
    with log.open("w") as output:
        running = subprocess.Popen(
            ["sh", home / "pgbouncer.sh"], env=environment, user=initialised.user, stdout=output, stderr=output
        )
    try:
        until(lambda: "process up" in log.read_text() or running.poll(), "PgBouncer")
        yield url(initialised, port=port)
    finally:
        # As the image is stopped.
        running.send_signal(signal.SIGINT)
        running.wait(LONGEST_WAIT_SECONDS)
        shutil.rmtree(home)


def test_the_service_is_ready_behind_the_pooler(pooled: str) -> None:
    """With the passwords that the pooler was given: the client's is checked, and the server asks for it too."""
    assert readiness(pooled) == READY
    with pytest.raises(psycopg2.OperationalError, match="SASL authentication failed"):
        psycopg2.connect(make_url(pooled).set(password="wrong").render_as_string(hide_password=False))


def test_the_schema_is_migrated_through_the_pooler(initialised: Cluster, pooled: str) -> None:
    """As the one-shot service does, where it finds the newest schema, and where it finds none."""
    migrate(pooled)
    admin = initialised.server
    admin.sql("DROP SCHEMA public CASCADE", "tasks")
    admin.sql("CREATE SCHEMA public AUTHORIZATION tasks", "tasks")

    migrate(pooled)

    assert readiness(pooled) == READY


@pytest.mark.usefixtures("pooled")
def test_the_password_stays_with_the_pooler(initialised: Cluster) -> None:
    """It is in a file that nobody else may read."""
    users = initialised.home / "pgbouncer" / "users.txt"

    assert users.stat().st_mode & 0o777 == 0o600
    assert users.read_text() == f'"tasks" "{PASSWORD}"\n'
