"""README.md's recipes for databases work: backups, Neon, and a failover."""

import re
import subprocess
from contextlib import closing

import psycopg2

from app.services import services_of
from tests.conftest import Caller, make_app, migrate, new_user_id
from tests.deploy.database import PASSWORD, READY, client_environment, readiness, url
from tests.deploy.files import blocks
from tests.process.conftest import free_port
from tests.reliability.cluster import Cluster


def readme_words(program: str) -> list[str]:
    """Return the words of README.md's line that runs this program, from the program on."""
    (line,) = [line for line in "".join(blocks("sh", "Backups")).splitlines() if f" {program} " in line]
    words = line.partition(f" {program} ")[2].replace("--username=postgres", "--username=admin")
    return re.split(r"\s+", re.sub(r"[<>]\S+", "", words).strip())


def run_client(
    server: Cluster, program: str, words: list[str], user: str = "admin", given: bytes | None = None
) -> subprocess.CompletedProcess[bytes]:
    environment = client_environment(server) | {"PGUSER": user}
    command = [str(server.programs / program), *words]
    return subprocess.run(command, env=environment, input=given, capture_output=True, check=False)


def test_a_backup_restores_everything(initialised: Cluster) -> None:
    """README.md's two lines: rows written in between are gone, and earlier ones are back."""
    app = make_app(url(initialised))
    ann = Caller(app, new_user_id())
    kept = ann.add(title="before")
    dump = run_client(initialised, "pg_dump", readme_words("pg_dump"))
    assert (dump.returncode, dump.stderr) == (0, b"")
    ann.add(title="after")
    services_of(app).engine.dispose()

    restored = run_client(initialised, "pg_restore", readme_words("pg_restore"), given=dump.stdout)

    assert (restored.returncode, restored.stderr) == (0, b"")
    assert ann.get("/v1/tasks").get_json()["items"] == [kept]
    assert readiness(url(initialised)) == READY
    services_of(app).engine.dispose()


def test_the_services_own_role_cannot_make_a_backup(initialised: Cluster) -> None:
    """pg_dump stops, as README.md says, instead of leaving the tasks out."""
    done = run_client(initialised, "pg_dump", ["--dbname=tasks"], user="tasks")

    assert done.returncode != 0
    assert b"row-level security" in done.stderr


def test_the_sql_for_neon_makes_an_acceptable_role(initialised: Cluster) -> None:
    """Run by a role with Neon's attributes, with which the service itself is not ready."""
    admin = initialised.server
    admin.sql("CREATE ROLE neondb_owner LOGIN CREATEROLE CREATEDB BYPASSRLS REPLICATION PASSWORD 'owner'")
    owner = url(initialised, username="neondb_owner", password="owner", database="postgres")
    with closing(psycopg2.connect(owner)) as connection, connection.cursor() as cursor:
        connection.autocommit = True
        for statement in re.sub(r"\btasks\b", "neon_tasks", blocks("sql", "Neon")[0]).split(";")[:-1]:
            cursor.execute(statement)

    right = url(initialised, username="neon_tasks", password="choose one", database="neon_tasks")
    migrate(right)

    assert readiness(right) == READY
    status, problem = readiness(url(initialised, username="neondb_owner", password="owner", database="neon_tasks"))
    assert (status, "BYPASSRLS" in problem["detail"]) == (503, True)


def database_url(heading: str) -> str:
    """Return README.md's URL under a heading."""
    return str(re.findall(r"^DATABASE_URL='(.*)'$", "".join(blocks("sh", heading)), re.MULTILINE)[0])


def test_the_service_finds_the_host_that_accepts_writes(initialised: Cluster) -> None:
    """With README.md's URL for a failover: the first host is down, and the second serves."""
    given = database_url("A cluster").replace(":password@", f":{PASSWORD}@")
    given = given.replace("db-a:5432", f"127.0.0.1:{free_port()}").replace("db-b:5432", f"127.0.0.1:{initialised.port}")

    assert readiness(given) == READY


def test_neons_url_keeps_its_options() -> None:
    """TLS, and the time to wait for a sleeping database."""
    app = make_app(database_url("Neon"))
    dialect = services_of(app).engine.dialect
    _, options = dialect.create_connect_args(services_of(app).engine.url)

    assert (options["sslmode"], options["connect_timeout"]) == ("require", "5")
    assert options["host"].partition(".")[0].endswith("-pooler")
