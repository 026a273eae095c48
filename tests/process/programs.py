"""Programs that nobody here wrote, run to their end."""

import os
import shutil
import subprocess
from pathlib import Path

from app.settings import PROJECT

SECONDS = 120
# The oldest that the programs run on.
NODE = 20


def run(*command: object, folder: Path, **environment: str) -> str:
    """Run a program to its end; what it printed, on both channels."""
    done = subprocess.run(
        list(map(str, command)),
        cwd=folder,
        env=os.environ | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


def node_version() -> int:
    """Return 0 without Node.js or npm."""
    node = shutil.which("node") if shutil.which("npm") else None
    return int(run(node, "--version", folder=PROJECT).removeprefix("v").partition(".")[0]) if node else 0
