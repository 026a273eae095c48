"""Each request is one line of the log, whatever it contains."""

import logging

import orjson
import pytest

from app.ops.logging import JsonFormatter, TextFormatter
from app.settings import PROJECT
from tests.conftest import Caller, make_app, new_user_id

PATHS = [
    "/v1/tasks\n2026-01-01T00:00:00Z INFO forged",
    "/v1/tasks status=200",
    "/\x1b[2J",
    "/\u2028",
    "/\x85",
    "/\r",
    "/\x7f",
]


def record(path: str) -> logging.LogRecord:
    extra = {"method": "GET", "path": path, "status": 404}
    return logging.makeLogRecord({"msg": "request", "levelname": "INFO", **extra})


@pytest.mark.parametrize("path", PATHS)
def test_a_path_in_the_log_is_escaped(path: str) -> None:
    """It cannot end the line, add another value, or control the terminal."""
    line = TextFormatter().format(record(path))

    assert line.isprintable()
    assert [word.partition("=")[0] for word in line.split()[2:]] == ["request", "method", "path", "status"]
    assert line.endswith(" status=404")


@pytest.mark.parametrize("path", [*PATHS, "/v1/tasks/ü"])
def test_json_has_the_path_unchanged(path: str) -> None:
    """On one line."""
    line = JsonFormatter().format(record(path))

    assert orjson.loads(line)["path"] == path
    assert line.splitlines() == [line]
    assert line.isprintable()


@pytest.mark.parametrize("message", ["a\nb", "a\u2028b", "a\x9b2Jb", "a\x7fb", "a\x85b"])
@pytest.mark.parametrize("formatter", [JsonFormatter(), TextFormatter()], ids=["json", "text"])
def test_a_message_is_one_line(formatter: logging.Formatter, message: str) -> None:
    """Also with a quotation of another program. It cannot control the terminal."""
    line = formatter.format(logging.makeLogRecord({"msg": "quoted: %s", "args": (message,), "levelname": "INFO"}))

    assert line.splitlines() == [line]
    assert line.isprintable()


def test_text_keeps_letters_of_every_alphabet() -> None:
    """They are harmless."""
    assert " path=/v1/tasks/ü水 " in TextFormatter().format(record("/v1/tasks/ü水"))


def test_a_rejected_origin_is_logged(sqlite_url: str, caplog: pytest.LogCaptureFixture) -> None:
    """The browser hides it. Listed origins and the service's own page are not logged."""
    ann = Caller(make_app(sqlite_url, CORS_ORIGINS="https://app.example.com", LOG_LEVEL="info"), new_user_id())
    logging.getLogger("tasks").addHandler(caplog.handler)
    for origin in ("https://app.example.com", "http://localhost", "https://other.example", "null", "http://["):
        assert ann.get("/v1/tasks", headers={"Origin": origin}).status_code == 200
    logging.getLogger("tasks").removeHandler(caplog.handler)

    named = [vars(line).get("refused_origin") for line in caplog.records if line.name == "tasks.request"]
    assert named == [None, None, "https://other.example", "null", "http://["]


def test_a_refused_origin_is_in_the_documentation() -> None:
    """No response has a code for it, so the table of rejections names the log's word."""
    table = (PROJECT / "docs" / "authentication.md").read_text().partition("| rejected with | settings to check |")[2]

    assert "`refused_origin`" in table.partition("\n\n")[0]
