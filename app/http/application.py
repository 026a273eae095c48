"""Flask without the features that this service does not use."""

from collections.abc import Callable
from functools import cache, partial
from typing import Any

from flask import Flask, Request
from flask.sessions import NullSession, SessionInterface
from werkzeug.routing import MapAdapter, Rule


class NoSessions(SessionInterface):
    """Use no cookies: each request brings its token."""

    _none = NullSession()

    def open_session(self, app: Flask, request: Request) -> NullSession:
        return self._none


class _Rule(Rule):
    """A rule that compiles its builder of URLs at the first use: three quarters of a start, for a few pages."""

    def _compile_builder(self, append_unknown: bool = True) -> Callable[..., tuple[str, str]]:
        compiled = cache(partial(super()._compile_builder, append_unknown))
        return lambda rule, /, **values: compiled()(rule, **values)


class Application(Flask):
    """A Flask whose per-request steps are reduced to the ones needed."""

    url_rule_class = _Rule
    session_interface = NoSessions()

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        # Do not merge slashes: Werkzeug would redirect to a URL made from the Host header.
        self.url_map.merge_slashes = False

    def create_url_adapter(self, request: Request | None) -> MapAdapter | None:
        """Route by path and method only, without the Host header."""
        if request is None:
            return super().create_url_adapter(None)
        environ = request.environ
        return MapAdapter(
            self.url_map,
            server_name="",
            script_name=request.root_path,
            subdomain="",
            url_scheme=environ["wsgi.url_scheme"],
            path_info=request.path,
            default_method=environ["REQUEST_METHOD"],
        )

    def ensure_sync(self, func: Callable[..., Any]) -> Callable[..., Any]:
        """Skip Flask's check for coroutines: no view is async."""
        return func
