"""gunicorn's own lines have the service's format."""

import json
import re
import socket

import pytest

from tests.conftest import settings_for
from tests.process.conftest import BIN, Start

SERVER = (str(BIN / "gunicorn"), "wsgi:app")


@pytest.mark.parametrize("form", ["json", "text"])
def test_gunicorns_lines_have_the_services_format(start: Start, sqlite_url: str, form: str) -> None:
    """Such as its warning about a request that is not HTTP."""
    service = start(*SERVER, **settings_for(sqlite_url, LOG_LEVEL="info", LOG_FORMAT=form))
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
