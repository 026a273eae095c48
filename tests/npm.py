"""npm's packages for tests: installed once for each version of a lock, outside the tree.

Also a program, for scripts: python3 tests/npm.py FOLDER prints where the packages of a folder's lock are.
"""

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

INSTALLING_SECONDS = 300
NPM = ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel", "error"]


def installed(folder: Path) -> Path:
    """Return the `node_modules` that a folder's lock describes."""
    files = [folder / "package.json", folder / "package-lock.json"]
    return installed_once(folder, files, "node_modules", NPM)


def installed_once(folder: Path, files: list[Path], name: str, command: list[str]) -> Path:
    """Return the folder that a command makes of some files, kept for each version of the last, the lock.

    One process installs; others wait for it.
    """
    caches = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    version = hashlib.sha256(files[-1].read_bytes()).hexdigest()[:16]
    home = caches / f"tasks-{folder.name.replace('_', '-')}" / version
    packages, draft = home / name, home / "draft"
    home.mkdir(parents=True, exist_ok=True)
    # The kernel releases it, however its holder stops.
    with (home / "lock").open("w") as turn:
        fcntl.flock(turn, fcntl.LOCK_EX)
        if not packages.is_dir():
            # Left over from a process that was killed.
            shutil.rmtree(draft, ignore_errors=True)
            draft.mkdir()
            for file in files:
                shutil.copy(file, draft)
            _run(command, draft)
            # Only a complete folder gets the name.
            (draft / name).rename(packages)
            shutil.rmtree(draft)
    return packages


def _run(command: list[str], folder: Path) -> None:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=INSTALLING_SECONDS, check=False)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)} failed: {done.stdout}{done.stderr}")


if __name__ == "__main__":
    print(installed(Path(sys.argv[1]).resolve()))  # noqa: T201
