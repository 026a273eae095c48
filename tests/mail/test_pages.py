"""The service's own pages for links, in a real browser."""

from collections.abc import Iterator

import pytest
from aiosmtpd.controller import Controller
from flask import Flask
from selenium import webdriver

from app.mail.pages import POLICY
from tests.conftest import Caller, settings_for
from tests.mail.conftest import NEW_PASSWORD, SENDER, Mailbox, url_of
from tests.process.conftest import Answer, Service, starting
from tests.process.test_docs_page import NARROW, Reader, browser, pytestmark
from tests.waiting import until

__all__ = ["browser", "pytestmark"]

EMAIL = "ann@example.com"


@pytest.fixture
def service(tmp_path, sqlite_template: bytes, mail_server: Controller, mailbox: Mailbox) -> Iterator[Service]:
    """A service with a user, and mails as they are sent: by its own workers."""
    (tmp_path / "tasks.db").write_bytes(sqlite_template)
    settings = settings_for(f"sqlite:///{tmp_path / 'tasks.db'}", SMTP_URL=url_of(mail_server), MAIL_FROM=SENDER)
    with starting(tmp_path) as start:
        service = start(**settings)
        service.register()
        yield service


@pytest.fixture
def reader(service: Service, browser: webdriver.Chrome) -> Reader:
    """A new reader: the browser has nothing stored, and shows nothing."""
    browser.get("about:blank")
    for command in ("Network.clearBrowserCache", "Emulation.clearDeviceMetricsOverride"):
        browser.execute_cdp_cmd(command, {})
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})
    reader = Reader(service, browser)
    browser.execute_cdp_cmd("Storage.clearDataForOrigin", {"origin": reader.home, "storageTypes": "all"})
    # Forget what earlier readers did.
    reader.complaints()
    reader.messages()
    return reader


def link(mailbox: Mailbox, subject: str) -> str:
    """Return the link in a mail with this subject, when it has come."""
    found = until(lambda: [mail for mail in mailbox.to(EMAIL) if mail["Subject"] == subject], subject)
    return next(word for word in found[-1].get_content().split() if "#token=" in word)


def sign_in(service: Service, password: str) -> Answer:
    return service.call("POST", "/v1/auth/login", body={"email": EMAIL, "password": password})


def said(reader: Reader) -> str:
    return str(until(lambda: reader.find("#said").text, "what the page says"))


def test_a_password_is_reset_with_the_keyboard_alone(service: Service, reader: Reader, mailbox: Mailbox) -> None:
    """Once. The token is neither in the address bar nor in the history."""
    assert service.call("POST", "/v1/auth/password/forgot", body={"email": EMAIL}).status == 202
    address = link(mailbox, "Reset your password")
    assert address.startswith(f"{reader.home}/reset-password#token=tasks_reset_")
    reader.driver.get(address)
    assert reader.driver.current_url == f"{reader.home}/reset-password"
    reader.press("\t", NEW_PASSWORD, "\n")

    assert said(reader).startswith("Your password is changed")
    assert sign_in(service, NEW_PASSWORD).status == 200
    reader.assert_both_schemes()
    for width in NARROW:
        reader.become_narrow(width)
        assert reader.width() <= width
    reader.assert_quiet()

    reader.driver.get(address)
    reader.press("\t", NEW_PASSWORD, "\n")
    assert said(reader).startswith("Ask for a new mail")


def test_a_refused_password_can_be_corrected(service: Service, reader: Reader, mailbox: Mailbox) -> None:
    """The page says what is wrong, and the link is not spent."""
    assert service.call("POST", "/v1/auth/password/forgot", body={"email": EMAIL}).status == 202
    reader.driver.get(link(mailbox, "Reset your password"))
    reader.press("\t", "password1", "\n")
    assert "most common" in said(reader)
    field = reader.find("#new_password")
    field.clear()
    field.send_keys(NEW_PASSWORD, "\n")

    until(lambda: said(reader).startswith("Your password is changed"), "the change")


def test_an_address_is_verified_by_a_button(service: Service, reader: Reader, mailbox: Mailbox) -> None:
    """Opening the page verifies nothing."""
    token = sign_in(service, "correct horse battery").body["access_token"]
    reader.driver.get(link(mailbox, "Verify your address"))
    assert reader.find("h1").text == "Verify your address"
    assert service.call("GET", "/v1/auth/me", token).body["email_verified"] is False
    reader.click("button")

    assert said(reader).startswith("Your address is verified")
    assert service.call("GET", "/v1/auth/me", token).body["email_verified"] is True
    reader.assert_quiet()


def test_a_link_that_was_cut_off_is_explained(service: Service, reader: Reader) -> None:
    """Without a form that could not work."""
    reader.open("/verify-email")

    assert said(reader).startswith("This link is incomplete")
    assert not reader.driver.find_element("css selector", "form").is_displayed()


@pytest.mark.parametrize("path", ["/reset-password", "/verify-email"])
def test_a_page_runs_only_its_own_code(app: Flask, path: str) -> None:
    """And tells no other site where it was."""
    answer = Caller(app).get(path)

    assert (answer.status_code, answer.mimetype) == (200, "text/html")
    assert answer.headers["Content-Security-Policy"] == POLICY
    assert "unsafe" not in POLICY
    assert answer.headers["Referrer-Policy"] == "no-referrer"
    assert "http://" not in answer.text
    assert "https://" not in answer.text


def test_a_front_ends_own_pages_replace_them(new_mail_app, mail_server: Controller) -> None:
    """Each by itself."""
    app = new_mail_app(SMTP_URL=url_of(mail_server), PASSWORD_RESET_URL="https://app.example.com/#token={token}")

    assert Caller(app).get("/reset-password").status_code == 404
    assert Caller(app).get("/verify-email").status_code == 200
