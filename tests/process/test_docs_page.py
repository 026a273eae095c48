"""/docs in a real browser works, light and dark, and makes requests only to this service."""

import json
from collections.abc import Iterator
from functools import partial
from typing import Any
from urllib.parse import urlsplit

import pytest
from selenium import webdriver
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.remote.webelement import WebElement

from tests.conftest import settings_for
from tests.process.browser import MISSING, opened
from tests.process.conftest import Service, starting
from tests.waiting import until

# A telephone's, and the narrowest that WCAG 2.2 asks for (1.4.10).
NARROW = (390, 320)
SCHEMES = {"light": (255, 255, 255), "dark": (0, 0, 0)}

# With the most parameters, with a body, and with the longest path: each takes a while to be drawn.
OPENED = ("list_tasks", "run_batch", "complete_task_of_user")

pytestmark = pytest.mark.skipif(bool(MISSING), reason=f"not on this machine: {' and '.join(MISSING)}")


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory, sqlite_template: bytes) -> Iterator[Service]:
    """One service for all readers."""
    folder = tmp_path_factory.mktemp("docs")
    (folder / "tasks.db").write_bytes(sqlite_template)
    with starting(folder) as start:
        yield start(**settings_for(f"sqlite:///{folder / 'tasks.db'}"))


class Reader:
    """A reader with a browser, and its log."""

    def __init__(self, service: Service, driver: webdriver.Chrome) -> None:
        self.home, self.driver = f"http://127.0.0.1:{service.port}", driver
        # The answers when nothing was stored.
        self.first: dict[str, tuple[int, str | None]] = {}

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

    def open_operation(self, operation: str) -> WebElement:
        block = self.find(f"[id$='-{operation}']")
        if "is-open" not in block.get_attribute("class"):
            self.click(".opblock-summary-control", block)
        return block

    def run(self, operation: str, body: Any = None) -> tuple[int, Any]:
        """Open an operation, execute it, and return the status and body that the page shows."""
        block = self.open_operation(operation)
        if block.find_elements(By.CSS_SELECTOR, ".btn-clear"):
            # The response of the last time would be taken for the next one.
            self.click(".btn-clear", block)
        if body is not None:
            self.write(json.dumps(body), self.find("textarea.body-param__text", block))
        self.click(".btn.execute", block)
        status = self.find(".live-responses-table tbody .response-col_status", block).text.split()[0]
        return int(status), json.loads(self.find(".live-responses-table .highlight-code code", block).text)

    def write(self, text: str, field: WebElement) -> None:
        """Replace a field's text at once: the page draws itself again after each key."""
        self.driver.execute_script("arguments[0].select()", field)
        self.driver.execute_cdp_cmd("Input.insertText", {"text": text})

    def become_narrow(self, width: int) -> None:
        screen = {"width": width, "height": 844, "deviceScaleFactor": 1, "mobile": True}
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", screen)

    def width(self) -> int:
        """Of all of the page; more than the window's, and it can be scrolled sideways."""
        return int(self.driver.execute_script("return document.documentElement.scrollWidth"))

    def press(self, *keys: str) -> None:
        ActionChains(self.driver).send_keys(*keys).perform()

    def has_focus(self, selector: str) -> bool:
        return bool(self.driver.execute_script("return document.activeElement.matches(arguments[0])", selector))

    def background(self) -> tuple[int, ...]:
        """Return the page's background as red, green and blue."""
        color = self.driver.execute_script("return getComputedStyle(document.body).backgroundColor")
        return tuple(int(part) for part in color.removeprefix("rgb(").removesuffix(")").split(","))

    def complaints(self) -> list[str]:
        """Return the console's messages."""
        return [entry["message"] for entry in self.driver.get_log("browser")]

    def hosts(self) -> set[str]:
        """Return the hosts of all requests since the last call."""
        sent = [m["params"]["request"] for m in self.messages() if m["method"] == "Network.requestWillBeSent"]
        asked = [urlsplit(request["url"]) for request in sent]
        # The browser's own pages, and data inside the page, have other schemes.
        return {url.netloc for url in asked if url.scheme in ("http", "https", "ws", "wss")}

    def answers(self, until_has: str) -> dict[str, tuple[int, str | None]]:
        """Path → status and coding, as they come over the network from the last time on until this path's came."""
        found: dict[str, tuple[int, str | None]] = {}
        messages: list[Any] = []

        def came() -> bool:
            messages.extend(self.messages())
            found.update(answers_in(messages))
            return until_has in found

        until(came, until_has)
        return found

    def messages(self) -> list[Any]:
        """Return what the browser tells about its network since the last time."""
        return [json.loads(entry["message"])["message"] for entry in self.driver.get_log("performance")]

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


def answers_in(messages: list[Any]) -> dict[str, tuple[int, str | None]]:
    """Path → status and coding of each answer whose both parts are among the browser's messages."""
    paths = {
        m["params"]["requestId"]: urlsplit(m["params"]["response"]["url"]).path
        for m in messages
        if m["method"] == "Network.responseReceived"
    }
    received = [m["params"] for m in messages if m["method"] == "Network.responseReceivedExtraInfo"]
    return {
        paths[info["requestId"]]: (info["statusCode"], info["headers"].get("Content-Encoding"))
        for info in received
        if info["requestId"] in paths
    }


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[webdriver.Chrome]:
    with opened(tmp_path_factory.mktemp("browser")) as driver:
        yield driver


@pytest.fixture(scope="module")
def opened_page(service: Service, browser: webdriver.Chrome) -> Reader:
    """The page in a browser that has nothing stored. It takes seconds to be drawn, so all tests use the same one."""
    reader = Reader(service, browser)
    reader.open("/docs")
    reader.first = reader.answers(until_has="/openapi.json")
    return reader


@pytest.fixture
def reader(opened_page: Reader) -> Iterator[Reader]:
    """Give back the window and the colours as they were."""
    yield opened_page
    opened_page.driver.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
    opened_page.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})


def test_a_browser_has_compressed_documents_and_asks_before_it_uses_them_again(reader: Reader) -> None:
    """The second time nothing comes but 304s."""
    reader.open("/docs")
    second = reader.answers(until_has="/openapi.json")

    large = ("/openapi.json", "/docs/assets/swagger-ui-bundle.js", "/docs/assets/swagger-ui.css")
    assert {path: reader.first[path] for path in large} == dict.fromkeys(large, (200, "gzip"))
    assert {path: second[path][0] for path in large} == dict.fromkeys(large, 304)


def test_escape_gives_the_focus_back(reader: Reader) -> None:
    """To what opened the dialog: who has no mouse goes on where they were."""
    for opener in (".auth-wrapper .btn.authorize", "[id$='-create_task'] .authorization__btn"):
        reader.driver.execute_script("arguments[0].focus()", reader.find(opener))
        reader.press(Keys.ENTER)
        reader.find(".modal-ux input")
        until(partial(reader.has_focus, ".modal-ux input"), "the focus in the dialog")
        reader.press(Keys.ESCAPE)
        until(partial(reader.has_focus, opener), f"the focus on {opener}")
    assert reader.complaints() == []


def test_a_reader_can_try_the_service_on_its_page(service: Service, reader: Reader) -> None:
    """Authorize with a token, execute operations as they are filled in, create a task and list it."""
    reader.authorize(service.register())

    for operation, status in (("create_task", 201), ("get_task", 200), ("run_batch", 200)):
        assert (operation, reader.run(operation)[0]) == (operation, status)
    status, created = reader.run("create_task", {"title": "Buy tea"})
    assert (status, created["title"]) == (201, "Buy tea")
    status, listed = reader.run("list_tasks")
    assert status == 200
    assert created in listed["items"]

    reader.assert_both_schemes()
    reader.assert_quiet()


def test_an_open_operation_is_no_wider_than_a_narrow_window(reader: Reader) -> None:
    """Its parameters, its documented responses, and the one that came."""
    reader.become_narrow(NARROW[0])
    for operation in OPENED:
        reader.find(".responses-table", reader.open_operation(operation))
    # Refused if this test runs alone, because nobody has authorized: a response as well.
    assert reader.run("list_tasks")[0] in (200, 401)

    for width in NARROW:
        reader.become_narrow(width)
        assert reader.width() == width


def test_an_error_can_be_looked_up(reader: Reader) -> None:
    """At the target of its `type`."""
    # Forget what other pages did.
    reader.complaints(), reader.hosts()
    reader.open("/docs/errors#not_found")
    assert reader.find("#not_found:target h2").text.split() == ["not_found", "404"]
    reader.assert_both_schemes()
    reader.assert_quiet()
