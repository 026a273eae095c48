"""`flask doctor`: find problems, and say how to fix them."""

import sys
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict
from typing import Any

import click
from sqlalchemy.exc import DBAPIError

from app.auth import queries
from app.auth.claims import read_user_id
from app.auth.diagnosis import Diagnosis, diagnose
from app.auth.problems import TokenClaim
from app.commands.arguments import standard_input
from app.commands.output import as_json, failing_in_one_line, first_line, in_one_line, print_json, printable
from app.database.outages import DRIVER_ERRORS
from app.http.problems import DatabaseUnavailable, Problem
from app.ops import checks, database_checks, oauth_checks
from app.ops.checks import Finding
from app.services import services
from app.settings import Settings

STANDARD_INPUT = "-"
COLOURS = {"ok": "green", "warning": "yellow", "failed": "red"}
FAILED = 1
# More than any header allows.
ROOM_FOR_A_TOKEN = 64 * 1024


def _on_standard_input(_context: click.Context, _parameter: click.Parameter, value: str | None) -> str | None:
    # Do not repeat the value: it may be a token.
    if value not in (None, STANDARD_INPUT):
        raise click.BadParameter(
            "Others can read a token in an argument: give -, and write the token to standard input."
        )
    return value


@click.command()
@click.option("--token", callback=_on_standard_input, metavar="-", help="Check the token on standard input instead.")
@as_json
@failing_in_one_line
def doctor(token: str | None, json: bool) -> None:
    """Check settings, secrets, database and published keys; or, with --token -, a token.

    Each line shows a finding and its fix. The exit status is 1 if a check failed or the token was rejected. Nothing is
    changed: the test of user isolation writes a task and rolls it back.

    \b
    Examples:
      flask doctor
      flask doctor --json | jq '.checks[] | select(.status != "ok")'
      pbpaste | flask doctor --token -
    """
    if not (_say_diagnosis(json) if token else _say_findings(json)):
        raise click.exceptions.Exit(FAILED)


def _say_findings(json: bool) -> bool:
    found = []
    for finding in _findings(services().settings):
        found.append(finding)
        if not json:
            status = click.style(f"{finding.status:<8}", fg=COLOURS[finding.status])
            fix = f" Fix: {finding.fix}" if finding.fix else ""
            click.echo(f"{status} {finding.check:<11} {printable(finding.message + fix)}")
    status = max((finding.status for finding in found), key=list(COLOURS).index)
    if json:
        print_json({"status": status, "checks": list(map(asdict, found))})
    return status != "failed"


def _findings(settings: Settings) -> Iterator[Finding]:
    yield from checks.check_settings(settings)
    yield from checks.check_secrets(settings)
    yield from _of_database(settings)
    yield from checks.check_keys(settings)
    yield from oauth_checks.check_oauth(settings)


def _of_database(settings: Settings) -> Iterator[Finding]:
    for check in (*database_checks.FIRST, *database_checks.THEN):
        finding = _run(check, settings)
        yield finding
        if finding.status == "failed" and check in database_checks.FIRST:
            return


def _run(check: Any, settings: Settings) -> Finding:
    name = check.__name__.removeprefix("check_")
    try:
        found: Finding = check(settings)
    except Problem as problem:
        return Finding(name, "failed", in_one_line(problem))
    except (DBAPIError, *DRIVER_ERRORS) as error:
        return Finding(name, "failed", first_line(error), "See the database's own log.")
    return found


def _say_diagnosis(json: bool) -> bool:
    found = diagnose(_read_token(), services().settings, services().verifier, services().revocations)
    email = _email(found.user_id)
    if json:
        print_json({**asdict(found), "email": email})
    else:
        _print_diagnosis(found, email)
    return found.accepted


def _email(user_id: str | None) -> str | None:
    """Return the account's address if it can be looked up; a rejected token may contain any id."""
    with suppress(TokenClaim, DatabaseUnavailable, *DRIVER_ERRORS):
        user = queries.find_user(read_user_id({"sub": user_id}, "sub"))
        return str(user.email) if user and user.email else None
    return None


def _print_diagnosis(found: Diagnosis, email: str | None) -> None:
    user = found.user_id or "it names no user"
    lines = {
        "user" if found.accepted else "claims": f"{user} ({email})" if email else user,
        "judged by": found.issuer or "no issuer",
        "verdict": "accepted" if found.accepted else f"rejected ({found.code})",
        "because": found.reason,
        "fix": found.fix,
    }
    for name, text in lines.items():
        if text:
            click.echo(f"{name:<10} {printable(text)}")


def _read_token() -> str:
    """Read the token from standard input, without a header name, `Bearer` or white space around it."""
    if standard_input().isatty():
        click.echo("Paste the token and press Enter:", err=True)
        data = sys.stdin.buffer.readline(ROOM_FOR_A_TOKEN)
    else:
        data = sys.stdin.buffer.read(ROOM_FOR_A_TOKEN)
    token = data.decode(errors="replace").strip()
    return token.removeprefix("Authorization:").strip().removeprefix("Bearer ").strip()
