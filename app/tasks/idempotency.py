"""Exactly-once writes: a request with an Idempotency-Key runs once, and gets the same response each time."""

import hashlib
import re
import secrets
from collections.abc import Callable
from functools import wraps
from typing import Any

import orjson
from flask import Response, g, request
from sqlalchemy import bindparam, delete, literal, select, update

from app.auth.identity import Identity
from app.database import execute, fetch_one, in_transaction
from app.database.columns import from_now, is_older, now
from app.database.engines import both_engines, for_engine
from app.http.blueprint import raises, takes, the_request
from app.http.problems import ValidationFailed
from app.tasks.models import idempotency_keys
from app.tasks.problems import IdempotencyKeyReused
from app.tasks.queries import for_known_user

HEADER = "Idempotency-Key"
KEPT_SECONDS = 24 * 3600
# On average, one use of a key in this many deletes the user's old keys.
CLEANUP_ONE_IN = 100
REPLAYED_HEADERS = ("Location", "ETag")

_KEY = re.compile(r"[!-~]{1,255}")
_this_key = (idempotency_keys.c.user_id == bindparam("of_user"), idempotency_keys.c.key == bindparam("of_key"))


def _claim_key(insert_for_engine: Any) -> Any:
    """Build the upsert that claims a free key. A second request waits here until the first has committed or failed."""
    statement = insert_for_engine(idempotency_keys).values(created_at=now())
    new = statement.excluded
    again = {"request_hash": new.request_hash, "created_at": new.created_at, "answer": None}
    is_old = is_older(idempotency_keys.c.created_at, literal(KEPT_SECONDS), new.created_at)
    return statement.on_conflict_do_update(index_elements=["user_id", "key"], set_=again, where=is_old).returning(
        idempotency_keys.c.key
    )


_claim = both_engines(_claim_key)
_find = select(idempotency_keys.c.request_hash, idempotency_keys.c.answer).where(*_this_key)
_keep = update(idempotency_keys).where(*_this_key).values(answer=bindparam("kept_answer"))
# The clock is read once, not for each row.
_clear = delete(idempotency_keys).where(
    idempotency_keys.c.user_id == bindparam("of_user"),
    idempotency_keys.c.created_at <= select(from_now(literal(-KEPT_SECONDS))).scalar_subquery(),
)


def idempotent(view: Callable[..., Response]) -> Callable[..., Response]:
    """Run a view once for each Idempotency-Key, and store its response in the same transaction."""

    @wraps(view)
    def wrapper(*args: Any, **kwargs: Any) -> Response:
        key = the_request().headers.get(HEADER)
        if key is None:
            return view(*args, **kwargs)
        if not _KEY.fullmatch(key):
            raise ValidationFailed(errors={HEADER: ["Must be 1 to 255 visible ASCII characters."]})
        return run_once(g.identity, key, _request_hash(), lambda: view(*args, **kwargs))

    return takes(HEADER)(raises(IdempotencyKeyReused)(wrapper))


def clear_keys(user_id: str) -> None:
    """Delete a user's expired keys."""
    execute(_clear, {"of_user": user_id})


def run_once(identity: Identity, key: str, request_hash: str, work: Callable[[], Response]) -> Response:
    """Do some work once for a user's key, and keep its response for repetitions of the request with this hash."""
    if secrets.randbelow(CLEANUP_ONE_IN) == 0:
        clear_keys(identity.user_id)
    return for_known_user(identity, lambda: _claim_and_work(identity.user_id, key, request_hash, work))


def _claim_and_work(user_id: str, key: str, request_hash: str, work: Callable[[], Response]) -> Response:
    parameters = {"of_user": user_id, "of_key": key}

    def run() -> Response:
        if fetch_one(for_engine(_claim), {"user_id": user_id, "key": key, "request_hash": request_hash}) is None:
            return _replay(parameters, request_hash)
        answer = work()
        execute(_keep, {**parameters, "kept_answer": _write_answer(answer)})
        return answer

    return in_transaction(run)


def _replay(parameters: dict[str, str], request_hash: str) -> Response:
    kept = fetch_one(_find, parameters)
    if kept is None or kept.request_hash != request_hash:
        raise IdempotencyKeyReused
    return _read_answer(kept.answer)


def _write_answer(answer: Response) -> str:
    headers = {name: answer.headers[name] for name in REPLAYED_HEADERS if name in answer.headers}
    return orjson.dumps([answer.status_code, headers, answer.get_data(as_text=True)]).decode()


def _read_answer(kept: str) -> Response:
    status, headers, body = orjson.loads(kept)
    return Response(body, status, {**headers, "Idempotent-Replay": "true"}, content_type="application/json")


def _request_hash() -> str:
    """Return a hash of the method, the path and the body, which make a request the same."""
    return hashlib.sha256(f"{request.method} {request.path}\n".encode() + g.get("body", b"")).hexdigest()
