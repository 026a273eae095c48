"""A multi-user task service. `create_app()` puts its parts together."""

from flask import Flask
from werkzeug.middleware.proxy_fix import ProxyFix

from app import auth, cli, mail, mcp, tasks, webhooks, work
from app.auth.passwords import Passwords
from app.auth.personal_uses import PersonalUses
from app.auth.revocation import Revocations
from app.auth.verifier import Verifier
from app.database.engines import make_engine, state_of
from app.http import cors, openapi, problems, requests
from app.http.application import Application
from app.ops import docs, health, logging, metrics
from app.services import Services
from app.settings import Settings
from app.tasks.waiting import Waits
from app.work.reminders import DueReminders


def create_app(settings: Settings) -> Flask:
    """Make the application, without any query before the first request."""
    app = Application(__name__, static_folder=None)
    engine = make_engine(settings)
    waits = Waits()
    app.extensions["services"] = Services(
        settings,
        engine,
        state_of(engine, waits.wake),
        Passwords(settings),
        Verifier(settings),
        Revocations(app),
        PersonalUses(app),
        waits,
    )

    if settings.trusted_proxies:
        app.wsgi_app = ProxyFix(app.wsgi_app, x_for=settings.trusted_proxies, x_proto=0)  # type: ignore[method-assign]

    logging.configure(settings)
    requests.init_app(app, settings)
    problems.init_app(app)
    cors.init_app(app, settings)
    cli.init_app(app)

    api = openapi.init_app(app)
    app.register_blueprint(docs.blueprint)
    api.register_blueprint(health.blueprint)
    auth.init_app(api, settings)
    tasks.init_app(api)
    mcp.init_app(app, settings)
    mail.init_app(app, settings)
    webhooks.init_app(app, api)
    reminders = DueReminders([webhooks.enqueue_reminders, mail.enqueue_reminders])
    work.init_app(app, {**mail.handlers(settings), **webhooks.HANDLERS}, [reminders])
    if settings.metrics:
        metrics.init_app(app)
    return app
