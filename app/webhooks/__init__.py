"""Webhooks: requests to users' own servers when something happens to their tasks."""

from flask import Flask

from app.http.openapi import Api
from app.outbox.delivery import Handler
from app.services import services_of
from app.webhooks import views
from app.webhooks.bodies import enqueue_events, enqueue_reminders
from app.webhooks.delivering import SENT_AT_ONCE, deliver
from app.webhooks.store import KIND

__all__ = ["HANDLERS", "enqueue_reminders", "init_app"]

HANDLERS = {KIND: Handler(deliver, SENT_AT_ONCE)}


def init_app(app: Flask, api: Api) -> None:
    services_of(app).listeners.append(enqueue_events)
    api.register_blueprint(views.blueprint)
