"""Examples for the help texts of the libraries' commands."""

import click
from flask_migrate.cli import db
from flask_smorest.spec import openapi_cli

EXAMPLES: dict[click.Group, dict[str, str]] = {
    db: {
        "upgrade": "flask db upgrade",
        "downgrade": "flask db downgrade",
        "check": "flask db check && echo 'the models and the newest migration agree'",
    },
    openapi_cli: {"write": "flask openapi write docs/openapi.json", "print": "flask openapi print | jq .paths"},
}


def add_examples() -> None:
    """Add an example to each command that operators and developers need."""
    for group, examples in EXAMPLES.items():
        for name, example in examples.items():
            group.commands[name].epilog = f"\b\nExample:\n  {example}"
