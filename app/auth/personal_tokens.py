"""Make, find, list and end personal tokens.

Each DELETE and UPDATE names the hash, by which a cluster finds the row. The user's id only selects what to name.
"""

from collections.abc import Iterator, Sequence
from typing import Any

from sqlalchemy import bindparam, delete, func, insert, null, or_, select, update

from app.auth.identity import Identity
from app.auth.models import personal_tokens, users
from app.auth.problems import TokenRevoked
from app.auth.revoked import Revoked, revoke_sessions
from app.auth.tokens import PersonalToken
from app.database import execute, fetch_all, fetch_one, transaction
from app.database.columns import from_now, now
from app.database.execution import MAX_AT_ONCE
from app.database.expiry import Expired
from app.database.statements import Row
from app.http.problems import LimitReached
from app.services import services

MAX_PERSONAL_TOKENS = 50
MAX_DAYS = 366
DEFAULT_DAYS = 90
# In seconds.
DAY = 86_400
# An expired one is listed for so long, so that its user learns why a script has stopped.
LISTED_SECONDS = 30 * DAY
# All that can be listed: each lives for a day or longer, and an ended one is not listed.
MAX_LISTED = MAX_PERSONAL_TOKENS * (LISTED_SECONDS // DAY + 2)

TOKEN = tuple(
    personal_tokens.c[name] for name in ("id", "name", "scopes", "prefix", "created_at", "expires_at", "last_used_at")
)

_seconds: Any = bindparam("seconds")
_of_user = personal_tokens.c.user_id == bindparam("of_user")
_this = personal_tokens.c.token_hash == bindparam("of_hash")
_never_expires = personal_tokens.c.expires_at.is_(None)

# Two that make a token at once take turns here, so that they count right.
_take_turn = select(users.c.id).where(users.c.id == bindparam("of_user")).with_for_update(key_share=True)
_count = select(func.count().label("tokens")).where(_of_user, or_(_never_expires, personal_tokens.c.expires_at > now()))
_row = insert(personal_tokens).values(created_at=now(), last_used_at=null()).returning(*TOKEN)
_add, _add_forever = _row.values(expires_at=from_now(_seconds)), _row.values(expires_at=null())
_find = select(personal_tokens.c.user_id, *TOKEN, (personal_tokens.c.expires_at <= now()).label("is_expired")).where(
    _this
)
_list = (
    select(*TOKEN)
    .where(_of_user, or_(_never_expires, personal_tokens.c.expires_at > from_now(_seconds)))
    .order_by(personal_tokens.c.created_at.desc(), personal_tokens.c.id)
)
_hashes = select(personal_tokens.c.token_hash, personal_tokens.c.id).where(_of_user)
_hash_of_one = _hashes.where(personal_tokens.c.id == bindparam("of_id", type_=personal_tokens.c.id.type))
_end = delete(personal_tokens).where(_this)
_note_use = update(personal_tokens).where(_this).values(last_used_at=now())
_expired = Expired(personal_tokens.c.expires_at, LISTED_SECONDS)


def make_token(identity: Identity, name: str, scopes: Sequence[str], days: int | None) -> tuple[Row, PersonalToken]:
    """Add a token for a user who has a row; without `days` it never expires. Raise LimitReached if there are too many.

    Raise TokenRevoked if the identity was revoked meanwhile: what ends a user's tokens takes its turn before.
    """
    token, of_user = PersonalToken.new(), {"of_user": identity.user_id}
    row = {"token_hash": token.hash, "user_id": identity.user_id, "id": token.id, "name": name, "prefix": token.prefix}
    row["scopes"] = " ".join(scopes)
    with transaction():
        if fetch_one(_take_turn, of_user) is None:
            raise TokenRevoked
        services().revocations.refuse_stored(identity)
        if fetch_all(_count, of_user)[0].tokens >= MAX_PERSONAL_TOKENS:
            raise LimitReached(f"You have {MAX_PERSONAL_TOKENS} personal tokens. Delete one first.")
        made = fetch_one(_add_forever, row) if days is None else fetch_one(_add, {**row, "seconds": days * DAY})
        assert made is not None
        return made, token


def find_token(token: PersonalToken) -> Row | None:
    """Return a token's row, also if it has expired, or None."""
    return fetch_one(_find, {"of_hash": token.hash})


def list_tokens(user_id: str) -> list[Row]:
    """Return a user's tokens, newest first, with those that expired not long ago."""
    return fetch_all(_list, {"of_user": user_id, "seconds": -LISTED_SECONDS})


def end_token(user_id: str, token_id: str) -> Revoked:
    """Delete a token and reject it from now on; return an empty list if there is none."""
    with transaction():
        return _end_all(user_id, fetch_all(_hash_of_one, {"of_user": user_id, "of_id": token_id}))


def end_tokens(user_id: str) -> Revoked:
    """Delete all tokens of a user, and reject them from now on."""
    with transaction():
        # One that is being made is then found here, or is not made.
        fetch_one(_take_turn, {"of_user": user_id})
        return _end_all(user_id, fetch_all(_hashes, {"of_user": user_id}))


def note_use(token_hash: str) -> None:
    execute(_note_use, {"of_hash": token_hash})


def purge_expired() -> Iterator[int]:
    """Delete all tokens that expired too long ago to be listed; yield the number in each part."""
    return _expired.delete(MAX_AT_ONCE)


def _end_all(user_id: str, rows: Sequence[Row]) -> Revoked:
    # Another request may have ended it first.
    ended = [row.id for row in rows if execute(_end, {"of_hash": row.token_hash})]
    return revoke_sessions(user_id, ended) if ended else []
