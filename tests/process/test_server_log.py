"""gunicorn's own lines have the form of the service's, so that one reader reads all of the log."""

import json
import re
import socket

import pytest

from tests.conftest import settings_for
from tests.process.conftest import BIN, Start

SERVER = (str(BIN / "gunicorn"), "wsgi:app")


@pytest.mark.parametrize("form", ["json", "text"])
def test_what_gunicorn_says_looks_like_the_rest(start: Start, sqlite_url: str, form: str) -> None:
    """A request that is no HTTP is its warning."""
    service = start(*SERVER, **settings_for(sqlite_url, LOG_LEVEL="info", LOG_FORMAT=form, WEB_CONCURRENCY="1"))
    with socket.create_connection(("127.0.0.1", service.port), 10) as client:
        client.sendall(b"no HTTP\r\n\r\n")
        assert client.recv(12) == b"HTTP/1.1 400"
    assert service.stop() == 0

    (line,) = [line for line in service.log.splitlines() if "Invalid request" in line]
    if form == "json":
        said = json.loads(line)
        assert (said["level"], said["logger"]) == ("warning", "gunicorn.error")
    else:
        assert re.match(r"\S+Z WARNING Invalid request from ip=127\.0\.0\.1: ", line)
