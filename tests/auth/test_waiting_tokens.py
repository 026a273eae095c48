"""A token that is refused ends its waits for changes."""

import time

import pytest
from flask import Flask

from app.auth import claims, verifier
from app.auth.queries import disable_user
from app.services import services_of
from tests.api.support.calls import assert_problem
from tests.api.support.replicas import changes
from tests.api.support.waits import LONG, ended_by
from tests.api.support.waits import waiting as let_wait
from tests.auth.people import Member
from tests.auth.personal import script_of
from tests.auth.test_revocation import ENDINGS
from tests.conftest import Caller, shared_token
from tests.waiting import until

pytestmark = pytest.mark.one_engine


@pytest.mark.parametrize("end", ENDINGS)
def test_a_revoked_token_ends_its_waits_in_every_process(member: Member, other: Flask, end: str) -> None:
    """In a process that has no other requests, too, and without any change."""
    there, ended = member.at(other), ended_by(other)
    since = changes(member)["next"]
    with let_wait(there, since) as [elsewhere], let_wait(member, since) as [here]:
        assert ENDINGS[end](member).status_code in (200, 204)
        answers = [wait.result(LONG / 2) for wait in (here, elsewhere)]

    for answer in answers:
        assert_problem(answer, 401, "token_revoked")
    assert ended == ["token"]
    assert services_of(other).waits.count == 0


def test_a_disabled_user_waits_no_longer(member: Member, other: Flask) -> None:
    """In a process that learns of it by the next reading."""
    with let_wait(member.at(other), changes(member)["next"]) as [answer]:
        with member.app.app_context():
            disable_user(str(member.user_id))
        refused = answer.result(LONG / 2)

    assert_problem(refused, 401, "token_revoked")


def test_an_ended_personal_token_waits_no_longer(member: Member, other: Flask) -> None:
    """Other tokens of the same user wait on."""
    script = script_of(member.app, member, "tasks:read")
    since = changes(member)["next"]
    with let_wait(script.at(other), since) as [answer], let_wait(member.at(other), since, wait=2) as [owners]:
        script.end()
        refused = answer.result(LONG / 2)

    assert_problem(refused, 401, "token_revoked")
    assert owners.result().status_code == 200


def test_a_token_that_expires_meanwhile_gets_no_changes(
    app: Flask, ann: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The client has to get a new one first."""
    for module in (claims, verifier):
        monkeypatch.setattr(module, "LEEWAY_SECONDS", 0)
    expires = int(time.time()) + 2
    caller = Caller(app, ann.user_id, shared_token(ann.user_id, exp=expires))
    with let_wait(caller, changes(ann)["next"]) as [answer]:
        until(lambda: time.time() > expires, "the token's end")
        ann.add()
        refused = answer.result(LONG / 2)

    assert_problem(refused, 401, "token_expired")
