"""Clients that generators make of docs/openapi.json: made without a warning, compiled, and used on the service."""

import json
import os
import shutil
import sys
from pathlib import Path

import pytest

from app.settings import PROJECT
from tests import npm, pip
from tests.process.programs import NODE, node_version, run

pytestmark = pytest.mark.one_engine

HERE = Path(__file__).parent / "clients"
DOCUMENT = PROJECT / "docs" / "openapi.json"
GENERATORS = {
    "fetch": ["openapi-typescript", DOCUMENT, "--output", "openapi-typescript.d.ts"],
    "hey-api": ["openapi-ts", "--input", DOCUMENT, "--output", "hey-api"],
    "orval": ["orval", "--input", DOCUMENT, "--output", "orval/api.ts", "--client", "fetch"],
}
# The third came back as it was exported; the second is not in the trash.
PRINTED = {
    "listed": ["Buy tea"],
    "changed": ["low", None],
    "results": 3,
    "imported": [2, 2],
    "deleted": 204,
    "absent": "not_found",
    "refused": ["title"],
    "anonymous": True,
}


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """The TypeScript clients and their programs, compiled; and what the generators printed."""
    folder = tmp_path_factory.mktemp("clients")
    (folder / "node_modules").symlink_to(npm.installed(HERE))
    for file in (*HERE.glob("*.ts"), HERE / "tsconfig.json"):
        shutil.copy(file, folder)
    programs = folder / "node_modules" / ".bin"
    printed = [run(programs / name, *options, folder=folder) for name, *options in GENERATORS.values()]
    run(programs / "tsc", folder=folder)
    return folder / "built", "".join(printed)


@pytest.mark.skipif(node_version() < NODE, reason=f"not on this machine: npm and Node.js {NODE}")
def test_clients_in_typescript(built, serve, new_database):
    """Each program registers, filters, changes, runs a batch, imports, deletes, and knows each error's type."""
    folder, printed = built
    service = serve(new_database())

    assert "warn" not in printed.lower(), printed
    for name in GENERATORS:
        answer = run("node", f"{name}.js", f"http://127.0.0.1:{service.port}", folder=folder)
        assert json.loads(answer) == PRINTED, name


def test_a_client_in_python(serve, new_database, tmp_path):
    """The same."""
    packages = pip.installed(HERE)
    paths = {"PYTHONPATH": f"{packages}:{tmp_path / 'client'}", "PATH": f"{packages / 'bin'}:{os.environ['PATH']}"}
    # Loopback is never behind a proxy, whatever the environment says.
    paths["NO_PROXY"] = "127.0.0.1"
    options = ["--path", DOCUMENT, "--output-path", tmp_path / "client", "--fail-on-warning"]
    printed = run(sys.executable, "-m", "openapi_python_client", "generate", *options, folder=tmp_path, **paths)
    service = serve(new_database())
    answer = run(sys.executable, HERE / "program.py", f"http://127.0.0.1:{service.port}", folder=tmp_path, **paths)

    assert "warning" not in printed.lower(), printed
    assert json.loads(answer) == PRINTED
