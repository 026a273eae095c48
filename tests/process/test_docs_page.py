"""/docs in a real browser works, light and dark, and makes requests only to this service."""

import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from selenium import webdriver
from selenium.webdriver.chrome.service import Service as Driver
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webelement import WebElement

from tests.process.conftest import Service, Start
from tests.waiting import until

MISSING = [program for program in ("chromium", "chromedriver") if shutil.which(program) is None]
# Chromium contacts its makers unless told not to, and has no sandbox as root.
ARGUMENTS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-component-update",
    "--no-proxy-server",
    "--window-size=1100,1000",
)
SCHEMES = {"light": (255, 255, 255), "dark": (0, 0, 0)}

pytestmark = pytest.mark.skipif(bool(MISSING), reason=f"not on this machine: {' and '.join(MISSING)}")


@pytest.fixture
def service(serve: Start, sqlite_url: str) -> Service:
    return serve(sqlite_url)


class Reader:
    """A reader with a browser, and its log."""

    def __init__(self, service: Service, driver: webdriver.Chrome) -> None:
        self.home, self.driver = f"http://127.0.0.1:{service.port}", driver

    def open(self, path: str) -> None:
        self.driver.get(self.home + path)

    def find(self, selector: str, inside: WebElement | None = None) -> WebElement:
        """Return the first such element when it is visible."""

        def seen() -> WebElement | None:
            found = (inside or self.driver).find_elements(By.CSS_SELECTOR, selector)
            return next((element for element in found if element.is_displayed()), None)

        return until(seen, selector)

    def click(self, selector: str, inside: WebElement | None = None) -> None:
        element = self.find(selector, inside)
        self.driver.execute_script("arguments[0].scrollIntoView({block: 'center'})", element)
        element.click()

    def authorize(self, token: str) -> None:
        self.click(".auth-wrapper .btn.authorize")
        self.find(".modal-ux input").send_keys(token)
        self.click(".modal-ux .btn.authorize")
        self.click(".modal-ux .btn-done")

    def run(self, operation: str, body: Any = None) -> tuple[int, Any]:
        """Open an operation, execute it, and return the status and body that the page shows."""
        block = self.find(f"[id$='-{operation}']")
        if "is-open" not in block.get_attribute("class"):
            self.click(".opblock-summary-control", block)
        if body is not None:
            text = self.find("textarea.body-param__text", block)
            text.clear()
            text.send_keys(json.dumps(body))
        self.click(".btn.execute", block)
        status = self.find(".live-responses-table tbody .response-col_status", block).text.split()[0]
        return int(status), json.loads(self.find(".live-responses-table .highlight-code code", block).text)

    def background(self) -> tuple[int, ...]:
        """Return the page's background as red, green and blue."""
        color = self.driver.execute_script("return getComputedStyle(document.body).backgroundColor")
        return tuple(int(part) for part in color.removeprefix("rgb(").removesuffix(")").split(","))

    def complaints(self) -> list[str]:
        """Return the console's messages."""
        return [entry["message"] for entry in self.driver.get_log("browser")]

    def hosts(self) -> set[str]:
        """Return the hosts of all requests since the last call."""
        messages = [json.loads(entry["message"])["message"] for entry in self.driver.get_log("performance")]
        asked = [
            urlsplit(m["params"]["request"]["url"]) for m in messages if m["method"] == "Network.requestWillBeSent"
        ]
        # The browser's own pages, and data inside the page, have other schemes.
        return {url.netloc for url in asked if url.scheme in ("http", "https", "ws", "wss")}

    def assert_both_schemes(self) -> None:
        """Set the reader's preference."""
        for scheme, color in SCHEMES.items():
            preferred = [{"name": "prefers-color-scheme", "value": scheme}]
            self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": preferred})
            assert sum(abs(one - other) for one, other in zip(self.background(), color, strict=True)) < 100

    def assert_quiet(self) -> None:
        """Check that the console is empty and all requests went to this service."""
        assert self.complaints() == []
        assert self.hosts() == {urlsplit(self.home).netloc}


@pytest.fixture
def reader(service: Service, tmp_path: Path) -> Iterator[Reader]:
    """A browser for this test only."""
    options = webdriver.ChromeOptions()
    options.binary_location = str(shutil.which("chromium"))
    for argument in (*ARGUMENTS, f"--user-data-dir={tmp_path / 'browser'}"):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    # Its other files (crash reports, settings) go into this test's folder too.
    environment = {"PATH": os.environ["PATH"], "HOME": str(tmp_path)}
    driver = webdriver.Chrome(options, Driver(shutil.which("chromedriver"), env=environment))
    try:
        yield Reader(service, driver)
    finally:
        driver.quit()


def test_a_reader_can_try_the_service_on_its_page(service: Service, reader: Reader) -> None:
    """Authorize with a token, create a task, list it, then look up an error."""
    reader.open("/docs")
    reader.authorize(service.register())

    status, created = reader.run("create_task", {"title": "Buy tea"})
    assert (status, created["title"]) == (201, "Buy tea")
    status, listed = reader.run("list_tasks")
    assert (status, listed["items"]) == (200, [created])

    reader.assert_both_schemes()
    reader.assert_quiet()

    # The target of an error's `type`.
    reader.open("/docs/errors#not_found")
    assert reader.find("#not_found:target h2").text.split() == ["not_found", "404"]
    reader.assert_both_schemes()
    reader.assert_quiet()
