"""Call commands in this process, or like an operator in their own."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from click.testing import Result
from flask import Flask

from app.settings import PROJECT
from tests.conftest import settings_for
from tests.loaded import Loaded

Streams = dict[str, Any]
FLASK = Path(sys.executable).with_name("flask")


def run(app: Flask, *arguments: str, stdin: str | bytes = "") -> Result:
    """Run a command of this app."""
    with app.app_context():
        result = app.test_cli_runner().invoke(args=arguments, input=stdin)
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exc_info
    return result


def succeed(app: Flask, *arguments: str, stdin: str | bytes = "") -> str:
    """Run a command that must succeed, and return its output."""
    result = run(app, *arguments, stdin=stdin)
    assert result.exit_code == 0, result.output
    return result.stdout


def fail(app: Flask, *arguments: str, stdin: str | bytes = "") -> str:
    """Run a command that must fail, and return the one line it prints."""
    result = run(app, *arguments, stdin=stdin)
    assert (result.exit_code, result.stdout) == (1, ""), result.output
    [line] = result.stderr.splitlines()
    return line


def record(app: Flask, *arguments: str, stdin: str | bytes = "") -> dict[str, Any]:
    """Run a command that must succeed, and return its JSON."""
    return dict(json.loads(succeed(app, *arguments, "--json", stdin=stdin)))


def run_process(url: str, *arguments: str, stdin: str = "", **environment: str) -> subprocess.CompletedProcess[str]:
    """Run the `flask` command on a database, as an operator runs it."""
    process = start(url, *arguments, text=True, **environment)
    with process:
        printed, said = process.communicate(stdin, timeout=60)
    return subprocess.CompletedProcess(process.args, process.returncode, printed, said)


def start(url: str, *arguments: str, text: bool = False, streams: Streams | None = None, **environment: str) -> Loaded:
    """Start the `flask` command on a database. Each stream is a pipe unless it is given."""
    here = {"PATH": os.environ["PATH"], **settings_for(url), **environment}
    pipes = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
    return Loaded([FLASK, *arguments], cwd=PROJECT, env=here, text=text, **{**pipes, **(streams or {})})
