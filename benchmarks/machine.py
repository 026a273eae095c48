"""Describe the machine and versions of a run."""

import json
import os
import platform
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.processes import run

SERVICE_PACKAGES = (
    "flask",
    "flask-smorest",
    "marshmallow",
    "sqlalchemy",
    "psycopg2-binary",
    "pyjwt",
    "orjson",
    "gunicorn",
)
PEERS_PACKAGES = (
    "fastapi",
    "pydantic",
    "sqlmodel",
    "sqlalchemy",
    "psycopg2-binary",
    "asyncpg",
    "pyjwt",
    "uvicorn",
    "uvloop",
)
NODE_PACKAGES = ("fastify", "@fastify/jwt", "postgres")
ASK = "import sys; from importlib.metadata import version; print(', '.join(f'{p} {version(p)}' for p in sys.argv[1:]))"


def today() -> str:
    return datetime.now(UTC).date().isoformat()


def processor() -> str:
    """Return the processor's model and the number of cores."""
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return f"{models[0] if models else platform.machine()}, {os.cpu_count()} cores"


def python(venv: Path) -> str:
    """Return the version of a virtual environment's Python."""
    return _ask(venv, "import platform; print(platform.python_version())")


def packages(venv: Path, names: tuple[str, ...]) -> str:
    """Return the versions of packages in a virtual environment."""
    return _ask(venv, ASK, *names)


def node_packages(folder: Path) -> str:
    """Return the versions of Node and of the packages that are installed in a folder."""
    found = {name: json.loads((folder / "node_modules" / name / "package.json").read_text()) for name in NODE_PACKAGES}
    versions = [f"{name} {package['version']}" for name, package in found.items()]
    return ", ".join([f"node {run('node', '--version').strip()}", *versions])


def _ask(venv: Path, *program: str) -> str:
    return run(venv / "bin/python", "-c", *program).strip()
