"""GET /, /healthz and /readyz: service information, liveness and readiness."""

import logging
from functools import lru_cache

from flask import Flask, Response
from marshmallow import Schema, fields
from marshmallow.validate import OneOf
from psycopg2.errors import InsufficientPrivilege
from sqlalchemy import String, column, func, literal, or_, select, table

from app.database import db, fetch_all, fetch_one
from app.database.cluster import HAS_CITUS, misplaced
from app.database.columns import OWNED, metadata
from app.database.outages import NOT_MIGRATED
from app.http.blueprint import Blueprint, raises
from app.http.fields import Text
from app.http.openapi import VERSION
from app.http.problems import DatabaseUnavailable
from app.http.responses import json_response
from app.settings import PROJECT

logger = logging.getLogger("tasks.health")

blueprint = Blueprint("service", __name__, description="Service information and health checks.")

LINKS = {
    "docs": "/docs",
    "openapi": "/openapi.json",
    "errors": "/docs/errors",
    "health": "/healthz",
    "readiness": "/readyz",
}

# The policies' conditions, in the form that PostgreSQL returns, on one line. For each table: what only `flask purge`
# sees and deletes. What only a worker sees.
OWN_ROWS = "(user_id = current_setting('app.user_id'::text, true))"
PURGED = {
    name: "( CASE WHEN ((current_setting('app.purge'::text, true) = 'on'::text)"
    f" AND ({column} <= (now() - make_interval(0, 0, 0, 0, {hours})))) THEN 1 ELSE 0 END <> 0)"
    for name, column, hours in (
        ("tasks", "deleted_at", 720),
        ("deleted_lists", "deleted_at", 720),
        ("idempotency_keys", "created_at", 24),
        ("outbox", "finished_at", 168),
    )
}
WORK = "( CASE WHEN (current_setting('app.work'::text, true) = 'on'::text) THEN 1 ELSE 0 END <> 0)"


class ServiceInfo(Schema):
    name = fields.String(required=True, validate=OneOf(["tasks"]))
    version = Text(1, 50, required=True, metadata={"example": VERSION})
    links = fields.Dict(
        keys=fields.String(),
        values=Text(1, 100, metadata={"pattern": "^/"}),
        required=True,
        metadata={"maxProperties": 20, "example": LINKS},
    )


class HealthStatus(Schema):
    status = fields.String(required=True, validate=OneOf(["ok"]))


@blueprint.get("/")
@blueprint.response(200, ServiceInfo)
def show_service() -> Response:
    """Show the service's name, version and links."""
    return json_response({"name": "tasks", "version": VERSION, "links": LINKS})


@blueprint.get("/healthz")
@blueprint.response(200, HealthStatus)
def check_health() -> Response:
    """Check that the process is running, without asking the database."""
    return json_response({"status": "ok"})


@blueprint.get("/readyz")
@raises(DatabaseUnavailable)
@blueprint.response(200, HealthStatus)
def check_readiness() -> Response:
    """Check that the database responds, is at the newest migration, isolates users, and is distributed if a cluster."""
    require_ready()
    return json_response({"status": "ok"})


def warn_unless_ready(app: Flask) -> None:
    """Write a line where requests cannot be served, or users are not kept apart: for a worker that has just started."""
    try:
        with app.app_context():
            require_ready()
    except DatabaseUnavailable as problem:
        logger.warning("not ready: %s", problem.detail)


def require_ready() -> None:
    """Raise DatabaseUnavailable with the fix, unless every request can be served."""
    require_newest_migration()
    if require_isolation():
        require_distribution()


@lru_cache
def _newest_migration() -> str:
    # Revisions and their files are numbered.
    return max(path.name[:4] for path in (PROJECT / "migrations" / "versions").glob("[0-9]*.py"))


def require_newest_migration() -> None:
    """Raise DatabaseUnavailable with the fix, unless the schema has all that this version needs.

    A newer one has. During a rolling upgrade the old instances go on, because a migration only adds.
    """
    try:
        row = fetch_one(select(column("version_num", String)).select_from(table("alembic_version")))
    except InsufficientPrivilege as error:
        raise DatabaseUnavailable("The database role may not read the tables: use the role that owns them.") from error
    # Revisions are numbered.
    if row is None or row.version_num < _newest_migration():
        raise DatabaseUnavailable(NOT_MIGRATED)


def require_isolation() -> bool:
    """Raise DatabaseUnavailable unless PostgreSQL applies row-level security to this role on every owned table.

    Return whether the database is a cluster: to ask that alone would be one more statement.
    """
    if db.on_sqlite:
        return False
    owned = sorted(name for name, owned_table in metadata.tables.items() if owned_table.info == OWNED)
    row = fetch_one(select(HAS_CITUS, *(func.row_security_active(literal(name)) for name in owned)))
    if row is None or not all(row[1:]):
        raise DatabaseUnavailable(
            "The database role can see every user's rows: use one that is not a superuser, has no BYPASSRLS, and does "
            "not own the tables after `flask db grant`."
        )
    columns = [column(name, String) for name in ("tablename", "cmd", "qual", "with_check")]
    policies = fetch_all(
        select(*columns)
        .select_from(table("pg_policies"))
        .where(column("schemaname") == func.current_schema(), or_(*(columns[0] == name for name in owned)))
    )
    wanted: set[tuple[str | None, ...]] = {(name, "ALL", OWN_ROWS, OWN_ROWS) for name in owned}
    wanted |= {(name, command, PURGED[name], None) for name in PURGED for command in ("SELECT", "DELETE")}
    wanted |= {(name, "SELECT", WORK, None) for name in ("outbox", "reminders")}
    found = {(*row[:2], *(text and _condition(text) for text in row[2:])) for row in policies}
    if len(policies) != len(wanted) or found != wanted:
        raise DatabaseUnavailable("The policies that isolate users differ from those of `flask db upgrade`.")
    return bool(row.has_citus)


def _condition(text: str) -> str:
    """Return a policy's condition on one line. Revision 0011 named the hours before it ran on clusters too."""
    return " ".join(text.split()).replace("make_interval(hours => ", "make_interval(0, 0, 0, 0, ")


def require_distribution() -> None:
    """Raise DatabaseUnavailable if a table of a cluster lies on one machine only, or on the wrong ones."""
    if names := misplaced():
        raise DatabaseUnavailable(f"Tables that are not distributed: {', '.join(names)}. Run `flask db distribute`.")
