"""Browser journeys: a real Chromium against a live server. A page that logs an error, or breaks the CSP, fails."""

import os
from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page, expect, sync_playwright

from accounts.models import User
from tests.chromium import find_chromium
from tests.factories import PASSWORD

expect.set_options(timeout=20_000)  # a busy machine is slow, not wrong

FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]

PHONE = {"viewport": {"width": 390, "height": 844}, "is_mobile": True, "has_touch": True}
DESK = {"viewport": {"width": 1440, "height": 900}}


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    path = find_chromium()
    if path is None:
        pytest.skip("no Chromium found: set CHROMIUM or install it")
    # Playwright's loop runs in this thread; the tests still ask the database from it.
    os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "1"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture
def page_of(browser, live_server, ada) -> Iterator[Callable[..., Page]]:
    """`page_of(mia)` is a browser page in which Mia has signed in by the form (Ada is there, so set-up is done)."""
    contexts, complaints = [], []

    def listen(message: ConsoleMessage) -> None:
        # The browser says so of each form that is answered with what is wrong in it.
        if message.type == "error" and "status of 422" not in message.text:
            complaints.append(message.text)

    def sign_in(user: User, device: dict | None = None) -> Page:
        context = browser.new_context(base_url=live_server.url, **(device or DESK))
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(20_000)
        page.on("console", listen)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.goto("/")
        page.get_by_label("E-mail").fill(user.email)
        page.get_by_label("Password").fill(PASSWORD)
        page.get_by_role("button", name="Sign in").click()
        page.wait_for_url(live_server.url + "/")
        return page

    yield sign_in
    for context in contexts:
        context.close()
    assert complaints == []
