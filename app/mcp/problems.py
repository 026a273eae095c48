"""The errors of the agents' endpoint that are not answers of the protocol."""

from app.http.problems import Problem


class OriginRefused(Problem):
    """A page of another origin than those in CORS_ORIGINS called `/mcp`."""

    status, code, title = 403, "origin_refused", "The origin is not allowed"
    detail = "Pages of this origin cannot call this address. Its operator can add the origin to CORS_ORIGINS."
