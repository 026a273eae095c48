"""A PostgreSQL server to break: started, killed, frozen and filled by the tests."""

import os
import shutil
import signal
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy.engine import URL, make_url

from tests.postgres import Server, _find_programs, _run, _unprivileged_user
from tests.process.conftest import free_port

# Few enough for others to use up quickly.
MOST_CONNECTIONS = 30


class Cluster:
    """A server on a loopback port and a unix socket, in its own folder; or a standby of another, its primary."""

    def __init__(self, home: Path, primary: "Cluster | None" = None) -> None:
        self.home, self.user, self.port = home, _unprivileged_user(), free_port()
        home.chmod(0o755)
        self.programs = _find_programs(home if self.user else None)
        if self.user:
            shutil.chown(home, self.user)
        if primary:
            self._run("pg_basebackup", "-R", "-c", "fast", "-d", primary.admin.render_as_string(hide_password=False))
        else:
            self._run("initdb", "-A", "trust", "-U", "admin", "--no-sync", "-E", "UTF8", "--locale=C.UTF-8")
        # Unlike the other tests' server, this one writes to the disk before it acknowledges.
        with (home / "data" / "postgresql.conf").open("a") as file:
            file.write(
                f"port = {self.port}\nlisten_addresses = '127.0.0.1'\nunix_socket_directories = '{home}'\n"
                f"max_connections = {MOST_CONNECTIONS}\n"
            )
        self.start()
        self.admin = URL.create("postgresql", "admin", database="postgres", query=self._socket())
        self.server = primary.server if primary else Server(self.admin)

    def url(self, database: str, port: int) -> str:
        """Return the service's URL of a database, over TCP."""
        url = make_url(self.server.url(database))
        return url.set(host="127.0.0.1", port=port, query={}).render_as_string(hide_password=False)

    def admin_url(self, database: str) -> str:
        return self.server.admin.set(database=database).render_as_string(hide_password=False)

    def start(self) -> None:
        """Start it, and wait until it accepts connections."""
        self._run("pg_ctl", "-w", "-l", self.home / "server.log", "start")

    def stop(self) -> None:
        """Stop as if its process had been killed: without a checkpoint."""
        self._run("pg_ctl", "-m", "immediate", "stop")

    def promote(self) -> None:
        """Make a standby accept writes."""
        self._run("pg_ctl", "-w", "promote")

    def restart(self) -> None:
        self._run("pg_ctl", "-w", "-l", self.home / "server.log", "-m", "immediate", "restart")

    def freeze(self) -> None:
        """Freeze its processes: the kernel still accepts connections and data for them."""
        for process in self._processes():
            os.kill(process, signal.SIGSTOP)

    def thaw(self) -> None:
        for process in reversed(self._processes()):
            os.kill(process, signal.SIGCONT)

    def set(self, setting: str) -> None:
        """Change a setting for all sessions, including current ones."""
        self.server.sql(f"ALTER SYSTEM {setting}")
        self.server.sql("SELECT pg_reload_conf()")

    def end_sessions(self, database: str) -> None:
        self.server.sql(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            f"WHERE datname = '{database}' AND application_name = 'tasks'"
        )

    def sessions(self, database: str) -> list[str]:
        """Return the service's connections, after those that are closing have closed."""
        time.sleep(0.3)
        return [
            state
            for (state,) in self.server.sql(
                f"SELECT state FROM pg_stat_activity WHERE datname = '{database}' AND application_name = 'tasks'"
            )
        ]

    @property
    def is_running(self) -> bool:
        return (self.home / "data" / "postmaster.pid").exists()

    def _processes(self) -> list[int]:
        postmaster = int((self.home / "data" / "postmaster.pid").read_text().split()[0])
        children = Path(f"/proc/{postmaster}/task/{postmaster}/children").read_text()
        return [postmaster, *map(int, children.split())]

    def _socket(self) -> dict[str, str]:
        return {"host": str(self.home), "port": str(self.port)}

    def _run(self, program: str, *arguments: object) -> None:
        _run(self.home, self.user, self.programs / program, "-D", self.home / "data", *arguments)


@contextmanager
def cluster(primary: Cluster | None = None) -> Iterator[Cluster]:
    """Provide a cluster during a test; with a primary, its standby."""
    home = Path(tempfile.mkdtemp(prefix="tasks-pg-"))
    try:
        made = Cluster(home, primary)
        try:
            yield made
        finally:
            if made.is_running:
                made.thaw()
                made.stop()
    finally:
        shutil.rmtree(home)
