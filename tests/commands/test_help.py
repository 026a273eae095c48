"""Common behaviour of all commands."""

import re
from collections.abc import Iterator

import click
import pytest
from flask import Flask

from tests.commands.calling import run, succeed
from tests.conftest import make_app


def commands(group: click.Group, *path: str) -> Iterator[tuple[str, ...]]:
    """Return the names of all commands below a group."""
    for name, command in sorted(group.commands.items()):
        if isinstance(command, click.Group):
            yield from commands(command, *path, name)
        else:
            yield (*path, name)


# Of Flask-Migrate's and flask-smorest's commands, those for running the service; the others are theirs.
OF_LIBRARIES = [("db", "upgrade"), ("db", "downgrade"), ("db", "check"), ("openapi", "write"), ("openapi", "print")]
OWN = [path for path in commands(make_app("sqlite:////nonexistent/tasks.db").cli) if path[0] not in ("db", "openapi")]
ALL = OWN + OF_LIBRARIES
OF_USERS = ("create", "list", "show", "disable", "enable", "set-password", "delete", "token")


def test_the_commands_of_the_service_are_known() -> None:
    """So that no parametrised test passes for lack of commands."""
    users = {("users", name) for name in OF_USERS}

    assert users | {("seed",), ("doctor",), ("purge",), ("tasks", "export"), ("tasks", "import")} <= set(OWN)


@pytest.mark.parametrize("command", ALL, ids=" ".join)
def test_help_shows_an_example(app: Flask, command: tuple[str, ...]) -> None:
    """It can be copied, and is below the description."""
    told = succeed(app, *command, "--help")

    assert told.splitlines()[0].startswith("Usage: ")
    assert "example" in told.lower()
    assert f"flask {' '.join(command)}" in told.lower().partition("example")[2]


@pytest.mark.parametrize("command", OF_LIBRARIES, ids=" ".join)
def test_the_example_of_a_librarys_command_is_valid(app: Flask, command: tuple[str, ...]) -> None:
    """As far as its words and options."""
    example = re.split(r" && | \| ", succeed(app, *command, "--help").partition("Example:\n")[2].strip())[0]
    parsed = app.cli
    for name in command:
        assert isinstance(parsed, click.Group)
        parsed = parsed.commands[name]

    assert parsed.make_context(example, example.split()[1 + len(command) :]).params


@pytest.mark.parametrize("command", ALL, ids=" ".join)
def test_an_unknown_option_has_status_2(app: Flask, command: tuple[str, ...]) -> None:
    """On standard error, and nothing is done."""
    result = run(app, *command, "--no-such-option")

    assert (result.exit_code, result.stdout) == (2, "")
    assert "--no-such-option" in result.stderr
