"""gunicorn's own log lines, in the service's format."""

from typing import Any

from gunicorn.glogging import Logger

from app.ops.logging import formatter
from app.settings import load_settings


class ServerLog(Logger):
    """gunicorn's `logger_class`; gunicorn still decides where lines go."""

    def error(self, msg: str, *args: Any, **kwargs: Any) -> None:
        if msg.startswith("Connection in use"):
            msg += ". Stop what listens there, or set PORT to another one."
        super().error(msg, *args, **kwargs)

    def setup(self, cfg: Any) -> None:
        super().setup(cfg)
        for handler in self.error_log.handlers:
            handler.setFormatter(formatter(load_settings()))
