"""pip's packages for tests that the development environment does not hold: installed once, as npm's are."""

import sys
from pathlib import Path

from tests.npm import installed_once


def installed(folder: Path) -> Path:
    """Return the packages that a folder's requirements.txt describes: a folder for PYTHONPATH."""
    name = f"python{sys.version_info.major}.{sys.version_info.minor}"
    options = ["--quiet", "--disable-pip-version-check", "--no-deps", "--require-hashes", "--target", name]
    command = [sys.executable, "-m", "pip", "install", *options, "-r", "requirements.txt"]
    return installed_once(folder, [folder / "requirements.txt"], name, command)
