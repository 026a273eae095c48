"""Which browsers' origins may call the service, and with which headers (Fetch, section 3.3)."""

import re
from typing import Any

from flask import Flask
from flask_cors import CORS

from app.settings import Settings

ALLOWED_HEADERS = ["Authorization", "Content-Type", "Idempotency-Key", "If-Match", "If-None-Match", "X-Request-ID"]
# What tracing adds to each request (W3C Trace Context and Baggage, Sentry).
ALLOWED_HEADERS += ["traceparent", "tracestate", "baggage", "sentry-trace"]
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
    # Said of every answer, in requests.py: here it would be of those to a listed origin alone.
    "vary_header": False,
}


def init_app(app: Flask, settings: Settings) -> None:
    if settings.cors_origins:
        # As patterns, for Flask-Cors takes the brackets of an IPv6 address for one.
        origins = [re.compile(rf"{re.escape(origin)}\Z") for origin in settings.cors_origins]
        CORS(app, **OPTIONS, origins=origins, allow_headers=[*ALLOWED_HEADERS, *settings.cors_headers])
