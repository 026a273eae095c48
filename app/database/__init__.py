"""Run statements: in a user's scope, within time limits, on either of the two databases."""

from app.database.engines import db
from app.database.execution import (
    IntegrityError,
    Overtaken,
    after_commit,
    driver_connection,
    execute,
    fetch_all,
    fetch_one,
    fetch_tuples,
    in_transaction,
    transaction,
    violation,
)
from app.database.scopes import PURGE, SERVICE, WORK, in_this_scope, scope

__all__ = [
    "PURGE",
    "SERVICE",
    "WORK",
    "IntegrityError",
    "Overtaken",
    "after_commit",
    "db",
    "driver_connection",
    "execute",
    "fetch_all",
    "fetch_one",
    "fetch_tuples",
    "in_this_scope",
    "in_transaction",
    "scope",
    "transaction",
    "violation",
]
