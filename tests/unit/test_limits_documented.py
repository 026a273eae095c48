"""docs/operations.md names every limit with its value."""

import ast
import importlib
import re
from pathlib import Path
from typing import Any

import pytest
from gunicorn.config import KNOWN_SETTINGS

from app.settings import PROJECT, read_settings

PAGE = (PROJECT / "docs" / "operations.md").read_text()
ROWS = re.findall(r"^\| (.+) \| ([0-9.]+)(?: (\w+))? \| (gunicorn )?`([\w.]+)` \|$", PAGE, re.MULTILINE)
DOCUMENTED = {name: (float(number), unit) for _, number, unit, _, name in ROWS}
# By the end of a constant's name, in the page's units.
UNITS = {
    "SECONDS": {"s": 1, "min": 60, "h": 3600},
    "MILLISECONDS": {"ms": 1},
    "BYTES": {"B": 1, "KiB": 1024},
    "KIB": {"KiB": 1},
    "": {"": 1, "s": 1, "B": 1},
}
LIMIT = re.compile(r"[A-Z_]*(SECONDS|BYTES|CHARACTERS|FAILURES|AT_ONCE|REMEMBERED\w*|MAX_\w+|\w+_SHOWN)")
# Constants that are not limits.
NO_LIMITS = {
    "app.http.documents.PIECE_BYTES",
    "app.http.openapi.HEADER_LINE_BYTES",
    "app.auth.rate_limits.CLOCK_SECONDS",
    "app.auth.revoked.ENABLED_AGAIN_SECONDS",
    "app.auth.revoked.FOR_EVER_SECONDS",
    "app.auth.revoked.GRACE_SECONDS",
    "app.auth.revoked.OWN_TOKENS_GONE_SECONDS",
    "app.http.parsing.PIECE_BYTES",
    "app.server.connection.READ_BYTES",
    "app.server.request.KEPT_HEAD_BYTES",
    "app.server.response.JOINED_BYTES",
    "app.server.worker.ACCEPT_AGAIN_SECONDS",
    "app.server.worker.FULL_GIVE_WAY_SECONDS",
    "app.server.worker.GIVE_WAY_SECONDS",
    "app.server.worker.NOTIFY_SECONDS",
    "app.settings.MAX_ACCESS_TOKEN_SECONDS",
    "app.settings.MAX_OUTSIDE_TOKEN_SECONDS",
    "app.settings.MAX_REFRESH_TOKEN_SECONDS",
    "app.settings_parsers.SECRET_BYTES",
    "app.tasks.cursors.CHECKSUM_BYTES",
    "app.tasks.formats.icalendar.values.MAX_LINE",
    "app.tasks.order.TIME_CHARACTERS",
    "app.tasks.transfer.PIECE_BYTES",
    "app.webhooks.sending.PIECE_BYTES",
    "app.webhooks.signing.SECRET_BYTES",
    "app.webhooks.signing.SECRET_CHARACTERS",
}


def constants() -> dict[str, Any]:
    """Return all constants of the package whose names say that they are limits."""
    found = {}
    for path in sorted((PROJECT / "app").rglob("*.py")):
        module = ".".join(path.relative_to(PROJECT).with_suffix("").parts).removesuffix(".__init__")
        for node in ast.parse(path.read_text()).body:
            for target in ast.walk(node) if isinstance(node, ast.Assign) else ():
                if isinstance(target, ast.Name) and isinstance(target.ctx, ast.Store) and LIMIT.fullmatch(target.id):
                    found[f"{module}.{target.id}"] = getattr(importlib.import_module(module), target.id)
    return found


def gunicorn_setting(name: str) -> int:
    """Return the value in gunicorn.conf.py, otherwise gunicorn's default."""
    defaults = {setting.name: setting.default for setting in KNOWN_SETTINGS}
    for node in ast.parse((PROJECT / "gunicorn.conf.py").read_text()).body:
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant):
            defaults |= {target.id: node.value.value for target in node.targets if isinstance(target, ast.Name)}
    return int(defaults[name])


def value_of(name: str, is_gunicorns: bool, instance: Path) -> Any:
    if is_gunicorns:
        return gunicorn_setting(name)
    if name.isupper():
        return getattr(read_settings({}, instance), name.lower())
    module, _, constant = name.rpartition(".")
    return getattr(importlib.import_module(module), constant)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[-1])
def test_a_documented_limit_has_the_real_value(row: tuple[str, ...], tmp_path: Path) -> None:
    """In the page's unit."""
    _, number, unit, gunicorns, name = row
    kind = name.rpartition("_")[2]

    assert float(number) * UNITS.get(kind, UNITS[""])[unit] == value_of(name, bool(gunicorns), tmp_path)


def test_every_limit_is_documented() -> None:
    """A new limit needs a row."""
    assert set(constants()) - NO_LIMITS <= set(DOCUMENTED)


def test_the_api_documents_gunicorns_maximum_header_size() -> None:
    """In the OpenAPI document."""
    api = importlib.import_module("app.http.openapi")

    assert gunicorn_setting("limit_request_field_size") == api.HEADER_LINE_BYTES
