"""/v1/auth: accounts of the service's own."""

from typing import Any

from flask import Response, current_app, g

from app.api import Blueprint, json_response, raises
from app.auth import queries
from app.auth.identity import authenticated
from app.auth.passwords import hash_password, verify_password
from app.auth.problems import EmailTaken, InvalidCredentials
from app.auth.schemas import Credentials, Registered, Registration, Tokens, User
from app.auth.tokens import RefreshToken, token_answer
from app.problems import DatabaseUnavailable
from app.settings import Settings

accounts = Blueprint(
    "accounts", __name__, url_prefix="/v1/auth", description="Register and sign in with the service's own accounts."
)
me = Blueprint("me", __name__, url_prefix="/v1/auth/me", description="The caller.")

USER_FIELDS = tuple(User().fields)


@accounts.post("/register")
@raises(EmailTaken, DatabaseUnavailable)
@accounts.arguments(Registration)
@accounts.response(201, Registered)
def register(registration: dict[str, Any]) -> Response:
    """Make an account and sign in."""
    password_hash = hash_password(registration["password"])
    user, refresh = queries.register(
        registration["email"], password_hash, registration["name"], _settings().refresh_token_seconds
    )
    return _with_tokens(201, refresh, user=_user(user))


@accounts.post("/login")
@raises(InvalidCredentials, DatabaseUnavailable)
@accounts.arguments(Credentials)
@accounts.response(200, Tokens)
def login(credentials: dict[str, Any]) -> Response:
    """Sign in."""
    user = queries.find_user_by_email(credentials["email"])
    if not verify_password(user and user.password_hash, credentials["password"]) or user is None:
        raise InvalidCredentials
    return _with_tokens(200, queries.start_session(user.id, _settings().refresh_token_seconds))


@me.get("")
@authenticated
@me.response(200, User)
def get_me() -> Response:
    """Show the caller."""
    user = queries.find_user(g.identity.user_id)
    return json_response(_user(user or (g.identity.user_id, None, None, None)))


def _user(row: Any) -> dict[str, str | None]:
    return dict(zip(USER_FIELDS, row, strict=False))


def _with_tokens(status: int, refresh: RefreshToken, **members: Any) -> Response:
    response = json_response(members | token_answer(refresh, _settings()), status)
    response.headers["Cache-Control"] = "no-store"
    return response


def _settings() -> Settings:
    settings: Settings = current_app.extensions["settings"]
    return settings
