"""npm's packages for tests: installed once per version of a lock, outside the tree.

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


def installed(folder: Path) -> Path:
    """Return the `node_modules` that a folder's lock describes. One process installs; others wait for it."""
    lock = folder / "package-lock.json"
    caches = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    home = caches / f"tasks-{folder.name.replace('_', '-')}" / hashlib.sha256(lock.read_bytes()).hexdigest()[:16]
    modules, draft = home / "node_modules", home / "draft"
    home.mkdir(parents=True, exist_ok=True)
    # The kernel releases it, however its holder stops.
    with (home / "lock").open("w") as turn:
        fcntl.flock(turn, fcntl.LOCK_EX)
        if not modules.is_dir():
            # Left over from a process that was killed.
            shutil.rmtree(draft, ignore_errors=True)
            draft.mkdir()
            for file in (folder / "package.json", lock):
                shutil.copy(file, draft)
            _install(draft)
            # Only a complete folder gets the name.
            (draft / "node_modules").rename(modules)
            shutil.rmtree(draft)
    return modules


def _install(folder: Path) -> None:
    command = ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel", "error"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=INSTALLING_SECONDS, check=False)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)} failed: {done.stdout}{done.stderr}")


if __name__ == "__main__":
    print(installed(Path(sys.argv[1]).resolve()))  # noqa: T201
