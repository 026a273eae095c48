"""/docs: the interactive description and the catalogue of errors, with every asset served from here."""

import re
from pathlib import Path

import click
import flask_swagger_ui
from flask import Blueprint, Response, abort, current_app, render_template, send_from_directory
from markupsafe import Markup, escape

from app.api import VERSION
from app.commands.output import failing_in_one_line
from app.problems import Problem, catalogue

blueprint = Blueprint("docs", __name__, url_prefix="/docs", template_folder="templates", cli_group="errors")
blueprint.cli.help = "The catalogue of errors."

SWAGGER_UI = Path(flask_swagger_ui.__file__).parent / "dist"
OWN = Path(__file__).parent / "assets"
FOLDERS = {
    "swagger-ui.css": SWAGGER_UI,
    "swagger-ui-bundle.js": SWAGGER_UI,
    "docs.css": OWN,
    "docs.js": OWN,
    "icon.svg": OWN,
}

# Whatever a page of ours were made to say, it runs nothing but these scripts, and talks to nobody but this service.
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


@blueprint.after_request
def add_policy(response: Response) -> Response:
    response.headers["Content-Security-Policy"] = POLICY
    response.headers["X-Content-Type-Options"] = "nosniff"
    return response


@blueprint.get("")
def show_docs() -> str:
    """The interactive description."""
    return render_template("docs.html", version=VERSION, local_auth=current_app.extensions["settings"].local_auth)


@blueprint.get("/assets/<name>")
def send_asset(name: str) -> Response:
    if name not in FOLDERS:
        abort(404)
    return send_from_directory(FOLDERS[name], name)


@blueprint.get("/errors")
def show_errors() -> str:
    """What each error code means; every error body's `type` points here."""
    return render_template("errors.html", version=VERSION, problems=catalogue(), meaning=meaning, marked=marked)


def meaning(problem: type[Problem]) -> str:
    """When a problem happens: its class's docstring on one line."""
    return " ".join((problem.__doc__ or "").split())


def marked(text: str) -> Markup:
    """What stands between backticks, as code."""
    return Markup(re.sub(r"`(.+?)`", r"<code>\1</code>", escape(text)))  # noqa: S704 - it was escaped before


@blueprint.cli.command("write")
@click.argument("file", type=click.Path(dir_okay=False, allow_dash=True))
@failing_in_one_line
def write_errors(file: str) -> None:
    """Write the catalogue as Markdown into FILE.

    \b
    Example:
      flask errors write docs/errors.md
    """
    with click.open_file(file, "w") as output:
        output.write("# Errors\n")
        output.write("Every error is `application/problem+json` (RFC 9457). Programs go by `code`.\n")
        for problem in catalogue():
            output.write(f"\n## {problem.code}\n{problem.status} · {meaning(problem)}\n\nMend: {problem.detail}\n")
