"""Authentication: tokens, local accounts, sessions and revocations."""

from app.auth import views, views_of_mail, views_of_tokens
from app.http.openapi import Api
from app.settings import Settings


def init_app(api: Api, settings: Settings) -> None:
    if settings.local_auth:
        api.register_blueprint(views.accounts)
    if settings.sends_mail:
        api.register_blueprint(views_of_mail.blueprint)
    api.register_blueprint(views.me)
    api.register_blueprint(views_of_tokens.blueprint)
