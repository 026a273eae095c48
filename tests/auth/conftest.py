"""Issuers that publish their keys, and apps and verifiers that trust them."""

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
    """An issuer with a key for every algorithm. Tests do not change it."""
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
    """Return a function that opens such an app with these settings, like another process."""
    return lambda **changes: another_app(trusting, **{"AUTH_JWKS_URL": front_end.url, **changes})


@pytest.fixture
def issuer() -> Iterator[Issuer]:
    """An issuer for this test only, with one key."""
    with Issuer() as issuer:
        yield issuer


@pytest.fixture(scope="session")
def new_verifier() -> NewVerifier:
    """Return a function that makes a verifier with these settings, without a database. LEFT_OUT unsets one."""

    def make(**changes: Any) -> Verifier:
        return Verifier(read_settings(without_left_out(settings_for("sqlite:////nonexistent/tasks.db", **changes))))

    return make


@pytest.fixture
def verifier(new_verifier: NewVerifier, issuer: Issuer) -> Verifier:
    """The verifier of a service that trusts this test's issuer."""
    return new_verifier(AUTH_JWKS_URL=issuer.url)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """The clock that decides how old keys are."""
    clock = Clock()
    for module in (jwks, single_flight):
        monkeypatch.setattr(module, "time", clock)
    return clock


@pytest.fixture
def send(trusting: Flask) -> Callable[[str], TestResponse]:
    """Send a token to the app that trusts all three kinds of issuers."""
    return lambda token: Caller(trusting, "somebody", token).get("/v1/tasks")


@pytest.fixture
def origin(front_end: Issuer) -> str:
    """The issuer and audience of its tokens."""
    return front_end.origin


@pytest.fixture
def member(app: Flask) -> Member:
    """A user with an account of this service."""
    return register(app)


@pytest.fixture
def other(app: Flask) -> Iterator[Flask]:
    """A second process on the same database."""
    with another_app(app) as other:
        yield other
