"""nginx with the example site in front of a service, on loopback, with its own certificate."""

import contextlib
import json
import os
import shutil
import socket
import ssl
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.client import HTTPResponse
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from tests.deploy.files import DEPLOY
from tests.process.conftest import Service, free_port
from tests.waiting import LONGEST_WAIT_SECONDS, until

NAME = "tasks.example.com"
# A distribution's configuration around the site, with all folders inside `home`.
AROUND = """
{user}
pid {home}/nginx.pid;
worker_processes 1;
events {{}}
http {{
    client_body_temp_path {home}/body;
    proxy_temp_path {home}/proxy;
    fastcgi_temp_path {home}/fastcgi;
    uwsgi_temp_path {home}/uwsgi;
    scgi_temp_path {home}/scgi;
    include {home}/site.conf;
}}
"""


class Answer(NamedTuple):
    status: int
    headers: dict[str, str]
    text: str

    @property
    def body(self) -> Any:
        return json.loads(self.text)


class Client:
    """A connection that sends requests unchanged."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock

    def send(self, data: bytes) -> "Client":
        self.sock.sendall(data)
        return self

    def answer(self, method: str = "GET") -> Answer:
        response = HTTPResponse(self.sock, method=method)
        response.begin()
        text = response.read().decode()
        return Answer(response.status, {name.lower(): value for name, value in response.getheaders()}, text)


class Site:
    """The running site, of one machine or of two."""

    def __init__(self, service: Service, home: Path, second_port: int | None) -> None:
        self.service, self.home, self.second_port = service, home, second_port
        self.port, self.plain_port = free_port(), free_port()
        self._trust = ssl.create_default_context(cadata=_make_certificate(home))
        (home / "nginx.conf").write_text(AROUND.format(home=home, user="user root;" if os.geteuid() == 0 else ""))
        (home / "site.conf").write_text(self._site())

    @contextmanager
    def connected(self, source: str = "127.0.0.1", receive_bytes: int | None = None) -> Iterator[Client]:
        """Open a client over TLS from a loopback address. `receive_bytes` is the size of its kernel's buffer."""
        with contextlib.closing(socket.socket()) as sock:
            sock.settimeout(LONGEST_WAIT_SECONDS)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if receive_bytes:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_bytes)
            sock.bind((source, 0))
            sock.connect(("127.0.0.1", self.port))
            with self._trust.wrap_socket(sock, server_hostname=NAME) as encrypted:
                yield Client(encrypted)

    def call(
        self, method: str, path: str, token: str = "", body: bytes = b"", source: str = "127.0.0.1", **headers: str
    ) -> Answer:
        with self.connected(source) as client:
            return client.send(request(method, path, token, len(body), **headers) + body).answer(method)

    def _site(self) -> str:
        text = (DEPLOY / "nginx.conf").read_text()
        changes = {
            "server 127.0.0.1:8000 ": f"server 127.0.0.1:{self.service.port} ",
            "listen 80;": f"listen 127.0.0.1:{self.plain_port};",
            "listen [::]:80;": "",
            "listen 443 ssl http2;": f"listen 127.0.0.1:{self.port} ssl http2;",
            "listen [::]:443 ssl http2;": "",
            "/etc/letsencrypt/live/tasks.example.com": str(self.home),
            "/var/log/nginx": str(self.home),
            "/var/www/html": str(self.home),
        }
        if self.second_port:
            changes["#server 192.0.2.2:8000 "] = f"server 127.0.0.1:{self.second_port} "
        for example, here in changes.items():
            assert example in text, f"nginx.conf has no {example}"
            text = text.replace(example, here)
        return text


def request(method: str, path: str, token: str = "", length: int = 0, **headers: str) -> bytes:
    """Return a request up to its body."""
    lines = [f"{method} {path} HTTP/1.1", f"Host: {NAME}"]
    if token:
        lines.append(f"Authorization: Bearer {token}")
    if length:
        lines += ["Content-Type: application/json", f"Content-Length: {length}"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode()


@contextmanager
def serving(program: str, service: Service, home: Path, second_port: int | None = None) -> Iterator[Site]:
    """Run nginx in the foreground."""
    site = Site(service, home, second_port)
    command = [program, "-p", str(home), "-c", str(home / "nginx.conf"), "-e", str(home / "error.log")]
    tested = subprocess.run([*command, "-t", "-q"], capture_output=True, text=True, check=False)
    assert tested.returncode == 0, tested.stderr
    running = subprocess.Popen([*command, "-g", "daemon off;"])
    try:
        until(lambda: running.poll() is not None or _listens(site.port), "nginx")
        yield site
    finally:
        running.terminate()
        running.wait(LONGEST_WAIT_SECONDS)


def require_nginx() -> str:
    """Return its path, or skip the test."""
    nginx = shutil.which("nginx", path=f"{os.environ['PATH']}:/usr/sbin")
    if nginx is None:
        pytest.skip("there is no nginx (Debian: apt-get install nginx-light)")
    return nginx


def _listens(port: int) -> bool:
    with contextlib.closing(socket.socket()) as sock:
        return sock.connect_ex(("127.0.0.1", port)) == 0


def _make_certificate(home: Path) -> str:
    """Write a self-signed certificate and its key to the site's paths, and return its text."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, NAME)])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(NAME)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    text = certificate.public_bytes(serialization.Encoding.PEM)
    (home / "fullchain.pem").write_bytes(text)
    (home / "privkey.pem").write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return text.decode()
