"""Before the first request: the stored secret, and errors of the environment."""

import json
import os
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from gunicorn.util import parse_address

from app.settings import PROJECT, SettingsError, read_settings
from app.settings_parsers import SECRET_BYTES

FLASK, GUNICORN = (Path(sys.executable).with_name(name) for name in ("flask", "gunicorn"))
ENVIRONMENT = {"PATH": os.environ["PATH"], "AUTH_SECRET": "s" * 32}
READ_SECRET = """
import os, sys
from pathlib import Path
from app.settings import read_settings
others = []
for _ in range(2):
    others = [*others, other] if (other := os.fork()) else []
os.write(1, b"ready\\n")
sys.stdin.read()
os.write(1, read_settings({}, Path(sys.argv[1])).auth_secrets[0].encode() + b"\\n")
for other in others:
    assert os.waitpid(other, 0)[1] == 0
"""


def test_a_secret_is_created_once(tmp_path: Path) -> None:
    """Four processes that start at once get the same secret, which only its owner can read."""
    instance = tmp_path / "new" / "instance"
    gate, opener = os.pipe()
    command = [sys.executable, "-c", READ_SECRET, str(instance)]
    with subprocess.Popen(command, stdin=gate, stdout=subprocess.PIPE, text=True, cwd=PROJECT) as processes:
        assert [processes.stdout.readline() for _ in range(4)] == ["ready\n"] * 4
        for end in (gate, opener):
            os.close(end)
        secrets = processes.communicate(timeout=60)[0].split()

    assert processes.returncode == 0
    assert len(secrets) == 4
    assert set(secrets) == {(instance / "auth_secret").read_text()}
    assert len(secrets.pop().encode()) >= SECRET_BYTES
    assert [path.name for path in instance.iterdir()] == ["auth_secret"]
    assert stat.S_IMODE((instance / "auth_secret").stat().st_mode) == 0o600


def test_the_stored_secret_is_used_again(tmp_path: Path) -> None:
    """So a restart signs out no user. Two services have two secrets."""
    first = read_settings({}, tmp_path / "one").auth_secrets

    assert read_settings({}, tmp_path / "one").auth_secrets == first
    assert read_settings({}, tmp_path / "two").auth_secrets != first


def test_a_command_creates_no_secret(tmp_path: Path) -> None:
    """A service would not know it. An existing one is used."""
    assert read_settings({}, tmp_path, makes_secret=False).auth_secrets == ()
    assert list(tmp_path.iterdir()) == []

    served = read_settings({}, tmp_path).auth_secrets
    assert read_settings({}, tmp_path, makes_secret=False).auth_secrets == served


@pytest.mark.parametrize(
    "environment", [{"AUTH_SECRET": "s" * 32}, {"LOCAL_AUTH": "off", "BETTER_AUTH_SECRET": "s" * 32}]
)
def test_no_secret_is_created_if_none_is_needed(tmp_path: Path, environment: dict[str, str]) -> None:
    """If the environment has one, or accounts are off."""
    read_settings(environment, tmp_path)

    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("text", ["", "short", "s" * 31])
def test_a_damaged_secret_is_an_error(tmp_path: Path, text: str) -> None:
    """It is not replaced silently, because tokens were signed with it."""
    (tmp_path / "auth_secret").write_text(text)

    with pytest.raises(SettingsError, match=r"^AUTH_SECRET is not set and .*auth_secret must have .*$"):
        read_settings({}, tmp_path)
    assert (tmp_path / "auth_secret").read_text() == text


@pytest.mark.parametrize("below", ["", "instance"], ids=["no folder", "below no folder"])
def test_a_folder_that_cannot_keep_the_secret_is_reported_in_one_line(tmp_path: Path, below: str) -> None:
    """For a read-only or missing disk, with the setting as the fix and without a stack trace."""
    (tmp_path / "file").touch()

    for name, given in (("AUTH_SECRET", {"DATABASE_URL": "sqlite:////tasks.db"}), ("DATABASE_URL", {})):
        with pytest.raises(SettingsError, match=rf"^{name} .*: set it$"):
            read_settings(given, tmp_path / "file" / below)


def test_the_databases_folder_is_created(tmp_path: Path) -> None:
    """Even if nothing else is in it. Only the owner can read it."""
    read_settings({"AUTH_SECRET": "s" * 32}, tmp_path / "instance")

    assert (tmp_path / "instance").stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize(
    ("command", "environment"),
    [
        ((FLASK, "db", "upgrade"), {"PORT": "http"}),
        ((FLASK, "routes"), {"AUTH_SECRET": "short"}),
        ((GUNICORN, "wsgi:app"), {"DATABASE_URL": "mysql://localhost/tasks"}),
        ((GUNICORN,), {"LOG_LEVEL": ""}),
    ],
    ids=["flask db upgrade", "flask routes", "gunicorn wsgi:app", "gunicorn"],
)
def test_a_bad_environment_stops_the_start_with_one_line(
    command: tuple[object, ...], environment: dict[str, str]
) -> None:
    """It names the variable to fix, without a stack trace."""
    done = subprocess.run(
        [str(word) for word in command],
        cwd=PROJECT,
        env=ENVIRONMENT | environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert done.returncode != 0
    assert done.stdout == ""
    assert len(done.stderr.splitlines()) == 1
    assert done.stderr.startswith(f"tasks: {next(iter(environment))} ")


CONFIGURE = """
import json, os, runpy, sys
from gevent import monkey
monkey.patch_all()
from app.settings import load_settings
for environment in json.loads(sys.argv[1]):
    os.environ.update(environment)
    load_settings.cache_clear()
    values = runpy.run_path("gunicorn.conf.py")
    print(json.dumps({name: value for name, value in values.items() if isinstance(value, str | int | None)}))
"""


def configured(*environments: dict[str, str]) -> list[dict[str, Any]]:
    """Read gunicorn's configuration with each environment, in another process, because gevent changes it."""
    command = [sys.executable, "-c", CONFIGURE, json.dumps(environments)]
    done = subprocess.run(command, cwd=PROJECT, env=ENVIRONMENT, capture_output=True, text=True, check=True)
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_gunicorn_uses_the_settings() -> None:
    """Its own file only passes them on. A host may be of either version of IP."""
    hosts = ["127.0.0.1", "localhost", "0.0.0.0", "::1", "::"]
    found = configured(*({"HOST": host, "PORT": "8123", "WEB_CONCURRENCY": "3"} for host in hosts))

    assert [parse_address(values["bind"]) for values in found] == [(host, 8123) for host in hosts]
    for values in found:
        assert values["workers"] == 3
        assert values["control_socket_disable"] is True
        assert values["accesslog"] is None
