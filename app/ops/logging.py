"""The format of log lines: text on a terminal, otherwise JSON."""

import json
import logging
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, TextIO
from urllib.parse import quote

import orjson

from app.http.strict_json import on_one_line
from app.settings import Settings
from app.times import rfc3339, rfc3339_now

# The attributes that a record may have besides its message.
EXTRAS = (
    *("request_id", "method", "path", "status", "milliseconds", "client", "user", "code", "reason", "refused_origin"),
    "waited",
)
# Those that are sentences.
SENTENCES = ("reason",)


class JsonFormatter(logging.Formatter):
    """Format a record as one line of JSON."""

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, Any] = {
            "time": _time(record),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        given = vars(record)
        for name in EXTRAS:
            if name in given:
                line[name] = given[name]
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return on_one_line(orjson.dumps(line, default=str).decode())


class JsonLines(logging.StreamHandler[TextIO]):
    """Writes lines of JSON, also without a record: making and passing on one for each request took 13 µs."""

    def write_line(self, logger: str, message: str, extras: Mapping[str, Any]) -> None:
        """Write a line of the level info."""
        line = {"time": rfc3339_now(), "level": "info", "logger": logger, "message": message, **extras}
        # In one call, which cannot be interrupted by another thread's.
        self.stream.write(on_one_line(orjson.dumps(line).decode()) + "\n")


class TextFormatter(logging.Formatter):
    """Format a record for people: time, level, message, and the other attributes as name=value."""

    def format(self, record: logging.LogRecord) -> str:
        extras = "".join(f" {name}={_value(name, vars(record)[name])}" for name in EXTRAS if name in vars(record))
        line = f"{_time(record)} {record.levelname:<7} {_printable(record.getMessage())}{extras}"
        return f"{line}\n{self.formatException(record.exc_info)}" if record.exc_info else line


def formatter(settings: Settings) -> logging.Formatter:
    """Return the formatter of all lines."""
    as_text = settings.log_format == "text" or (settings.log_format == "auto" and sys.stderr.isatty())
    return TextFormatter() if as_text else JsonFormatter()


def configure(settings: Settings) -> None:
    """Send this service's log to standard error, in one format."""
    # No line shows them, but collecting them costs time for each record.
    logging.logThreads = logging.logMultiprocessing = False
    lines = formatter(settings)
    handler = JsonLines(sys.stderr) if isinstance(lines, JsonFormatter) else logging.StreamHandler(sys.stderr)
    handler.setFormatter(lines)
    tasks = logging.getLogger("tasks")
    tasks.handlers, tasks.propagate = [handler], False
    tasks.setLevel(settings.log_level.upper())


def _value(name: str, value: object) -> str:
    return _printable(json.dumps(value, ensure_ascii=False)) if name in SENTENCES else _word(value)


def _word(value: object) -> str:
    """Escape a value so that it cannot end its line, look like another value, or control a terminal."""
    return "".join(letter if letter.isprintable() and letter != " " else quote(letter) for letter in str(value))


def _printable(text: str) -> str:
    """Escape a message as Python would, so that it stays on one line."""
    if text.isprintable():
        return text
    return "".join(letter if letter.isprintable() else letter.encode("unicode_escape").decode() for letter in text)


def _time(record: logging.LogRecord) -> str:
    return rfc3339(datetime.fromtimestamp(record.created, UTC))
