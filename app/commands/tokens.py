"""Access tokens that an operator makes, to look after a user or to try the service."""

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
    """No key that this service holds signs for this user. The message says what would."""


def make_token(user_id: str, seconds: int | None = None) -> tuple[str, int]:
    """A token that this service takes just now, and how long it lives; by default as long as those of a login."""
    seconds = seconds or services().settings.access_token_seconds
    try:
        token = issue_token(user_id, seconds, services().settings)
        services().revocations.refuse_revoked(services().verifier.verify(token))
    except CannotIssue as error:
        raise click.ClickException(str(error)) from error
    except TokenRevoked as error:
        raise click.ClickException(
            f"Tokens of {user_id} are refused: they were revoked this moment, or the user is disabled or was deleted."
        ) from error
    return token, seconds


def lifetime(seconds: int) -> str:
    """Seconds in words."""
    return str(timedelta(seconds=seconds))


def curl(token: str) -> str:
    """A call with this token, for a shell on this machine."""
    settings = services().settings
    everywhere = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104
    host = everywhere.get(settings.host, settings.host)
    address = f"[{host}]" if ":" in host else host
    return f"curl -H 'Authorization: Bearer {token}' 'http://{address}:{settings.port}/v1/tasks?limit=5'"


def issue_token(user_id: str, seconds: int, settings: Settings) -> str:
    """An access token for this user, as whoever signs for such users gives. A local one belongs to a new session."""
    if not user_id.startswith(LOCAL_USER_PREFIX):
        return _outside_token(user_id, seconds, settings)
    if not settings.local_auth:
        raise CannotIssue("LOCAL_AUTH is off, so no token of an account is taken: set it to on.")
    if not settings.auth_secrets:
        raise CannotIssue(
            f"There is no secret to sign with: AUTH_SECRET is not set, and {INSTANCE / SECRET_FILE} is missing. Put it "
            "back, or restart the service, which makes a new one and takes no older token."
        )
    # The session ends with the token, and until then the user can see and end it.
    session = sessions.start_session(user_id, seconds)
    if session is None:
        raise TokenRevoked
    return str(token_answer(session, replace(settings, access_token_seconds=seconds))["access_token"])


def _outside_token(user_id: str, seconds: int, settings: Settings) -> str:
    if not settings.better_auth_secrets:
        raise CannotIssue(
            "This user's tokens are signed elsewhere: only with BETTER_AUTH_SECRET can they be made here."
        )
    now = int(time.time())
    claims = {"sub": user_id, settings.auth_user_id_claim: user_id, "iat": now, "exp": now + seconds}
    expected = {"iss": settings.auth_issuer, settings.auth_audience_claim: settings.auth_audience}
    claims |= {name: value for name, value in expected.items() if value not in (None, ANY)}
    return jwt.encode(claims, settings.better_auth_secrets[0], "HS256")
