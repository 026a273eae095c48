"""A server as in compose.yaml."""

import os
import subprocess
from typing import Any

from sqlalchemy.engine import URL

from app.services import services_of
from tests.conftest import Caller, make_app
from tests.deploy.files import DEPLOY
from tests.reliability.cluster import Cluster

PASSWORD = "0123456789abcdef-_"
OWNER_PASSWORD = "fedcba9876543210-_"
# It requires passwords, unlike in other tests; only the local superuser needs none.
ACCESS = "local all all trust\nhost all all 127.0.0.1/32 scram-sha-256\n"
READY = (200, {"status": "ok"})


def initialise(server: Cluster, **changes: str) -> subprocess.CompletedProcess[str]:
    """Run postgres.sh like the image."""
    path = f"{server.programs}:{os.environ['PATH']}"
    environment = client_environment(server) | {"PATH": path, "POSTGRES_USER": "admin"} | changes
    return subprocess.run([DEPLOY / "postgres.sh"], env=environment, capture_output=True, text=True, check=False)


def client_environment(server: Cluster) -> dict[str, str]:
    return {**os.environ, "PGHOST": str(server.home), "PGPORT": str(server.port), "PGUSER": "admin"}


def url(server: Cluster, **changes: str | int) -> str:
    """Return the service's URL as in compose.yaml."""
    parts = {"username": "tasks", "password": PASSWORD, "host": "127.0.0.1", "port": server.port, "database": "tasks"}
    return URL.create("postgresql", **parts | changes).render_as_string(hide_password=False)  # type: ignore[arg-type]


def readiness(database_url: str) -> tuple[int, Any]:
    app = make_app(database_url)
    answer = Caller(app).get("/readyz")
    services_of(app).engine.dispose()
    return answer.status_code, answer.json
