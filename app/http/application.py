"""Flask without the features that this service does not use."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from flask import Flask, Request, appcontext_tearing_down, request_tearing_down
from flask.ctx import RequestContext
from flask.globals import request_ctx
from flask.sessions import NullSession, SessionInterface
from werkzeug.routing import MapAdapter

from app.http.routing import LazyRule, Matcher


class NoSessions(SessionInterface):
    """Use no cookies: each request brings its token."""

    _none = NullSession()

    def open_session(self, app: Flask, request: Request) -> NullSession:
        return self._none


@dataclass(frozen=True, slots=True)
class _Hooks:
    """What Flask calls around the view of one endpoint, in this order."""

    prepare: Sequence[Callable[[str | None, dict[str, Any] | None], None]]
    before: Sequence[Callable[[], Any]]
    after: Sequence[Callable[[Any], Any]]


class Application(Flask):
    """A Flask whose steps for each request are reduced to the ones needed. Hooks and signals work as in any Flask."""

    url_rule_class = LazyRule
    session_interface = NoSessions()

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        # Do not merge slashes: Werkzeug would redirect to a URL made from the Host header.
        self.url_map._matcher = Matcher(merge_slashes=False)
        self._hooks: dict[str | None, _Hooks] = {}

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

    def preprocess_request(self) -> Any:
        """Call what comes before the view; stop at the first response."""
        request = _context().request
        hooks = self._hooks_of(request)
        for prepare in hooks.prepare:
            prepare(request.endpoint, request.view_args)
        for check in hooks.before:
            if (response := check()) is not None:
                return response
        return None

    def process_response(self, response: Any) -> Any:
        """Call what may change a response. There is no session to keep."""
        context = _context()
        for change in context._after_request_functions:
            response = change(response)
        for change in self._hooks_of(context.request).after:
            response = change(response)
        return response

    def _hooks_of(self, request: Request) -> _Hooks:
        """Return the hooks of a request's endpoint.

        Flask collects them for each request, although it allows no new ones after the first: 10 % of reading a task,
        together with the two steps below.
        """
        found = self._hooks.get(request.endpoint)
        if found is None:
            inside = [*request.blueprints, None]
            found = self._hooks[request.endpoint] = _Hooks(
                [hook for name in reversed(inside) for hook in self.url_value_preprocessors.get(name, ())],
                [hook for name in reversed(inside) for hook in self.before_request_funcs.get(name, ())],
                [hook for name in inside for hook in reversed(self.after_request_funcs.get(name, ()))],
            )
        return found

    def do_teardown_request(self, *error: Any) -> None:
        if self.teardown_request_funcs or request_tearing_down.receivers:
            super().do_teardown_request(*error)

    def do_teardown_appcontext(self, *error: Any) -> None:
        if self.teardown_appcontext_funcs or appcontext_tearing_down.receivers:
            super().do_teardown_appcontext(*error)


def _context() -> RequestContext:
    """Return the request's context itself: Flask's proxy looks it up for each attribute."""
    here: RequestContext = request_ctx._get_current_object()  # type: ignore[attr-defined]
    return here
