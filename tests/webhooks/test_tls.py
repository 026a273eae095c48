"""TLS to a receiver: for its name, by a known authority, and in time."""

import socket
import ssl
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from flask import Flask

from app.webhooks import lookup, sending
from tests.webhooks.conftest import Ann, Receiver, work

pytestmark = pytest.mark.one_engine

NAME = "receiver.test"


def certificate(folder: Path, name: str, days: int = 1) -> Path:
    """Make a certificate for a name that signs itself; return the file with it and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, f"{name} {days}")])
    begins, file = datetime.now(UTC) - timedelta(2), folder / f"{name} {days}.pem"
    made = (
        x509.CertificateBuilder(subject, subject, key.public_key(), x509.random_serial_number())
        .not_valid_before(begins)
        .not_valid_after(begins + timedelta(2 + days))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    file.write_bytes(
        made.public_bytes(serialization.Encoding.PEM)
        + key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return file


@pytest.fixture
def known(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Path]]:
    """Certificates for two names, and one that is too old, which this process knows; the first name is this machine."""
    files = [certificate(tmp_path, NAME), certificate(tmp_path, "other.test"), certificate(tmp_path, NAME, -1)]
    together = tmp_path / "known.pem"
    together.write_bytes(b"".join(file.read_bytes() for file in files))
    monkeypatch.setenv("SSL_CERT_FILE", str(together))
    found = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", 0))]
    monkeypatch.setattr(lookup, "_system", lambda *_, **__: found)
    sending._tls.cache_clear()
    yield files
    sending._tls.cache_clear()


def receiver_with(file: Path) -> Receiver:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file)
    return Receiver(lambda plain: context.wrap_socket(plain, server_side=True))


def sent_to(app: Flask, ann: Ann, port: int) -> dict[str, Any]:
    hook = ann.hook(f"https://{NAME}:{port}/hook")
    ann.add(title="x" * 200, details="y" * 10_000)
    work(app)
    return ann.deliveries(hook)[0]


def test_a_known_certificate_for_the_name_is_accepted(app: Flask, ann: Ann, known: list[Path]) -> None:
    receiver = receiver_with(known[0])

    assert sent_to(app, ann, receiver.port)["status"] == "delivered"
    assert receiver.got[0].json["data"]["task"]["details"] == "y" * 10_000
    receiver.close()


@pytest.mark.parametrize(("which", "words"), [(1, "Hostname mismatch"), (2, "certificate has expired")])
def test_another_names_or_an_old_certificate_is_not(
    app: Flask, ann: Ann, known: list[Path], which: int, words: str
) -> None:
    """And nothing is sent."""
    receiver = receiver_with(known[which])

    delivery = sent_to(app, ann, receiver.port)
    assert delivery["last_error"].startswith(f"Its certificate is not valid: {words}")
    assert (delivery["status"], receiver.got) == ("waiting", [])
    receiver.close()


def test_an_unknown_certificate_is_not(app: Flask, ann: Ann, known: list[Path], tmp_path: Path) -> None:
    (tmp_path / "new").mkdir()
    receiver = receiver_with(certificate(tmp_path / "new", NAME))

    assert sent_to(app, ann, receiver.port)["last_error"] == "Its certificate is not valid: self-signed certificate."
    assert receiver.got == []
    receiver.close()


def keep_silent(plain: socket.socket) -> socket.socket:
    time.sleep(3)
    return plain


def drip(plain: socket.socket) -> socket.socket:
    """Begin a TLS record that would be long, a byte at a time."""
    plain.sendall(b"\x16\x03\x03\x20\x00")
    while True:
        plain.sendall(b"\x02")
        time.sleep(0.02)


def speak_http(plain: socket.socket) -> socket.socket:
    plain.sendall(b"HTTP/1.1 204 No Content\r\n\r\n")
    return plain


@pytest.mark.parametrize(
    ("wrap", "error"),
    [
        (keep_silent, "It took longer than 1 s."),
        (drip, "It took longer than 1 s."),
        (speak_http, "It does not speak TLS as this service does."),
    ],
)
def test_a_handshake_ends_in_time(
    app: Flask, ann: Ann, known: list[Path], monkeypatch: pytest.MonkeyPatch, wrap: Any, error: str
) -> None:
    """Even if each byte comes soon after the one before."""
    monkeypatch.setattr(sending, "WHOLE_SECONDS", 1)
    receiver = Receiver(wrap)

    assert sent_to(app, ann, receiver.port)["last_error"] == error
    receiver.close()
