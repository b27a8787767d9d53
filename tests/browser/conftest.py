"""One browser for the whole folder, and pages for each test."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest
from playwright.sync_api import Browser, sync_playwright

from htmx_ws.types import ASGIApp
from tests.browser.guests import FLAGS, Guests, chromium_path, serving


# Not for the session: as long as Playwright runs, its event loop is the main thread's, and
# the async tests of other folders could not have theirs.
@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    path = chromium_path()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=list(FLAGS))
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def serve() -> Iterator[Callable[[ASGIApp], str]]:
    """Serve an application until the module is done; gives its address."""
    with ExitStack() as servers:
        yield lambda app: servers.enter_context(serving(app))


@pytest.fixture
def guests(browser: Browser) -> Iterator[Guests]:
    guests = Guests(browser)
    yield guests
    guests.leave()
