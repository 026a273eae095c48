"""Limit brute force: calls and attempts are counted in the database, for all workers and machines together."""

import hashlib
import ipaddress
import math
import re
import secrets
from collections.abc import Iterator
from datetime import datetime
from typing import Any

from flask import request
from sqlalchemy import Integer, bindparam, case, literal, or_, select, update

from app.auth.addresses import fold
from app.auth.models import login_attempts
from app.auth.problems import RateLimited
from app.database import execute, fetch_one
from app.database.cluster import is_cluster
from app.database.columns import is_older, now
from app.database.engines import both_engines, for_engine
from app.database.execution import MAX_AT_ONCE
from app.database.expiry import Expired
from app.services import services

# A host has 64 bits of addresses of its own (RFC 4291, section 2.5.4).
IPV6_HOST_BITS = 64

FAILURES = 10
FAILURES_SECONDS = 15 * 60
REQUESTS_SECONDS = 60
# No window is longer: then it is deleted.
LONGEST_SECONDS = 3_600
CLOCK_SECONDS = 30
# On average, one new window in this many deletes the old ones.
CLEANUP_ONE_IN = 100
# Many more than are added between two deletions, but few enough for a request.
CLEANUP_ROWS = 1_000

_PORT = re.compile(r"^(?:\[(.*)\]|([0-9.]+))(?::[0-9]+)?$")


def _count_attempt(insert_for_engine: Any) -> Any:
    """Build the upsert. A window begins with its first attempt, and later ones do not extend it."""
    statement = insert_for_engine(login_attempts).values(started_at=now(), count=1)
    # A window that begins in the future dates from before the clock was set back. A small difference is allowed,
    # because two attempts at once have different times.
    here, new = login_attempts.c, statement.excluded
    is_over = or_(
        is_older(here.started_at, bindparam("window", type_=Integer()), new.started_at),
        is_older(new.started_at, literal(CLOCK_SECONDS), here.started_at),
    )
    again = {
        "count": case((is_over, 1), else_=here.count + 1),
        "started_at": case((is_over, new.started_at), else_=here.started_at),
    }
    return statement.on_conflict_do_update(index_elements=["key"], set_=again).returning(
        here.count.label("attempts"), here.started_at
    )


_count = both_engines(_count_attempt)
_take_back = (
    update(login_attempts).where(login_attempts.c.key == bindparam("of_key")).values(count=login_attempts.c.count - 1)
)
_clock = select(now().label("now"))
_over = Expired(login_attempts.c.started_at, LONGEST_SECONDS)


def count_request(client: str, most: int) -> None:
    """Count a client's request; raise RateLimited for more than `most` a minute."""
    count_attempt(f"client {client}", most, REQUESTS_SECONDS)


def count_failure(email: str) -> None:
    """Count an attempt at this address as failed before its result is known, so that parallel bursts count in full.

    Raise RateLimited after too many. The address is stored as a hash, because it may have no account.
    """
    count_attempt(_email_key(email), FAILURES, FAILURES_SECONDS)


def take_back_failure(email: str) -> None:
    """Subtract an attempt that has succeeded."""
    execute(_take_back, {"of_key": _email_key(email)})


def count_attempt(key: str, most: int, window: int) -> None:
    """Count an attempt; above `most`, raise RateLimited with the seconds until the window ends."""
    row = fetch_one(for_engine(_count), {"key": key, "window": window})
    assert row is not None
    if row.attempts > most:
        passed = datetime.fromisoformat(_read_clock()) - datetime.fromisoformat(row.started_at)
        # An attempt that waited for a row lock may have begun before the window did.
        raise RateLimited(min(window, max(1, math.ceil(window - passed.total_seconds()))))
    # In a cluster, all shards must delete, which takes a second and needs all machines: there `flask purge` does it.
    if row.attempts == 1 and secrets.randbelow(CLEANUP_ONE_IN) == 0 and not is_cluster():
        next(_over.delete(CLEANUP_ROWS))


def purge_expired() -> Iterator[int]:
    """Delete all windows that are over; yield the number in each part."""
    return _over.delete(MAX_AT_ONCE)


def _read_clock() -> str:
    row = fetch_one(_clock)
    assert row is not None
    return str(row.now)


def _email_key(email: str) -> str:
    return f"email {hashlib.sha256(fold(email).encode()).hexdigest()}"


def limit_client() -> None:
    """Raise RateLimited for a client address that calls too often (a blueprint's `before_request`)."""
    count_request(client_network(), services().settings.auth_rate_limit)


def client_network() -> str:
    """Return the client's address; for IPv6, only the part that a host cannot choose."""
    try:
        # Some proxies add the client's port.
        address = ipaddress.ip_address(_PORT.sub(r"\1\2", request.remote_addr or ""))
    except ValueError:
        # A unix socket has no address.
        return request.remote_addr or "local"
    if address.version == 6 and address.ipv4_mapped:
        address = address.ipv4_mapped
    bits = IPV6_HOST_BITS if address.version == 6 else 32
    return str(ipaddress.ip_network((address, bits), strict=False))
