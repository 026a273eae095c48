"""Callers with personal tokens."""

from typing import Any

from flask import Flask

from app.auth.tokens import PersonalToken
from app.services import services_of
from tests.auth.people import ago, sql
from tests.conftest import Caller
from tests.waiting import until

READ, WRITE = "tasks:read", "tasks:write"


class Script(Caller):
    """A caller with a personal token that its owner has made."""

    def __init__(self, app: Flask, owner: Caller, made: dict[str, Any]) -> None:
        self.app, self.owner, self.made = app, owner, made
        self.token, self.id = made["token"], made["id"]
        super().__init__(app, owner.user_id, self.token)

    @property
    def hash(self) -> str:
        return PersonalToken(self.token).hash

    def at(self, app: Flask) -> "Script":
        """Return the same token as a caller of another process."""
        return Script(app, self.owner, self.made)

    def end(self) -> None:
        assert self.owner.delete(f"/v1/auth/tokens/{self.id}").status_code == 204

    def expire(self, seconds: float) -> None:
        """Let the token have expired so long ago, and be forgotten as verified."""
        statement = "UPDATE personal_tokens SET expires_at = :moment WHERE token_hash = :hash"
        sql(self.app, statement, moment=ago(seconds), hash=self.hash)
        forget(self.app)


def make(owner: Caller, *scopes: str, **options: Any) -> dict[str, Any]:
    """Make a personal token with these scopes; without any, one that can write."""
    answer = owner.post("/v1/auth/tokens", json={"name": "script", "scopes": scopes or [WRITE], **options})
    assert answer.status_code == 201, answer.text
    return dict(answer.json)


def script_of(app: Flask, owner: Caller, *scopes: str, **options: Any) -> Script:
    return Script(app, owner, make(owner, *scopes, **options))


def tokens_of(owner: Caller) -> list[dict[str, Any]]:
    """Return the tokens that the service lists."""
    answer = owner.get("/v1/auth/tokens")
    assert answer.status_code == 200, answer.text
    return list(answer.json["items"])


def forget(app: Flask) -> None:
    """Let an app forget all verified tokens, like a new process."""
    services_of(app).verifier._verified.clear()


def wait_for_uses(app: Flask) -> None:
    """Wait until this process has written all uses."""
    until(lambda: not services_of(app).uses._is_writing, "uses of personal tokens to be written")
