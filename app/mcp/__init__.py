"""Agents: tools over a user's tasks, by the Model Context Protocol."""

from flask import Flask

from app.mcp import views
from app.settings import Settings


def init_app(app: Flask, settings: Settings) -> None:
    if settings.mcp:
        app.register_blueprint(views.blueprint)
