"""An access token for commands that hand one out."""

from datetime import timedelta

import click
from flask import current_app

from app.auth.issuing import NobodySigns, issue_token
from app.auth.problems import TokenRevoked


def make_token(user_id: str, seconds: int | None = None) -> tuple[str, int]:
    """A token that this service takes just now, and how long it lives; by default as long as those of a login."""
    extensions = current_app.extensions
    seconds = seconds or extensions["settings"].access_token_seconds
    try:
        token = issue_token(user_id, seconds, extensions["settings"])
        extensions["revocations"].refuse_revoked(extensions["verifier"].verify(token))
    except NobodySigns as error:
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
    settings = current_app.extensions["settings"]
    everywhere = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104
    host = everywhere.get(settings.host, settings.host)
    address = f"[{host}]" if ":" in host else host
    return f"curl -H 'Authorization: Bearer {token}' 'http://{address}:{settings.port}/v1/tasks?limit=5'"
