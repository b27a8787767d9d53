"""The chat of components, tested by its pages."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from examples.fasthtml_chat import chat
from htmx_ws.testing import Page
from htmx_ws.testing.plugin import OpenPage
from htmx_ws.types import ASGIApp


@pytest.fixture
def htmx_app() -> Iterator[ASGIApp]:
    """The application under test, with nothing said in it yet."""
    yield chat.app
    chat.msgs.clear()


async def enter(open_page: OpenPage, name: str) -> Page:
    page = await open_page("/")
    page.submit("form", name=name)
    await page.expect("#people li span:last-child", text=name)
    return page


def is_own(page: Page, message: str) -> bool:
    """Whether a message is shown as one of the reader's own."""
    by = page.find(message).get("class", "").split()[-1]
    return f".{by} {{" in page.find("style").text


async def test_people_talk(open_page: OpenPage) -> None:
    ada, bob = await enter(open_page, "Ada"), await enter(open_page, "Bob")
    ada.submit("#form", msg="<u>hi</u>")
    for page in (ada, bob):
        await page.expect("#msg-list .chat-bubble", text="<u>hi</u>")
    assert is_own(ada, "#msg-list li")
    assert not is_own(bob, "#msg-list li")
    await ada.expect("#msg", value="")


async def test_two_tabs_of_one_person_are_one_person(open_page: OpenPage) -> None:
    ada = await enter(open_page, "Ada")
    other = await open_page("/", browser=ada.browser)
    await other.expect("#people li", count=1)
    ada.submit("#form", msg="On both")
    for page in (ada, other):
        await page.expect("#msg-list .chat-bubble", text="On both")
        assert is_own(page, "#msg-list li")


async def test_who_leaves_is_not_listed(open_page: OpenPage) -> None:
    ada, bob = await enter(open_page, "Ada"), await enter(open_page, "Bob")
    bob.submit("header form")
    await bob.expect("h1", text="Come in")
    await ada.expect("#people li", count=1)


async def test_an_empty_message_is_said_beside_the_field(open_page: OpenPage) -> None:
    ada = await enter(open_page, "Ada")
    ada.submit("#form", msg="")
    await ada.expect("#form-errors *")
