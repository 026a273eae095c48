"""Agents: tools over a user's tasks, by the Model Context Protocol."""

from flask import Flask

from app.mcp import metadata, views
from app.settings import Settings


def init_app(app: Flask, settings: Settings) -> None:
    if settings.mcp:
        app.register_blueprint(views.blueprint)
        if settings.mcp_oauth_issuer:
            app.register_blueprint(metadata.blueprint)
