"""Let the browsers' origins of CORS_ORIGINS call the service, with these headers (Fetch, section 3.3)."""

import re
from typing import Any

from flask import Flask
from flask_cors import CORS

from app.settings import Settings

ALLOWED_HEADERS = ["Authorization", "Content-Type", "Idempotency-Key", "If-Match", "If-None-Match", "X-Request-ID"]
# What tracing adds to each request (W3C Trace Context and Baggage, Sentry).
ALLOWED_HEADERS += ["traceparent", "tracestate", "baggage", "sentry-trace"]
# What the Model Context Protocol repeats of a message.
ALLOWED_HEADERS += ["MCP-Protocol-Version", "Mcp-Method", "Mcp-Name"]
OPTIONS: dict[str, Any] = {
    "expose_headers": [
        "ETag",
        "Idempotent-Replay",
        "Link",
        "Location",
        "Retry-After",
        "WWW-Authenticate",
        "X-Request-ID",
        "X-Total-Count",
    ],
    "methods": ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"],
    "max_age": 600,
    # requests.py sets Vary on every response; Flask-Cors would set it only for a listed origin.
    "vary_header": False,
}


def init_app(app: Flask, settings: Settings) -> None:
    if settings.cors_origins:
        # Patterns, because Flask-Cors takes the brackets of an IPv6 address for a pattern.
        origins = [re.compile(rf"{re.escape(origin)}\Z") for origin in settings.cors_origins]
        CORS(app, **OPTIONS, origins=origins, allow_headers=[*ALLOWED_HEADERS, *settings.cors_headers])
