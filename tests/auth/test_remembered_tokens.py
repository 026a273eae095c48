"""Verified tokens are remembered within limits, so that not every request checks the signature."""

import time

from app.auth import verifier as verifier_module
from app.auth.claims import LEEWAY_SECONDS
from app.auth.problems import TokenExpired
from tests.conftest import new_user_id, shared_token
from tests.waiting import until


def test_a_remembered_token_stays_the_same_user(new_verifier):
    """Other tokens do not become that user."""
    verifier, users = new_verifier(), [new_user_id() for _ in range(5)]
    tokens = [shared_token(user) for user in users]

    for _ in range(3):
        assert [verifier.verify(token).user_id for token in tokens] == users


def test_a_remembered_token_expires(new_verifier):
    """It is remembered only while it is valid."""
    verifier = new_verifier()
    token = shared_token("ann", exp=int(time.time()) - LEEWAY_SECONDS + 3)
    assert verifier.verify(token) == verifier.verify(token)

    def has_expired():
        try:
            verifier.verify(token)
        except TokenExpired:
            return True
        return False

    until(has_expired, "the refusal")


def test_the_number_of_remembered_tokens_is_limited(new_verifier, monkeypatch):
    """The oldest are forgotten first, and verified again when they come back."""
    monkeypatch.setattr(verifier_module, "REMEMBERED_TOKENS", 3)
    verifier, users = new_verifier(), [new_user_id() for _ in range(10)]
    tokens = [shared_token(user) for user in users]

    for _ in range(2):
        assert [verifier.verify(token).user_id for token in tokens] == users
    assert len(verifier._verified) == 3
