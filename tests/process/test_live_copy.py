"""The script of docs/tasks.md keeps a browser's copy up to date."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from selenium import webdriver

from app.settings import PROJECT
from tests.api.support.past import aged
from tests.conftest import Caller, make_app, new_user_id, settings_for, shared_token
from tests.process.browser import MISSING, opened
from tests.process.conftest import Service, starting
from tests.waiting import until

pytestmark = pytest.mark.skipif(bool(MISSING), reason=f"not on this machine: {' and '.join(MISSING)}")

[SCRIPT] = re.findall(r"```js\n(.+?)```", (PROJECT / "docs" / "tasks.md").read_text(), re.DOTALL)
START = """
window.controller = new AbortController();
window.shown = [];
window.done = false;
const show = (tasks) => { window.shown = tasks.map((task) => task.title).sort(); };
keepCopy(async () => arguments[0], show, window.controller.signal).then(() => { window.done = true; });
"""
# The next request has another token.
REPLACE_TOKEN = """
const real = window.fetch, token = arguments[0];
window.fetch = (url, options) => {
  window.fetch = real;
  return real(url.replace(/since=.*/, `since=${token}`), options);
};
"""


class Page:
    """A tab with the script, on a page of the service."""

    def __init__(self, driver: webdriver.Chrome, service: Service, token: str) -> None:
        driver.switch_to.new_window("tab")
        self.driver, self.handle = driver, driver.current_window_handle
        driver.get(f"http://127.0.0.1:{service.port}/readyz")
        self.run(f"{SCRIPT}\n{START}", token)

    def run(self, script: str, *arguments: Any) -> Any:
        self.driver.switch_to.window(self.handle)
        return self.driver.execute_script(script, *arguments)

    def shows(self, *titles: str) -> bool:
        return until(lambda: self.run("return window.shown") == sorted(titles), f"the tasks {titles}")

    def add(self, token: str, title: str) -> None:
        """Create a task from the page itself."""
        headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
        script = (
            "fetch('/v1/tasks', {method: 'POST', headers: arguments[0], body: JSON.stringify({title: arguments[1]})})"
        )
        self.run(script, headers, title)


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[webdriver.Chrome]:
    with opened(tmp_path_factory.mktemp("browser")) as driver:
        yield driver


def test_a_task_made_in_one_tab_shows_in_the_other(browser: webdriver.Chrome, tmp_path: Path, sqlite_url: str) -> None:
    """Also after the service was away, after a token that is too old, and no more once the copy is ended."""
    with starting(tmp_path) as start:
        service = start(**settings_for(sqlite_url))
        user_id = new_user_id()
        token = shared_token(user_id)
        first, second = (Page(browser, service, token) for _ in range(2))

        first.add(token, "tea")
        assert second.shows("tea")
        second.add(token, "milk")
        assert first.shows("milk", "tea")

        assert service.stop() == 0
        start(port=service.port, **settings_for(sqlite_url))
        first.add(token, "sugar")
        assert second.shows("milk", "sugar", "tea")

        ann = Caller(make_app(sqlite_url), user_id)
        too_old = aged(ann.get("/v1/tasks/changes").json["next"], ann, days=31)
        first.run(REPLACE_TOKEN, too_old)
        ann.add(title="bread")
        ann.add(title="salt")
        assert first.shows("bread", "milk", "salt", "sugar", "tea")

        second.run("window.controller.abort()")
        until(lambda: second.run("return window.done"), "the end of the copy")
        first.add(token, "jam")
        assert first.shows("bread", "jam", "milk", "salt", "sugar", "tea")
        assert "jam" not in second.run("return window.shown")
