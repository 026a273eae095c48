"""The settings of an application, and the objects that its requests and commands share."""

from dataclasses import dataclass, field
from threading import Event
from typing import TYPE_CHECKING

from flask import Flask, current_app

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from app.auth.passwords import Passwords
    from app.auth.personal_uses import PersonalUses
    from app.auth.revocation import Revocations
    from app.auth.verifier import Verifier
    from app.database.outages import DatabaseState
    from app.settings import Settings
    from app.tasks.events import Listener
    from app.tasks.waiting import Waits


@dataclass(frozen=True, slots=True)
class Services:
    settings: "Settings"
    engine: "Engine"
    database: "DatabaseState"
    passwords: "Passwords"
    verifier: "Verifier"
    revocations: "Revocations"
    uses: "PersonalUses"
    waits: "Waits"
    # Set when this process has written a message that can be sent.
    alarm: Event = field(default_factory=Event)
    # Told of what happens to tasks.
    listeners: "list[Listener]" = field(default_factory=list)


def services() -> Services:
    """Return the services of the current application."""
    return services_of(current_app)


def services_of(app: Flask) -> Services:
    found: Services = app.extensions["services"]
    return found
