"""/docs: the interactive description and the catalogue of errors, with every asset served from here."""

from pathlib import Path
from typing import TextIO

import click
import flask_swagger_ui
from flask import Blueprint, Response, abort, render_template, send_from_directory

from app.problems import Problem, catalogue

blueprint = Blueprint("docs", __name__, url_prefix="/docs", template_folder="templates", cli_group="errors")
blueprint.cli.help = "The catalogue of errors."

ASSETS = Path(flask_swagger_ui.__file__).parent / "dist"
SERVED = ("swagger-ui.css", "swagger-ui-bundle.js", "favicon-32x32.png")


@blueprint.get("")
def show_docs() -> str:
    """The interactive description."""
    return render_template("docs.html")


@blueprint.get("/assets/<name>")
def send_asset(name: str) -> Response:
    if name not in SERVED:
        abort(404)
    return send_from_directory(ASSETS, name)


@blueprint.get("/errors")
def show_errors() -> str:
    """What each error code means; every error body's `type` points here."""
    return render_template("errors.html", problems=catalogue(), meaning=meaning)


def meaning(problem: type[Problem]) -> str:
    """When a problem happens: its class's docstring on one line."""
    return " ".join((problem.__doc__ or "").split())


@blueprint.cli.command("write")
@click.argument("output_file", type=click.File("w"))
def write_errors(output_file: TextIO) -> None:
    """Write the catalogue as Markdown, for example to docs/errors.md."""
    output_file.write("# Errors\n")
    output_file.write("Every error is `application/problem+json` (RFC 9457). Programs go by `code`.\n")
    for problem in catalogue():
        output_file.write(f"\n## {problem.code}\n{problem.status} · {meaning(problem)}\n\nMend: {problem.detail}\n")
