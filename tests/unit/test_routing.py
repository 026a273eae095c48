"""Routing finds what Werkzeug's own search finds."""

import gc
from itertools import product
from typing import Any

import pytest
from flask import Flask
from hypothesis import given
from hypothesis import strategies as st
from werkzeug.exceptions import HTTPException
from werkzeug.routing import BaseConverter, Map, Rule
from werkzeug.routing.exceptions import NoMatch, RequestAliasRedirect, RequestPath
from werkzeug.routing.matcher import StateMachineMatcher
from werkzeug.test import create_environ

from app.http.routing import LazyRule, Matcher
from tests.conftest import Caller

ID = "0198c5a1-0000-7000-8000-00000000000a"
METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "BREW"]
PARTS = ["", "v1", "api", "tasks", "lists", "ann", ID, ID.upper(), "move", "summary", "no-id", "docs", "assets", "ä"]

# Rules that the service has none of: a converter for several parts, two in one part, values that a converter refuses,
# defaults, aliases, websockets, and static parts that lead nowhere.
PATHS = [
    *("/files/<path:name>", "/files/<path:name>/about", "/<int:year>-<int:month>/days", "/tree/<int(max=9):depth>"),
    *("/tree/<name>", "/same/<name>/a", "/same/b/c", "/end/", "/<anything>/b/c", "/hex/<hex:number>"),
]
OTHERS = [
    *("files", "2026-11", "days", "x-y", "tree", "3", "77", "x3", "ws", "any", "same", "a", "b", "c", "end", "about"),
    *("hex", "1f", ""),
]


class Hex(BaseConverter):
    """A converter whose pattern has a name of its own."""

    regex = "(?P<digits>[0-9a-f]+)"


def other_rules() -> list[Rule]:
    rules = [LazyRule(path, endpoint=path, methods=["GET"]) for path in PATHS]
    rules.append(LazyRule("/b", endpoint="b", defaults={"page": 1}, methods=["GET"]))
    rules.append(LazyRule("/c", endpoint="b", alias=True, methods=["GET"]))
    rules.append(LazyRule("/ws", endpoint="socket", websocket=True, methods=["GET"]))
    rules.append(LazyRule("/ws", endpoint="ws", methods=["GET"]))
    rules.append(LazyRule("/any", endpoint="any"))
    return rules


def found(matcher: StateMachineMatcher, path: str, method: str, websocket: bool = False) -> Any:
    """Return the endpoint and its values, or the kind of error and what it tells."""
    try:
        rule, values = matcher.match("", path, method, websocket)
        return rule.endpoint, values
    except (NoMatch, RequestPath, RequestAliasRedirect) as error:
        return type(error), vars(error)


class Slow(Matcher):
    """Only Werkzeug's search."""

    def _go_straight(self, domain: str, path: str, method: str) -> None:
        return None


def both(rules: list[Rule]) -> tuple[Matcher, Slow]:
    matchers = Matcher(merge_slashes=False), Slow(merge_slashes=False)
    for matcher in matchers:
        for rule in rules:
            matcher.add(rule)
        matcher.update()
    return matchers


@pytest.fixture(scope="module")
def matchers(app: Flask) -> tuple[Matcher, Slow]:
    return both(list(app.url_map.iter_rules()))


@given(parts=st.lists(st.sampled_from(PARTS), max_size=6), method=st.sampled_from(METHODS))
def test_every_path_has_the_same_rule(matchers: tuple[Matcher, Slow], parts: list[str], method: str) -> None:
    """Or the same error: 404, 405 with the methods that there are."""
    path = f"/{'/'.join(parts)}"

    assert found(matchers[0], path, method) == found(matchers[1], path, method)


@pytest.mark.parametrize("websocket", [False, True])
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_other_kinds_of_rules_work_as_in_any_flask(method: str, websocket: bool) -> None:
    """A later route may be of any kind that Werkzeug knows. All paths of up to three parts are tried."""
    rules = other_rules()
    Map(rules, converters={"hex": Hex})
    straight, slow = both(rules)

    for count in (1, 2, 3):
        for parts in product(OTHERS, repeat=count):
            path = f"/{'/'.join(parts)}"
            assert found(straight, path, method, websocket) == found(slow, path, method, websocket), path


def test_every_route_is_found_straight(app: Flask, matchers: tuple[Matcher, Slow]) -> None:
    """Without the search."""
    for rule in app.url_map.iter_rules():
        path = "/".join(ID if part.startswith("<") else part for part in rule.rule.split("/"))
        for method in rule.methods or ():
            assert matchers[0]._go_straight("", path, method) == matchers[1].match("", path, method, False)


def test_a_request_leaves_nothing_to_the_garbage_collector(ann: Caller, app: Flask) -> None:
    """Collecting what the requests of a second leave took 2 % of the time."""
    path = f"/api/{ann.user_id}/tasks/{ann.add()['id']}"
    environ = create_environ(path, headers=ann.headers)

    def read() -> bytes:
        return b"".join(app(dict(environ), lambda *_: lambda _: None))

    assert ann.user_id.encode() in read()
    gc.collect()
    gc.disable()
    try:
        for _ in range(20):
            read()
        assert gc.collect() < 20
    finally:
        gc.enable()


def test_an_unknown_path_is_still_an_error(app: Flask) -> None:
    """From the map as a request uses it."""
    adapter = app.url_map.bind("")
    with pytest.raises(HTTPException) as error:
        adapter.match("/v1/nothing", "GET")
    assert error.value.code == 404
    with pytest.raises(HTTPException) as error:
        adapter.match("/v1/tasks", "BREW")
    assert error.value.code == 405
