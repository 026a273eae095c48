"""/docs: the interactive description and the catalogue of errors. This service serves every asset itself."""

import re
from functools import cache
from pathlib import Path

import flask_swagger_ui
from flask import Blueprint, Response, abort, render_template
from markupsafe import Markup, escape

from app.http.documents import Document
from app.http.openapi import VERSION
from app.http.problems import Problem, catalogue
from app.services import services

blueprint = Blueprint("docs", __name__, url_prefix="/docs", template_folder="templates")

SWAGGER_UI = Path(flask_swagger_ui.__file__).parent / "dist"
OWN = Path(__file__).parent / "assets"
FOLDERS = {
    "swagger-ui.css": SWAGGER_UI,
    "swagger-ui-bundle.js": SWAGGER_UI,
    "docs.css": OWN,
    "docs.js": OWN,
    "icon.svg": OWN,
}
MEDIA_TYPES = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}

# Even if an attacker injects text into a page, it runs only these scripts and calls only this service.
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


@blueprint.after_request
def add_policy(response: Response) -> Response:
    response.headers["Content-Security-Policy"] = POLICY
    return response


@blueprint.get("")
def show_docs() -> str:
    """Show the interactive description."""
    return render_template("docs.html", version=VERSION, local_auth=services().settings.local_auth)


@blueprint.get("/assets/<name>")
def send_asset(name: str) -> Response:
    if name not in FOLDERS:
        abort(404)
    return _asset(name).response()


@cache
def _asset(name: str) -> Document:
    file = FOLDERS[name] / name
    return Document(file.read_bytes(), f"{MEDIA_TYPES[file.suffix]}; charset=utf-8")


@blueprint.get("/errors")
def show_errors() -> str:
    """Show the meaning of each error code; the `type` of every error body points here."""
    return render_template("errors.html", version=VERSION, problems=catalogue(), meaning=meaning, marked=marked)


def meaning(problem: type[Problem]) -> str:
    """Return when a problem happens: its class's docstring on one line."""
    return " ".join((problem.__doc__ or "").split())


def marked(text: str) -> Markup:
    """Escape a text, and mark up the parts between backticks as code."""
    return Markup(re.sub(r"`(.+?)`", r"<code>\1</code>", str(escape(text))))  # noqa: S704 - it was escaped before
