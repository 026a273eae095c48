"""The role that postgres.sh creates, and PgBouncer in front of it, in real processes."""

import os
import re
import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import psycopg2
import pytest
from sqlalchemy.engine import make_url

from tests.commands.calling import succeed
from tests.conftest import make_app, migrate
from tests.deploy.database import OWNER_PASSWORD, PASSWORD, READY, initialise, readiness, url
from tests.deploy.files import COMPOSE, DEPLOY
from tests.process.conftest import free_port
from tests.reliability.cluster import Cluster
from tests.waiting import LONGEST_WAIT_SECONDS, until


def test_the_role_has_only_the_login_attribute(initialised: Cluster) -> None:
    """No attribute exempts it from row-level security, or lets it exempt itself."""
    flags = "rolsuper, rolbypassrls, rolcreaterole, rolcreatedb, rolreplication, rolcanlogin"
    found = initialised.server.sql(f"SELECT {flags} FROM pg_roles WHERE rolname = 'tasks'")

    assert found == [(False, False, False, False, False, True)]


def test_the_service_is_ready_with_this_role(initialised: Cluster) -> None:
    """Row-level security applies to it."""
    assert readiness(url(initialised)) == READY


def test_only_the_given_password_works(initialised: Cluster) -> None:
    """Other passwords are rejected."""
    with pytest.raises(psycopg2.OperationalError, match="password authentication failed"):
        psycopg2.connect(url(initialised, password=PASSWORD[:-1]))


@pytest.mark.parametrize("password", ["", "with space", "a/b", "p@ss", "100%", "it's", 'a"b', "naïve"])
def test_a_password_that_would_break_the_url_is_rejected(server: Cluster, password: str) -> None:
    """The error names it, with the fix."""
    done = initialise(server, OWNER_PASSWORD=OWNER_PASSWORD, DATABASE_PASSWORD=password)

    assert done.returncode == 1
    assert done.stderr.startswith("DATABASE_PASSWORD ")
    assert "openssl rand -hex 24" in done.stderr


def test_a_missing_password_is_an_error(server: Cluster) -> None:
    """A role without one would be open, or unusable."""
    done = initialise(server)

    assert done.returncode != 0
    assert "OWNER_PASSWORD" in done.stderr


@pytest.mark.parametrize("script", ["postgres.sh", "pgbouncer.sh"])
def test_the_scripts_are_executable(script: str) -> None:
    """PostgreSQL's image would run others in its own shell."""
    assert os.access(DEPLOY / script, os.X_OK)


def test_servers_have_compose_yamls_names() -> None:
    """PgBouncer finds PostgreSQL, and the service PgBouncer, by the names of services."""
    (database, host, port) = re.findall(r"^(\w+) = host=(\w+) port=(\d+)$", pgbouncer_ini(), re.MULTILINE)[0]
    service = make_url(re.sub(r"\$\{.*\}", "x", COMPOSE["services"]["tasks"]["environment"]["DATABASE_URL"]))

    assert {host, service.host} <= COMPOSE["services"].keys()
    assert (service.username, service.database, port) == ("tasks", database, "5432")
    assert f"listen_port = {service.port}" in pgbouncer_ini()


def pgbouncer_ini() -> str:
    return (DEPLOY / "pgbouncer.ini").read_text()


@pytest.fixture
def pooled(initialised: Cluster, tmp_path: Path) -> Iterator[str]:
    """Start PgBouncer like its image, except for folders and addresses, and return the service's URL."""
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
        # It does not run as root.
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
    """The pooler checks the client's password, and the server checks the pooler's."""
    assert readiness(pooled) == READY
    with pytest.raises(psycopg2.OperationalError, match="SASL authentication failed"):
        psycopg2.connect(make_url(pooled).set(password="wrong").render_as_string(hide_password=False))


def test_the_service_cannot_change_its_tables(pooled: str) -> None:
    """Whoever takes over the service cannot switch the isolation off."""
    with closing(psycopg2.connect(pooled)) as connection, pytest.raises(psycopg2.errors.InsufficientPrivilege):
        connection.cursor().execute("ALTER TABLE tasks DISABLE ROW LEVEL SECURITY")


def test_another_upgrade_needs_no_other_rights(initialised: Cluster) -> None:
    """Each `up` runs the migration service again, with the newest schema or with none."""
    owner = url(initialised, username="tasks_owner", password=OWNER_PASSWORD)
    admin = initialised.server
    admin.sql("DROP SCHEMA public CASCADE", "tasks")
    admin.sql("CREATE SCHEMA public AUTHORIZATION tasks_owner", "tasks")

    for _ in range(2):
        succeed(make_app(migrate(owner)), "db", "grant", "tasks")

    assert readiness(url(initialised)) == READY


@pytest.mark.usefixtures("pooled")
def test_only_the_pooler_can_read_its_passwords(initialised: Cluster) -> None:
    """Their file has mode 0600."""
    users = initialised.home / "pgbouncer" / "users.txt"

    assert users.stat().st_mode & 0o777 == 0o600
    assert users.read_text() == f'"tasks" "{PASSWORD}"\n'
