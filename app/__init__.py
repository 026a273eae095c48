"""A multi-user task service: `create_app()` plugs its parts together."""

import re
from typing import Any

from flask import Flask
from werkzeug.middleware.proxy_fix import ProxyFix

from app import problems
from app.api import VERSION, Api
from app.auth import passwords, revocation, verifier
from app.auth import views as auth_views
from app.commands.doctor import doctor
from app.commands.errors import errors
from app.commands.examples import add_examples
from app.commands.purge import purge
from app.commands.seed import seed
from app.commands.tasks import tasks
from app.commands.users import users
from app.extensions import cors, db, migrate
from app.ops import docs, health, logging, metrics, requests
from app.service import Service
from app.settings import PROJECT, Settings
from app.tasks import views, views_by_user

# What the server refuses is named here alone: as an answer of each operation it would make every error's body perhaps
# none, to a client that is made from the document.
DESCRIPTION = """Tasks for many users, each of whom sees only their own.

Every error of an operation is `application/problem+json`. What is no HTTP, too long or too slow, the server refuses
before any operation, with a page of its own (`text/html`) or nothing; go by the status:

| status | why |
| --- | --- |
| 400 | It is no HTTP. |
| 408 | It did not arrive in time. |
| 414 | Method, path and query are longer than 8190 bytes. |
| 417 | `Expect` asks for something other than `100-continue`. |
| 431 | A header is longer than 8190 bytes, or there are more than 100. |
| 501 | `Transfer-Encoding` names something other than `chunked`. |
"""

OPENAPI = {
    "API_TITLE": "Tasks API",
    "API_VERSION": VERSION,
    "OPENAPI_VERSION": "3.1.0",
    "OPENAPI_URL_PREFIX": "/",
    "API_SPEC_OPTIONS": {
        "info": {
            "description": DESCRIPTION,
            "license": {"name": "MIT", "identifier": "MIT"},
        },
        # x-internal, for programs that sort APIs by their audience: this one is for everybody.
        "servers": [{"url": "/", "x-internal": False}],
    },
}

CORS: dict[str, Any] = {
    "allow_headers": ["Authorization", "Content-Type", "Idempotency-Key", "If-Match", "If-None-Match", "X-Request-ID"],
    "expose_headers": [
        "ETag",
        "Idempotent-Replay",
        "Link",
        "Location",
        "Retry-After",
        "WWW-Authenticate",
        "X-Request-ID",
        "X-Total-Count",
    ],
    "methods": ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"],
    "max_age": 600,
    # Said of every answer, in requests.py: here it would be of those to a listed origin alone.
    "vary_header": False,
}


def create_app(settings: Settings) -> Flask:
    """The application. Nothing is asked of the database before the first request."""
    app = Service(__name__, static_folder=None)
    app.config.from_mapping(OPENAPI)
    app.extensions["settings"] = settings
    # Two slashes are not one: Werkzeug would redirect to a URL made from the Host header.
    app.url_map.merge_slashes = False

    if settings.trusted_proxies:
        app.wsgi_app = ProxyFix(app.wsgi_app, x_for=settings.trusted_proxies, x_proto=0)  # type: ignore[method-assign]

    logging.configure(settings)
    requests.init_app(app)
    problems.init_app(app)
    db.init_app(app, settings)
    migrate.init_app(app, db, directory=str(PROJECT / "migrations"))
    passwords.init_app(app, settings)
    verifier.init_app(app, settings)
    revocation.init_app(app)
    api = Api(app)
    if settings.cors_origins:
        # As patterns, for Flask-Cors takes the brackets of an IPv6 address for one.
        origins = [re.compile(rf"{re.escape(origin)}\Z") for origin in settings.cors_origins]
        cors.init_app(app, **CORS, origins=origins)

    app.register_blueprint(docs.blueprint)
    api.register_blueprint(health.blueprint)
    if settings.local_auth:
        api.register_blueprint(auth_views.accounts)
    api.register_blueprint(auth_views.caller)
    api.register_blueprint(views.blueprint)
    api.register_blueprint(views_by_user.blueprint, parameters=[views_by_user.USER_ID])
    app.cli.add_command(tasks)
    app.cli.add_command(purge)
    app.cli.add_command(doctor)
    app.cli.add_command(seed)
    app.cli.add_command(users)
    app.cli.add_command(errors)
    add_examples()
    if settings.metrics:
        metrics.init_app(app)
    return app
