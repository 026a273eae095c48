"""Who is calling: tokens, local accounts, sessions and what was revoked."""

from flask import Flask

from app.auth import passwords, revocation, verifier, views
from app.http.openapi import Api
from app.settings import Settings


def init_app(app: Flask, api: Api, settings: Settings) -> None:
    passwords.init_app(app, settings)
    verifier.init_app(app, settings)
    revocation.init_app(app)
    if settings.local_auth:
        api.register_blueprint(views.accounts)
    api.register_blueprint(views.caller)
