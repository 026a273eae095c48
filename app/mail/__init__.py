"""Mails to accounts: their texts, how they are sent, and the pages that their links open."""

from collections.abc import Mapping

from flask import Flask

from app.auth.mails import FORGOT_KIND, MAIL_KIND
from app.mail import pages
from app.mail.handlers import look_up_forgotten, send_to_account
from app.mail.reminders import REMINDERS_KIND, enqueue_reminders, send_reminders
from app.outbox.delivery import Handler
from app.settings import Settings

__all__ = ["enqueue_reminders", "handlers", "init_app"]

# A mail server has limits of its own for connections.
MAILS_AT_ONCE = 4


def init_app(app: Flask, settings: Settings) -> None:
    """Serve the pages, unless a front end has its own."""
    if settings.sends_mail:
        pages.init_app(app, settings)


def handlers(settings: Settings) -> Mapping[str, Handler]:
    """Return the handlers of the messages that are mails."""
    if not settings.sends_mail:
        return {}
    return {
        FORGOT_KIND: Handler(look_up_forgotten, 1),
        MAIL_KIND: Handler(send_to_account, MAILS_AT_ONCE),
        REMINDERS_KIND: Handler(send_reminders, MAILS_AT_ONCE),
    }
