"""Start a PostgreSQL for one run. It waits for the disk at each commit, as in production."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.processes import run
from benchmarks.servers import free_port

ADMIN, ROLE = "bench", "app"
# Enough connections for every server's pool, and enough memory for the tables.
OPTIONS = "-c listen_addresses=127.0.0.1 -c max_connections=300 -c shared_buffers=256MB"


class Cluster:
    """A cluster on a loopback port, with a role that is not a superuser and owns its databases."""

    def __init__(self, home: Path) -> None:
        self.home, self.port, self.programs = home, free_port(), find_programs()
        # initdb refuses root.
        self.user = "postgres" if os.geteuid() == 0 else None

    def start(self) -> None:
        if self.user:
            shutil.chown(self.home, self.user)
        data = str(self.home / "data")
        self._run("initdb", "-D", data, "-A", "trust", "-U", ADMIN, "--no-sync", "-E", "UTF8", "--locale=C.UTF-8")
        options = f"{OPTIONS} -p {self.port} -k {self.home}"
        self._run("pg_ctl", "-D", data, "-w", "-l", str(self.home / "log"), "-o", options, "start")
        self._run("createuser", *self._address, ROLE)

    def stop(self) -> None:
        self._run("pg_ctl", "-D", str(self.home / "data"), "-m", "immediate", "stop")

    def create_database(self, name: str) -> str:
        """Create an empty database, and return its URL."""
        self._run("createdb", *self._address, "-O", ROLE, name)
        return f"postgresql://{ROLE}@127.0.0.1:{self.port}/{name}"

    @property
    def version(self) -> str:
        return self._run("postgres", "--version").split()[2]

    @property
    def _address(self) -> tuple[str, ...]:
        return "-h", "127.0.0.1", "-p", str(self.port), "-U", ADMIN

    def _run(self, program: str, *arguments: str) -> str:
        return run(self.programs / program, *arguments, user=self.user, folder=self.home)


@contextmanager
def throwaway_cluster() -> Iterator[Cluster]:
    """Start a cluster in a temporary folder (TMPDIR sets the disk), and remove it afterwards."""
    with tempfile.TemporaryDirectory(prefix="tasks-bench-pg-") as home:
        cluster = Cluster(Path(home))
        cluster.start()
        try:
            yield cluster
        finally:
            cluster.stop()


def find_programs() -> Path:
    """Return the folder with initdb and pg_ctl, the newest if there are several."""
    installed = Path("/usr/lib/postgresql").glob("*/bin/initdb")
    if newest := sorted(installed, key=lambda path: int(path.parent.parent.name)):
        return newest[-1].parent
    if on_path := shutil.which("initdb"):
        return Path(on_path).resolve().parent
    raise SystemExit("benchmarks: PostgreSQL is not installed (Debian: apt-get install postgresql)")
