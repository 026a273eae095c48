"""Packages of npm are installed once, even if many processes need them first."""

import os
import subprocess
import sys
from pathlib import Path

from tests import npm

AT_ONCE = 4
# Replaces the real one, which takes half a minute, and records that it ran.
NPM = """#!/bin/sh
echo once >>"$RUNS"
sleep 0.3
mkdir node_modules
echo whole >node_modules/module.js
"""


def test_one_of_many_processes_installs(tmp_path: Path) -> None:
    """All get the same complete folder. Another lock gets another folder."""
    program, runs, folder = tmp_path / "npm", tmp_path / "runs", tmp_path / "better_auth"
    program.write_text(NPM)
    program.chmod(0o755)
    folder.mkdir()
    (folder / "package.json").write_text("{}")
    environment = {"PATH": f"{tmp_path}:{os.environ['PATH']}", "XDG_CACHE_HOME": str(tmp_path), "RUNS": str(runs)}
    for version in ("1", "2"):
        (folder / "package-lock.json").write_text(version)
        command = [sys.executable, npm.__file__, str(folder)]
        started = [
            subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) for _ in range(AT_ONCE)
        ]
        (said,) = {process.communicate(timeout=60)[0] for process in started}

        assert [process.returncode for process in started] == [0] * AT_ONCE
        assert Path(said.strip(), "module.js").read_text() == "whole\n"
        assert runs.read_text() == "once\n" * int(version)
    assert sorted(path.name for path in Path(said.strip()).parent.iterdir()) == ["lock", "node_modules"]
