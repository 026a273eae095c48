"""Issuers that publish their keys, and services that trust them."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from typing import Any

import pytest
from flask import Flask
from werkzeug.test import TestResponse

from app.auth import jwks, single_flight
from app.auth.verifier import Verifier
from app.services import services_of
from app.settings import read_settings
from tests.auth.issuer import Clock, Issuer
from tests.auth.people import Member, another_app, register
from tests.auth.tokens import PRIVATE_KEYS, key_of, without_left_out
from tests.conftest import Caller, NewDatabase, make_app, settings_for

NewApp = Callable[..., AbstractContextManager[Flask]]
NewVerifier = Callable[..., Verifier]


@pytest.fixture(scope="session")
def front_end() -> Iterator[Issuer]:
    """An issuer with a key for every algorithm. Tests leave it as it is."""
    with Issuer(*(key_of(algorithm) for algorithm in PRIVATE_KEYS)) as front_end:
        yield front_end


@pytest.fixture(scope="session")
def trusting(new_database: NewDatabase, front_end: Issuer) -> Iterator[Flask]:
    """An app that trusts all three kinds of issuers."""
    app = make_app(new_database(), AUTH_JWKS_URL=front_end.url)
    yield app
    services_of(app).engine.dispose()


@pytest.fixture(scope="session")
def trusting_with(trusting: Flask, front_end: Issuer) -> NewApp:
    """Opens an app that trusts all three kinds of issuers, with these settings, as another process would."""
    return lambda **changes: another_app(trusting, **{"AUTH_JWKS_URL": front_end.url, **changes})


@pytest.fixture
def issuer() -> Iterator[Issuer]:
    """An issuer of this test's own, with one key."""
    with Issuer() as issuer:
        yield issuer


@pytest.fixture(scope="session")
def new_verifier() -> NewVerifier:
    """Makes the verifier of a service with these settings, where LEFT_OUT unsets one; it needs no database."""

    def make(**changes: Any) -> Verifier:
        return Verifier(read_settings(without_left_out(settings_for("sqlite:////nonexistent/tasks.db", **changes))))

    return make


@pytest.fixture
def verifier(new_verifier: NewVerifier, issuer: Issuer) -> Verifier:
    """The verifier of a service that trusts this test's issuer."""
    return new_verifier(AUTH_JWKS_URL=issuer.url)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """The clock by which keys grow old."""
    clock = Clock()
    for module in (jwks, single_flight):
        monkeypatch.setattr(module, "time", clock)
    return clock


@pytest.fixture
def send(trusting: Flask) -> Callable[[str], TestResponse]:
    """Sends a token to the app that trusts all three kinds of issuers."""
    return lambda token: Caller(trusting, "somebody", token).get("/v1/tasks")


@pytest.fixture
def origin(front_end: Issuer) -> str:
    """What its tokens name as issuer and audience."""
    return front_end.origin


@pytest.fixture
def member(app: Flask) -> Member:
    """Somebody with an account of the service's own."""
    return register(app)


@pytest.fixture
def other(app: Flask) -> Iterator[Flask]:
    """A second process on the same database."""
    with another_app(app) as other:
        yield other
