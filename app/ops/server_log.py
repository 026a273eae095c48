"""gunicorn's own lines, in the form of the service's."""

from typing import Any

from gunicorn.glogging import Logger

from app.ops.logging import formatter
from app.settings import load_settings


class ServerLog(Logger):
    """gunicorn's `logger_class`: where lines go stays gunicorn's matter."""

    def error(self, msg: str, *args: Any, **kwargs: Any) -> None:
        if msg.startswith("Connection in use"):
            msg += ". Stop what listens there, or set PORT to another one."
        super().error(msg, *args, **kwargs)

    def setup(self, cfg: Any) -> None:
        super().setup(cfg)
        for handler in self.error_log.handlers:
            handler.setFormatter(formatter(load_settings()))
