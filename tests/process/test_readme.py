"""README.md's commands work as described."""

import json
import re
import shlex
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from app.settings import PROJECT
from tests.conftest import migrate, new_user_id, settings_for
from tests.postgres import Server
from tests.process.conftest import BIN, Service, Start
from tests.waiting import until

README = (PROJECT / "README.md").read_text()
BLOCKS = {
    section.partition("\n")[0]: re.findall(r"^```(\w+)\n(.*?)^```$", section, re.MULTILINE | re.DOTALL)
    for section in README.split("\n## ")
}
# The text between backticks, wherever the line breaks.
INLINE = {
    " ".join(text.split()) for text in re.findall(r"`([^`]+)`", re.sub(r"```.*?```", "", README, flags=re.DOTALL))
}


def block(section: str, language: str) -> str:
    """Return a section's only code block in a language."""
    (text,) = [text for found, text in BLOCKS[section] if found == language]
    return text


def run(script: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script],
        cwd=PROJECT,
        env={"PATH": f"{BIN}:/usr/bin:/bin", **environment},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_the_first_minute_works_for_a_new_user(serve: Start, sqlite_url: str) -> None:
    """Each request succeeds, and the last one leaves no task."""
    service = serve(sqlite_url)
    commands = block("The first minute", "sh").replace(":8000", f":{service.port}").replace("curl -s", "curl -sf")

    done = run(f'{commands}\ncurl -sf $BASE/v1/tasks -H "Authorization: Bearer $TOKEN"')

    assert done.returncode == 0, done.stderr
    *answers, rest = texts(done.stdout)
    assert [answer.get("title", answer) for answer in answers] == [
        "Buy tea",
        {"items": [answers[0]], "next_cursor": None},
    ]
    assert answers[0]["completed"] is True
    assert rest["items"] == []


def test_curl_waits_for_a_change(serve: Start, sqlite_url: str) -> None:
    """As docs/tasks.md shows. Before the limit of the wait, a task is created."""
    service = serve(sqlite_url, LOG_LEVEL="info")
    token = service.register()
    [commands] = re.findall(r"```sh\n(NEXT=.*?)```", (PROJECT / "docs" / "tasks.md").read_text(), re.DOTALL)
    environment = {"BASE": f"http://127.0.0.1:{service.port}", "TOKEN": token}
    with ThreadPoolExecutor(1) as thread:
        waiting = thread.submit(run, commands, **environment)
        until(lambda: "/v1/tasks/changes" in service.log, "the first request")
        created = service.call("POST", "/v1/tasks", token, {"title": "tea"}).body
    done = waiting.result()

    assert json.loads(done.stdout)["changed"] == [created], done.stderr


def texts(output: str) -> list[dict]:
    """Return the values of concatenated JSON texts."""
    decoder, found, at = json.JSONDecoder(), [], 0
    while at < len(output):
        value, at = decoder.raw_decode(output, at)
        found.append(value)
        at += len(output[at:]) - len(output[at:].lstrip())
    return found


def test_every_named_make_target_exists() -> None:
    """In the Makefile."""
    named = set(re.findall(r"\bmake (\w+)", README))

    assert {"run", "test"} <= named
    assert run(f"make --dry-run {' '.join(named)}").returncode == 0


def test_the_commands_without_make_serve(start: Start, tmp_path: Path) -> None:
    """Except the installation, which makes the environment for the others."""
    migrate_, serve_ = ".venv/bin/flask db upgrade", ".venv/bin/gunicorn wsgi:app"
    assert {migrate_, serve_} <= INLINE
    settings = settings_for(f"sqlite:///{tmp_path / 'tasks.db'}")
    in_bin = {command: command.replace(".venv/bin", str(BIN)) for command in (migrate_, serve_)}

    assert run(in_bin[migrate_], **settings).returncode == 0
    service = start(*shlex.split(in_bin[serve_]), **settings)

    assert service.call("GET", "/readyz").status == 200


@pytest.mark.parametrize("command", sorted(text for text in INLINE if text.startswith("flask ")))
def test_a_named_command_works(sqlite_url: str, command: str) -> None:
    """With its defaults. A token comes from standard input."""
    settings = settings_for(sqlite_url)
    token = f"flask users token {new_user_id()} | " if command.endswith(" -") else ""
    quiet = " --users 1 --tasks 3" if command == "flask seed" else ""

    done = run(f"{token}{command}{quiet}", **settings)

    assert done.returncode == 0, done.stdout + done.stderr


def test_the_statements_create_an_acceptable_role(start: Start, postgresql: Server) -> None:
    """Under another name, they make a database that keeps users apart."""
    name = f"{postgresql.role}_readme"
    statements = re.sub(r"\btasks\b", name, block("With PostgreSQL", "sql")).replace("choose one", "tasks")
    url = postgresql.url(name)
    for statement in filter(str.strip, statements.split(";")):
        postgresql.sql(statement)
    try:
        owned = url.replace(f"//{postgresql.role}:", f"//{name}:")
        migrate(owned)
        service: Service = start(**settings_for(owned))
        assert service.call("GET", "/readyz").status == 200
        service.stop()
    finally:
        postgresql.sql(f"DROP DATABASE {name} WITH (FORCE)")
        postgresql.sql(f"DROP ROLE {name}")
