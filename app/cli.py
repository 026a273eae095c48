"""The `flask` commands, loaded when one is asked for: with Alembic they would take a seventh of a server's start."""

import sys
from importlib import import_module

import click
from flask import Flask
from flask.cli import AppGroup


def init_app(app: Flask) -> None:
    app.cli = Commands(app)
    if "flask_migrate" in sys.modules:
        # This is `flask`, which loads Flask-Migrate's commands before the application.
        app.cli.load()


class Commands(AppGroup):
    """The application's commands."""

    def __init__(self, app: Flask) -> None:
        super().__init__(app.name)
        self._app = app
        self._is_loaded = False

    def load(self) -> None:
        """Load all commands, and those of Flask-Migrate."""
        if not self._is_loaded:
            self._is_loaded = True
            import_module("app.commands").init_app(self._app)

    def list_commands(self, ctx: click.Context) -> list[str]:
        self.load()
        return super().list_commands(ctx)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        self.load()
        return super().get_command(ctx, name)
