"""Fetching, keeping, renewing and withdrawing the published keys of an issuer."""

import subprocess
import sys
import threading
import time

import pytest

from app.auth import jwks
from app.auth.shared_document import SharedDocument
from app.http.problems import Problem
from app.settings import PROJECT
from tests.api.support.calls import assert_problem
from tests.auth.issuer import answer_when_released, answer_with, drip
from tests.auth.people import at_once, register
from tests.auth.tokens import KINDS, PRIVATE_KEYS, claims_of, key_of, new_key, token_of
from tests.conftest import Caller, new_user_id, settings_for
from tests.waiting import LONGEST_WAIT_SECONDS, until

FAILURES = {
    "error": answer_with(500, b'{"keys":[]}'),
    "not found": answer_with(404),
    "redirect": answer_with(302, Location="/elsewhere"),
    "HTML": answer_with(200, b"<html></html>"),
    "broken JSON": answer_with(200, b'{"keys":[{'),
    "no JWK Set": answer_with(200, b'{"jwks":[]}'),
    "a list": answer_with(200, b"[]"),
    "no list of keys": answer_with(200, b'{"keys":{}}'),
    "two lists of keys": answer_with(200, b'{"keys":[],"keys":[]}'),
    "too large": answer_with(200, b'{"keys":[]}' + b" " * jwks.ANSWER_BYTES),
    "no HTTP": drip(b"\x16\x03\x01\r\n\r\n", endless=b"\0"),
}


def verdict(verifier, token):
    """Return whether a token is accepted, or the code of its rejection."""
    try:
        verifier.verify(token)
    except Problem as problem:
        return problem.code
    return "accepted"


@pytest.mark.parametrize("algorithm", PRIVATE_KEYS)
def test_a_token_under_a_published_key_creates_a_task(trusting, front_end, algorithm):
    """With each algorithm."""
    user_id = new_user_id()
    caller = Caller(trusting, user_id, front_end.token(key_of(algorithm), sub=user_id))

    task = caller.add(title=algorithm)

    assert task["user_id"] == user_id
    assert caller.get(f"/v1/tasks/{task['id']}").json == task


def test_all_three_kinds_of_issuers_work_at_once(trusting, front_end):
    """Each user sees only their own tasks."""
    member = register(trusting)
    users = {kind: (new_user_id(), kind) for kind in KINDS if kind != "own"}
    callers = [Caller(trusting, user, token_of(kind, front_end.origin, sub=user)) for user, kind in users.values()]

    for caller in [member, *callers]:
        task = caller.add()
        answer = caller.get("/v1/tasks")
        assert (answer.status_code, answer.json["items"]) == (200, [task])


def test_no_keys_are_fetched_before_the_first_token(verifier, issuer):
    """The service starts without its front end."""
    assert issuer.requests == []
    assert verdict(verifier, issuer.token()) == "accepted"
    assert len(issuer.requests) == 1


def test_keys_are_fetched_once_for_many_tokens(verifier, issuer):
    """A known key needs no fetch."""
    users = {verifier.verify(issuer.token()).user_id for _ in range(50)}

    assert len(users) == 50
    assert len(issuer.requests) == 1


def test_concurrent_requests_fetch_the_keys_once(verifier, issuer):
    """The others wait for the same fetch."""
    users = at_once(20, lambda: verifier.verify(issuer.token()).user_id)

    assert len(set(users)) == 20
    assert len(issuer.requests) == 1


def test_an_unknown_kid_fetches_at_most_every_5_seconds(verifier, issuer, clock):
    """So that clients cannot flood the issuer through this service."""
    assert verdict(verifier, issuer.token()) == "accepted"
    strangers = [new_key() for _ in range(10)]
    for fetches in (1, 2, 3):
        for stranger in strangers:
            assert verdict(verifier, issuer.token(stranger)) == "token_signature"
        assert len(issuer.requests) == fetches
        clock.let_pass(jwks.ASK_AGAIN_SECONDS + 0.1)


def test_a_failing_issuer_is_asked_at_most_every_5_seconds(verifier, issuer, clock):
    """The interval counts from the last response, good or bad."""
    issuer.answering = FAILURES["error"]
    for fetches in (1, 2):
        for _ in range(5):
            assert verdict(verifier, issuer.token()) == "keys_unavailable"
        assert len(issuer.requests) == fetches
        clock.let_pass(jwks.ASK_AGAIN_SECONDS + 0.1)


def test_a_new_key_is_fetched_for_its_first_token(verifier, issuer, clock):
    """Issuers rotate keys without notice. Tokens under the old key stay valid."""
    old = issuer.token()
    assert verdict(verifier, old) == "accepted"
    issuer.rotate()
    new = issuer.token()
    assert verdict(verifier, new) == "token_signature"

    clock.let_pass(jwks.ASK_AGAIN_SECONDS + 0.1)

    assert verdict(verifier, new) == "accepted"
    assert verdict(verifier, old) == "accepted"
    assert len(issuer.requests) == 2


@pytest.mark.parametrize("asking", ["another token", "the same token"])
def test_tokens_of_a_withdrawn_key_are_rejected(verifier, issuer, clock, asking):
    """The keys are fetched again in the background, for any token, and remembered tokens are forgotten."""
    old_key, token = issuer.signing, issuer.token()
    assert verdict(verifier, token) == verdict(verifier, token) == "accepted"
    issuer.rotate()
    issuer.withdraw(old_key)
    clock.let_pass(jwks.FRESH_SECONDS + 1)

    def is_refused():
        return verdict(verifier, token if asking == "the same token" else issuer.token(old_key)) != "accepted"

    until(is_refused, "the refusal")
    assert verdict(verifier, token) == "token_signature"
    assert verdict(verifier, issuer.token()) == "accepted"


def test_if_all_keys_are_withdrawn_their_tokens_are_rejected(verifier, issuer, clock):
    """The issuer has answered, so this is not an outage: 503 is only for keys that were never fetched."""
    assert verdict(verifier, issuer.token()) == "accepted"
    issuer.publish()
    clock.let_pass(jwks.FRESH_SECONDS + 1)

    until(lambda: verdict(verifier, issuer.token()) != "accepted", "the refusal")
    assert verdict(verifier, issuer.token()) == "token_signature"


@pytest.mark.parametrize("failure", FAILURES)
def test_the_last_keys_are_kept_if_a_fetch_fails(verifier, issuer, clock, failure):
    """A front end that is down, or sends nonsense, signs out no user."""
    known = issuer.token()
    assert verdict(verifier, known) == "accepted"
    issuer.answering = FAILURES[failure]
    clock.let_pass(jwks.ASK_AGAIN_SECONDS + 0.1)
    assert verdict(verifier, issuer.token(new_key())) == "token_signature"

    assert len(issuer.requests) == 2
    assert verdict(verifier, known) == "accepted"
    assert verdict(verifier, issuer.token()) == "accepted"


def test_the_keys_are_kept_if_the_issuer_is_gone(verifier, issuer, clock):
    """Such as when it refuses connections."""
    assert verdict(verifier, issuer.token()) == "accepted"
    issuer.close()
    clock.let_pass(jwks.FRESH_SECONDS + 1)

    for _ in range(3):
        assert verdict(verifier, issuer.token()) == "accepted"


@pytest.mark.one_engine
@pytest.mark.parametrize("failure", FAILURES)
def test_before_the_first_successful_fetch_the_response_is_503(trusting_with, issuer, failure):
    """It says when to try again, because the token may be valid."""
    issuer.answering = FAILURES[failure]
    with trusting_with(AUTH_JWKS_URL=issuer.url) as app:
        answer = Caller(app, "somebody", issuer.token()).get("/v1/tasks")

        assert_problem(answer, 503, "keys_unavailable")
        assert int(answer.headers["Retry-After"]) > 0
        assert "WWW-Authenticate" not in answer.headers
        for kind in ("own", "shared"):
            assert Caller(app, "somebody", token_of(kind, issuer.origin)).get("/v1/tasks").status_code == 200


@pytest.mark.parametrize("asking", ["a stranger", "the background"])
def test_a_token_with_a_known_key_never_waits(verifier, issuer, clock, asking):
    """Neither for another request's fetch, nor for one that it started."""
    assert verdict(verifier, issuer.token()) == "accepted"
    issuer.asked.clear()
    issuer.answering = answer_when_released
    clock.let_pass(jwks.FRESH_SECONDS + 1)
    token = issuer.token(new_key()) if asking == "a stranger" else issuer.token()
    waiting = threading.Thread(target=verdict, args=(verifier, token), daemon=True)
    waiting.start()
    assert issuer.asked.wait(LONGEST_WAIT_SECONDS)

    # The issuer responds only after these.
    for _ in range(3):
        assert verdict(verifier, issuer.token()) == "accepted"

    assert len(issuer.requests) == 2
    issuer.released.set()
    waiting.join(LONGEST_WAIT_SECONDS)
    assert not waiting.is_alive()


def test_an_unknown_kid_waits_only_briefly_for_a_hanging_issuer(verifier, issuer, clock, monkeypatch):
    """For a moment from the start of a fetch; later requests do not wait at all."""
    monkeypatch.setattr(jwks, "PATIENCE_SECONDS", 1)
    assert verdict(verifier, issuer.token()) == "accepted"
    issuer.answering = answer_when_released
    clock.let_pass(jwks.ASK_AGAIN_SECONDS + 0.1)
    strangers = iter([issuer.token(new_key()) for _ in range(12)])
    began_at = time.monotonic()
    assert at_once(10, lambda: verdict(verifier, next(strangers))) == ["token_signature"] * 10
    waited_at = time.monotonic()
    assert [verdict(verifier, stranger) for stranger in strangers] == ["token_signature"] * 2
    ended_at = time.monotonic()

    assert len(issuer.requests) == 2
    assert waited_at - began_at < 3
    assert ended_at - waited_at < 1


def test_the_keys_are_kept_after_any_error(verifier, issuer, clock, monkeypatch):
    """Also after unexpected ones."""
    assert verdict(verifier, issuer.token()) == "accepted"
    monkeypatch.setattr(jwks, "read_keys", lambda _: {}["nothing"])
    clock.let_pass(jwks.ASK_AGAIN_SECONDS + 0.1)

    assert verdict(verifier, issuer.token(new_key())) == "token_signature"
    assert len(issuer.requests) == 2
    assert verdict(verifier, issuer.token()) == "accepted"


def test_a_worker_fetches_the_keys_at_its_start(verifier, issuer):
    """In the background, so that the first token finds them."""
    verifier.start()
    until(lambda: verifier._key_set._had_keys, "the keys")

    assert verdict(verifier, issuer.token()) == "accepted"
    assert len(issuer.requests) == 1


NEW_WORKERS = """
import os, sys
from app.auth.verifier import Verifier
from app.settings import load_settings

verifiers = {how: Verifier(load_settings()) for how in ("start", "none")}
for line in sys.stdin:
    verifier = verifiers[line.strip()]
    if (worker := os.fork()) == 0:
        if line.strip() == "start":
            verifier.start()
        print(verifier.verify(os.environ["TOKEN"]).user_id, flush=True)
        os._exit(0)
    os.waitpid(worker, 0)
"""


def test_a_new_worker_takes_over_the_others_keys(issuer):
    """It was forked after one had fetched them, at its start or for a token, and the issuer is down."""
    environment = settings_for("sqlite:////nonexistent/tasks.db", AUTH_JWKS_URL=issuer.url)
    command = [sys.executable, "-c", NEW_WORKERS]
    environment |= {"TOKEN": issuer.token(sub="ann")}
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with subprocess.Popen(command, env=environment, cwd=PROJECT, **pipes) as workers:
        for number, how in enumerate(["start", "none"] * 3):
            workers.stdin.write(f"{how}\n")
            workers.stdin.flush()
            assert workers.stdout.readline() == "ann\n"
            if number == 1:
                assert len(issuer.requests) == 2
                issuer.close()
        workers.stdin.close()


def test_a_half_written_shared_document_is_ignored():
    """Its hash is wrong. There is no lock that a killed worker could keep."""
    shared = SharedDocument(100)
    assert shared.read() is None
    for document in (b"longer than the next", b"next", b""):
        shared.write(document)
        assert shared.read() == document
    shared.write(b"a document")
    shared._memory[45:46] = b"!"

    assert shared.read() is None


def test_another_issuers_token_does_not_cause_a_fetch(verifier, issuer):
    """Only a token that this issuer could have signed does."""
    for kind in ("own", "shared"):
        assert verdict(verifier, token_of(kind, issuer.origin)) == "accepted"

    assert issuer.requests == []
    assert verdict(verifier, issuer.signing.sign(claims_of("published", issuer.origin))) == "accepted"
