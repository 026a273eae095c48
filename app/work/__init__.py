"""What happens after the response: the loop that looks for work, and what can be plugged into it."""

from collections.abc import Mapping, Sequence

from flask import Flask

from app.outbox.delivery import Handler
from app.work.loop import Loop, Source
from app.work.outgoing import Outgoing
from app.work.purge import PURGE_KIND, DailyPurge, purge_daily


def init_app(app: Flask, handlers: Mapping[str, Handler], sources: Sequence[Source] = ()) -> None:
    """Make the loop, which sends with these handlers, by the kind of message, and looks into these sources too."""
    handlers = {PURGE_KIND: Handler(purge_daily, at_once=1), **handlers}
    app.extensions["work"] = Loop(app, [DailyPurge(), *sources], Outgoing(app, handlers))


def work_of(app: Flask) -> Loop:
    found: Loop = app.extensions["work"]
    return found
