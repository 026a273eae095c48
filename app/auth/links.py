"""Links in mails that work once, for a time, and for one address.

The token is made of the mail's id, so a mail that is sent twice has the same link, and no token is stored anywhere.
"""

import base64
import hashlib
import hmac
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import and_, bindparam, or_, select, update

from app.auth.identity import LOCAL_USER_PREFIX
from app.auth.models import links
from app.database import execute, fetch_one
from app.database.columns import now
from app.database.engines import both_engines, for_engine
from app.database.execution import MAX_AT_ONCE
from app.database.expiry import Expired
from app.times import rfc3339

RESET, VERIFY = "reset", "verify"
RESET_SECONDS, VERIFY_SECONDS = 30 * 60, 24 * 3_600
LIFETIMES = {RESET: RESET_SECONDS, VERIFY: VERIFY_SECONDS}

LINK_CHARACTERS = 100
# So that programs that look for leaked secrets find it.
_LINK = re.compile(r"tasks_(reset|verify)_([0-9a-f]{32})_([A-Za-z0-9_-]{43})")


@dataclass(frozen=True, slots=True)
class LinkToken:
    """A link's token. It contains its user, so that it is looked up by user."""

    purpose: str
    user_id: str
    secret: str = field(repr=False)

    @classmethod
    def of_mail(cls, purpose: str, user_id: str, mail_id: str, key: str) -> "LinkToken":
        message = f"link to {purpose} {user_id} {mail_id}".encode()
        digest = hmac.digest(key.encode(), message, "sha256")
        return cls(purpose, user_id, base64.urlsafe_b64encode(digest).decode().rstrip("="))

    @classmethod
    def parse(cls, text: str) -> "LinkToken | None":
        match = _LINK.fullmatch(text)
        return cls(match[1], LOCAL_USER_PREFIX + match[2], match[3]) if match else None

    def __str__(self) -> str:
        return f"tasks_{self.purpose}_{self.user_id.removeprefix(LOCAL_USER_PREFIX)}_{self.secret}"

    @property
    def hash(self) -> str:
        return hashlib.sha256(str(self).encode()).hexdigest()


def _storing(insert_for_engine: Any) -> Any:
    """Build an upsert that replaces the link of an older mail, and never revives one that is spent."""
    statement = insert_for_engine(links).values(spent_at=None)
    new = statement.excluded
    is_newer = or_(links.c.mail_id < new.mail_id, and_(links.c.mail_id == new.mail_id, links.c.spent_at.is_(None)))
    replaced = {name: new[name] for name in ("mail_id", "token_hash", "email", "expires_at", "spent_at")}
    return statement.on_conflict_do_update(index_elements=["user_id", "purpose"], set_=replaced, where=is_newer)


_store = both_engines(_storing)
_of_user = links.c.user_id == bindparam("of_user")
_live = (
    _of_user,
    links.c.purpose == bindparam("of_purpose"),
    links.c.token_hash == bindparam("of_hash"),
    links.c.spent_at.is_(None),
    links.c.expires_at > now(),
)
_find = select(links.c.email).where(*_live)
_spend = update(links).where(*_live).values(spent_at=now()).returning(links.c.email)
_cancel = update(links).where(_of_user, links.c.spent_at.is_(None)).values(spent_at=now())
_expired = Expired(links.c.expires_at)


def store_link(token: LinkToken, mail_id: str, email: str, since: str) -> bool:
    """Let a link work for its lifetime since this time; return whether it does, as it is neither spent nor replaced."""
    expires_at = datetime.fromisoformat(since) + timedelta(seconds=LIFETIMES[token.purpose])
    row = {"user_id": token.user_id, "purpose": token.purpose, "mail_id": mail_id, "token_hash": token.hash}
    execute(for_engine(_store), {**row, "email": email, "expires_at": rfc3339(expires_at)})
    return find_link(token) is not None


def find_link(token: LinkToken) -> str | None:
    """Return the address that a link is for, or None if it does not work."""
    row = fetch_one(_find, _key(token))
    return row.email if row else None


def spend_link(token: LinkToken) -> str | None:
    """Spend a link, in the transaction of its effect; return the address that it is for, or None."""
    row = fetch_one(_spend, _key(token))
    return row.email if row else None


def cancel_links(user_id: str) -> None:
    """Let none of a user's links work any more."""
    execute(_cancel, {"of_user": user_id})


def purge_expired() -> Iterator[int]:
    """Delete all expired links; yield the number in each part."""
    return _expired.delete(MAX_AT_ONCE)


def _key(token: LinkToken) -> dict[str, Any]:
    return {"of_user": token.user_id, "of_purpose": token.purpose, "of_hash": token.hash}
