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


async def test_people_talk(open_page: OpenPage) -> None:
    ada, bob = await enter(open_page, "Ada"), await enter(open_page, "Bob")
    ada.submit("#form", msg="<u>hi</u>")
    await bob.expect("#msg-list .chat-start .chat-bubble", text="<u>hi</u>")
    await ada.expect("#msg-list .chat-end .chat-bubble", text="<u>hi</u>")
    await ada.expect("#msg", value="")


async def test_who_leaves_is_not_listed(open_page: OpenPage) -> None:
    ada, bob = await enter(open_page, "Ada"), await enter(open_page, "Bob")
    bob.submit("header form")
    await bob.expect("h1", text="Come in")
    await ada.expect("#people li", count=1)


async def test_an_empty_message_is_said_beside_the_field(open_page: OpenPage) -> None:
    ada = await enter(open_page, "Ada")
    ada.submit("#form", msg="")
    await ada.expect("#form-errors *")
