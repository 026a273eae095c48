"""Access tokens that an operator makes, to help a user or to try the service."""

import time
from dataclasses import replace
from datetime import timedelta

import click
import jwt

from app.auth import sessions
from app.auth.identity import LOCAL_USER_PREFIX
from app.auth.problems import TokenRevoked
from app.auth.tokens import token_answer
from app.services import services
from app.settings import ANY, INSTANCE, SECRET_FILE, Settings


class CannotIssue(Exception):
    """This service has no key to sign tokens for this user. The message says what to do."""


def make_token(user_id: str, seconds: int | None = None) -> tuple[str, int]:
    """Return a token that this service accepts now, and its seconds: by default those of a login."""
    seconds = seconds or services().settings.access_token_seconds
    try:
        token = issue_token(user_id, seconds, services().settings)
        services().revocations.refuse_revoked(services().verifier.verify(token))
    except CannotIssue as error:
        raise click.ClickException(str(error)) from error
    except TokenRevoked as error:
        raise click.ClickException(
            f"Tokens of {user_id} are rejected: they were just revoked, or the user is disabled or was deleted."
        ) from error
    return token, seconds


def lifetime(seconds: int) -> str:
    """Format seconds for people."""
    return str(timedelta(seconds=seconds))


def curl(token: str) -> str:
    """Return a curl command with this token, for a shell on this machine."""
    settings = services().settings
    everywhere = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104
    host = everywhere.get(settings.host, settings.host)
    address = f"[{host}]" if ":" in host else host
    return f"curl -H 'Authorization: Bearer {token}' 'http://{address}:{settings.port}/v1/tasks?limit=5'"


def issue_token(user_id: str, seconds: int, settings: Settings) -> str:
    """Return an access token like those of the user's own issuer. An account's token belongs to a new session."""
    if not user_id.startswith(LOCAL_USER_PREFIX):
        return _outside_token(user_id, seconds, settings)
    if not settings.local_auth:
        raise CannotIssue("LOCAL_AUTH is off, so tokens of accounts are rejected: set it to on.")
    if not settings.auth_secrets:
        raise CannotIssue(
            f"There is no secret to sign with: AUTH_SECRET is not set, and {INSTANCE / SECRET_FILE} is missing. Put "
            "it back, or restart the service to make a new one, which makes all older tokens invalid."
        )
    # The session ends with the token. Until then the user can see and end it.
    session = sessions.start_session(user_id, seconds)
    if session is None:
        raise TokenRevoked
    return str(token_answer(session, replace(settings, access_token_seconds=seconds))["access_token"])


def _outside_token(user_id: str, seconds: int, settings: Settings) -> str:
    if not settings.better_auth_secrets:
        raise CannotIssue(
            "This user's tokens are signed elsewhere: without BETTER_AUTH_SECRET, this service cannot make them."
        )
    now = int(time.time())
    claims = {"sub": user_id, settings.auth_user_id_claim: user_id, "iat": now, "exp": now + seconds}
    expected = {"iss": settings.auth_issuer, settings.auth_audience_claim: settings.auth_audience}
    claims |= {name: value for name, value in expected.items() if value not in (None, ANY)}
    return jwt.encode(claims, settings.better_auth_secrets[0], "HS256")
