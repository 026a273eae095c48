"""Hooks and signals work as in any Flask: what an extension registers is called, in Flask's order."""

from collections.abc import Callable
from typing import Any

import pytest
from flask import (
    Blueprint,
    Flask,
    Response,
    after_this_request,
    got_request_exception,
    request,
    request_finished,
    signals,
)

from app.http.application import Application

Registered = list[str]
KINDS = pytest.mark.parametrize("kind", [Flask, Application])
SIGNALS = ["request_started", "request_finished", "request_tearing_down", "appcontext_tearing_down"]


def hooked(kind: Callable[[str], Flask], called: Registered) -> Flask:
    """Make an application with two nested blueprints, all of whose hooks note that they are called."""
    app, outer, inner = kind("hooked"), Blueprint("outer", "hooked"), Blueprint("inner", "hooked", url_prefix="/in")

    def note(name: str, result: Callable[[Any], Any] = lambda _: None) -> Callable[..., Any]:
        def hook(*arguments: Any) -> Any:
            called.append(name)
            return result(arguments[-1]) if arguments else result(None)

        return hook

    for owner, name in ((app, "app"), (outer, "outer"), (inner, "inner")):
        for number in (1, 2):
            owner.url_value_preprocessor(note(f"{name} value {number}"))
            owner.before_request(note(f"{name} before {number}"))
            owner.after_request(note(f"{name} after {number}", lambda response: response))
            owner.teardown_request(note(f"{name} teardown {number}"))
    app.teardown_appcontext(note("app context"))

    @inner.get("/view/<value>")
    def view(value: str) -> str:
        after_this_request(note("after this", lambda response: response))
        called.append(f"view {value}")
        return value

    @inner.get("/stopped")
    def stopped() -> str:
        raise AssertionError("a hook responds before")

    @inner.before_request
    def stop() -> str | None:
        return "stopped" if request.path.endswith("stopped") else None

    @app.get("/broken")
    def broken() -> str:
        raise ZeroDivisionError

    outer.register_blueprint(inner)
    app.register_blueprint(outer)
    return app


@pytest.mark.parametrize("path", ["/in/view/7", "/in/stopped", "/nothing", "/broken"])
def test_hooks_are_called_as_flask_calls_them(path: str) -> None:
    """Of the application and of each blueprint, twice in a row."""
    by_flask: Registered = []
    ours: Registered = []
    expected = hooked(Flask, by_flask).test_client().get(path)
    app = hooked(Application, ours)

    first = app.test_client().get(path)
    called = list(ours)
    ours.clear()
    second = app.test_client().get(path)

    assert called == ours == by_flask
    assert first.status_code == second.status_code == expected.status_code
    assert first.data == second.data == expected.data


@KINDS
@pytest.mark.parametrize("name", SIGNALS)
def test_signals_are_sent(kind: Callable[[str], Flask], name: str) -> None:
    """Monitoring agents listen to them."""
    app, sent = hooked(kind, []), []

    def receive(sender: Any, **_: Any) -> None:
        sent.append(sender)

    with getattr(signals, name).connected_to(receive, app):
        app.test_client().get("/in/view/7")

    assert sent == [app]


@KINDS
def test_a_change_of_the_response_is_kept(kind: Callable[[str], Flask]) -> None:
    """The last hook to change it is the application's first."""
    app = kind("changed")
    app.add_url_rule("/", view_func=lambda: "tea")

    @app.after_request
    def first(response: Response) -> Response:
        return Response(response.data + b" first")

    @app.after_request
    def second(response: Response) -> Response:
        return Response(response.data + b" second")

    assert app.test_client().get("/").data == b"tea second first"


@KINDS
def test_a_failing_view_is_told(kind: Callable[[str], Flask]) -> None:
    """To who listens for exceptions, and the hooks after it are called."""
    called: Registered = []
    app, seen = hooked(kind, called), []
    finished: list[int] = []

    def receive(_sender: Any, exception: Exception) -> None:
        seen.append(type(exception))

    def finish(_sender: Any, response: Response) -> None:
        finished.append(response.status_code)

    with got_request_exception.connected_to(receive, app), request_finished.connected_to(finish, app):
        assert app.test_client().get("/broken").status_code == 500

    assert (seen, finished) == ([ZeroDivisionError], [500])
    assert "app teardown 1" in called
