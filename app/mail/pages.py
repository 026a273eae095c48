"""The pages that the links of mails open where no front end has its own. Opening one spends nothing: its button does.

The token is in the address's fragment, which no server, log or other page gets to see.
"""

import hashlib
from base64 import b64encode
from functools import cache, partial
from pathlib import Path

from flask import Blueprint, Flask, Response, render_template

from app.auth.links import RESET, VERIFY
from app.auth.passwords import LONGEST, SHORTEST
from app.http.documents import Document
from app.mail.handlers import PAGES
from app.settings import Settings

FOLDER = Path(__file__).parent
STYLE, SCRIPT = ((FOLDER / "assets" / name).read_text() for name in ("link.css", "link.js"))


def _hash(text: str) -> str:
    return f"'sha256-{b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


# Only this style and this script, and only calls of this service.
POLICY = (
    f"default-src 'none'; script-src {_hash(SCRIPT)}; style-src {_hash(STYLE)}; connect-src 'self'; img-src data:; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


def init_app(app: Flask, settings: Settings) -> None:
    own = {RESET: settings.password_reset_url is None, VERIFY: settings.email_verify_url is None}
    blueprint = Blueprint("links", __name__, template_folder="templates")
    for purpose in (purpose for purpose, is_own in own.items() if is_own):
        blueprint.add_url_rule(PAGES[purpose], purpose, partial(show_page, purpose))
    app.register_blueprint(blueprint)


def show_page(purpose: str) -> Response:
    """Show the page for a link of this purpose."""
    response = _page(purpose).response()
    response.headers["Content-Security-Policy"] = POLICY
    response.headers["Referrer-Policy"] = "no-referrer"
    return response


@cache
def _page(purpose: str) -> Document:
    page = render_template(f"{purpose}.html", style=STYLE, script=SCRIPT, shortest=SHORTEST, longest=LONGEST)
    return Document(page.encode(), "text/html; charset=utf-8")
