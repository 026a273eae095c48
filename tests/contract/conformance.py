"""Random requests against a real service, judged by docs/openapi.json: `python -m tests.contract.conformance`.

No 5xx; no status, header or body that is not documented; nothing accepted that it forbids, nothing rejected that it
allows; no access without a token, and none to another user's data.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from http import HTTPStatus
from itertools import chain, repeat
from pathlib import Path
from typing import Any

import schemathesis
from schemathesis.openapi.checks import RejectedPositiveData, UseAfterFree

from app.settings import PROJECT
from tests.conftest import ENGINES, MAIL_SETTINGS, migrate, new_user_id, settings_for, shared_token
from tests.contract.beyond_schemas import fix_body, fix_headers, fix_query, is_beyond_schemas
from tests.postgres import postgres_server
from tests.process.conftest import BIN, Service, free_port

# For all engines together; usually it takes half of that.
SECONDS = 180
# These end their caller's token, so each such request has its own caller.
REVOKING = ("logout", "end_sessions", "delete_me")
# Each field's limits one by one, half of the time. One engine is enough, because they come before the database.
PHASES, OTHER_PHASES = "examples,coverage,fuzzing,stateful", "examples,fuzzing,stateful"
# Ann's sessions that may be ended, in addition to that of her token.
SPARE_SESSIONS = 5
# Ann's tasks: enough that most requests find one although some delete them.
TASKS = 50
LOG_CHARACTERS = 10_000
# Tasks that were restored from the trash.
RESTORED: set[str] = set()

# The user that Service.register() creates.
ACCOUNT = {"email": "ann@example.com", "password": "correct horse battery"}
CONFIGURATION = PROJECT / "tests" / "contract" / "schemathesis.toml"
DOCUMENT = "docs/openapi.json"


@schemathesis.hook
def before_call(_context: Any, case: Any, _options: Any) -> None:
    """Correct values that would end too many requests early: those beyond schemas, and tokens that have been ended."""
    if case.meta and case.meta.generation.mode.is_positive:
        fix_headers(case.headers)
        fix_query(case.query)
        fix_body(case.body)
    if case.operation.definition.raw["operationId"] == "restore_task":
        RESTORED.add(str((case.path_parameters or {}).get("task_id")))
    ends_own_session = (case.path_parameters or {}).get("session_id") == os.environ["CONFORMANCE_SESSION"]
    ends_tokens = case.operation.definition.raw["operationId"] in REVOKING
    if (ends_tokens or ends_own_session) and case.headers.get("Authorization") == os.environ["CONFORMANCE_TOKEN"]:
        case.headers["Authorization"] = f"Bearer {shared_token(new_user_id())}"


REFUSED = (HTTPStatus.BAD_REQUEST, HTTPStatus.UNPROCESSABLE_ENTITY)


@schemathesis.hook
def filter_failure(_context: Any, failure: Any, case: Any, response: Any) -> bool:
    """Return whether it is a violation: rules beyond schemas, and HTTP's own limits, may reject a valid request."""
    if response.status_code in (HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, HTTPStatus.REQUEST_URI_TOO_LONG):
        return False
    if response.status_code == HTTPStatus.BAD_REQUEST and response.content.startswith(b"<html>"):
        # The server's own page, for a Host that is not HTTP.
        return False
    if isinstance(failure, UseAfterFree) and (case.path_parameters or {}).get("task_id") in RESTORED:
        # It follows the links between requests, and does not see other requests in between.
        return False
    is_refusal = isinstance(failure, RejectedPositiveData) and response.status_code in REFUSED
    return not (is_refusal and is_beyond_schemas(response.json()))


def main() -> int:
    """Try each engine, and return the worst exit status."""
    with tempfile.TemporaryDirectory(prefix="tasks-conformance-") as folder, ExitStack() as stack:
        worst, ends_at = 0, time.monotonic() + SECONDS
        for phases, engine in zip(chain([PHASES], repeat(OTHER_PHASES)), sys.argv[1:] or ENGINES, strict=False):
            if engine == "sqlite":
                url = f"sqlite:///{folder}/tasks.db"
            else:
                server = stack.enter_context(postgres_server())
                url = server.url(server.create_database())
            migrate(url)
            worst = max(worst, try_service(engine, url, Path(folder), phases, ends_at - time.monotonic()))
        return worst


def try_service(engine: str, url: str, folder: Path, phases: str, seconds: float) -> int:
    """Start the service on a migrated database, run random requests against it, and return their exit status."""
    port = free_port()
    environment = {"PATH": os.environ["PATH"], "HOME": str(folder), "HOST": "127.0.0.1", "PORT": str(port)}
    log = folder / f"{engine}.log"
    service = Service(
        [str(BIN / "gunicorn"), "wsgi:app"],
        PROJECT,
        port,
        log,
        environment | settings_for(url, WORK="off", **MAIL_SETTINGS),
    )
    try:
        service.wait_until_ready()
        status = try_requests(service, folder, phases, seconds)
    finally:
        service.kill()
    if status:
        sys.stderr.write(f"The end of the service's log on {engine}:\n{service.log[-LOG_CHARACTERS:]}\n")
    return status


def try_requests(service: Service, folder: Path, phases: str, seconds: float) -> int:
    """Return two users: an account of this service, and a user of the shared secret."""
    own = service.register()
    (session,) = service.call("GET", "/v1/auth/sessions", own).body["items"]
    for _ in range(SPARE_SESSIONS):
        assert service.call("POST", "/v1/auth/login", body=ACCOUNT).status == HTTPStatus.OK
    tasks = [service.call("POST", "/v1/tasks", own, {"title": "tea"}).body["id"] for _ in range(TASKS)]
    (folder / "tasks.txt").write_text("\n".join(f'"{task}"' for task in tasks))
    users = {"ann": f"Bearer {own}", "bob": f"Bearer {shared_token(new_user_id())}"}
    headers = {name: [{"name": "Authorization", "value": value}] for name, value in users.items()}
    entries = [{"name": name, "fixedHeaders": fixed} for name, fixed in headers.items()]
    (folder / "users.json").write_text(json.dumps({"auth": entries}))
    variables = {
        "CONFORMANCE_USERS": str(folder / "users.json"),
        "CONFORMANCE_USER_ID": service.call("GET", "/v1/auth/me", own).body["id"],
        "CONFORMANCE_TOKEN": users["ann"],
        "CONFORMANCE_SESSION": session["id"],
    }
    command = [
        *(BIN / "schemathesis", "--config-file", shutil.copy(CONFIGURATION, folder), "run", DOCUMENT),
        *("--url", f"http://127.0.0.1:{service.port}", "--phases", phases),
    ]
    done = subprocess.run(
        list(map(str, command)), cwd=PROJECT, env=os.environ | variables, check=False, timeout=seconds
    )
    if service.call("GET", "/v1/auth/me", own).status != HTTPStatus.OK:
        raise SystemExit("Ann's token has ended on the way: what was asked after that says nothing.")
    return done.returncode


if __name__ == "__main__":
    sys.exit(main())
