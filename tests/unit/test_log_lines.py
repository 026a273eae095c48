"""Lines of the log: one for each request, whatever the request says."""

import logging

import orjson
import pytest

from app.auth.problems import TokenRefused
from app.http.problems import catalogue
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
def test_a_path_cannot_pass_for_anything_else(path: str) -> None:
    """It ends no line, stands for no other value, and commands no terminal."""
    line = TextFormatter().format(record(path))

    assert line.isprintable()
    assert [word.partition("=")[0] for word in line.split()[2:]] == ["request", "method", "path", "status"]
    assert line.endswith(" status=404")


@pytest.mark.parametrize("path", [*PATHS, "/v1/tasks/ü"])
def test_json_says_the_path_as_it_is(path: str) -> None:
    """On one line."""
    line = JsonFormatter().format(record(path))

    assert orjson.loads(line)["path"] == path
    assert line.splitlines() == [line]
    assert line.isprintable()


@pytest.mark.parametrize("message", ["a\nb", "a\u2028b", "a\x9b2Jb", "a\x7fb", "a\x85b"])
@pytest.mark.parametrize("formatter", [JsonFormatter(), TextFormatter()], ids=["json", "text"])
def test_a_message_is_one_line(formatter: logging.Formatter, message: str) -> None:
    """Whatever another program is quoted with, and for every reader; it commands no terminal."""
    line = formatter.format(logging.makeLogRecord({"msg": "quoted: %s", "args": (message,), "levelname": "INFO"}))

    assert line.splitlines() == [line]
    assert line.isprintable()


def test_text_shows_letters_of_every_alphabet() -> None:
    """They are no danger."""
    assert " path=/v1/tasks/ü水 " in TextFormatter().format(record("/v1/tasks/ü水"))


def test_an_origin_that_may_not_call_is_named(sqlite_url: str, caplog: pytest.LogCaptureFixture) -> None:
    """The browser tells nobody. One that is listed, and the service's own page, are not named."""
    ann = Caller(make_app(sqlite_url, CORS_ORIGINS="https://app.example.com", LOG_LEVEL="info"), new_user_id())
    logging.getLogger("tasks").addHandler(caplog.handler)
    for origin in ("https://app.example.com", "http://localhost", "https://other.example", "null", "http://["):
        assert ann.get("/v1/tasks", headers={"Origin": origin}).status_code == 200
    logging.getLogger("tasks").removeHandler(caplog.handler)

    named = [vars(line).get("refused_origin") for line in caplog.records if line.name == "tasks.request"]
    assert named == [None, None, "https://other.example", "null", "http://["]


def test_every_refusal_of_the_log_stands_in_the_documentation() -> None:
    """In the table that says what to do about it."""
    table = (PROJECT / "docs" / "authentication.md").read_text().partition("| `code` | what to do |")[2]
    rows = table.partition("\n\n")[0]
    codes = {problem.code for problem in catalogue() if issubclass(problem, TokenRefused)}

    assert len(codes) > 9
    assert {name for name in codes | {"refused_origin"} if f"`{name}`" not in rows} == set()
