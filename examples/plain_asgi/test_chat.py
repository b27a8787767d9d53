"""The chat, tested by its pages: no browser and no server, with each htmx in turn.

Run by ``pytest``, with pytest-asyncio in its auto mode; ``open_page`` comes with htmx-ws.
"""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import urlencode

import pytest

from examples.plain_asgi import chat
from htmx_ws.testing import Page, assert_joined, assert_published
from htmx_ws.testing.plugin import OpenPage
from htmx_ws.types import ASGIApp

LAST = "#log li:last-child"


@pytest.fixture
def htmx_app() -> Iterator[ASGIApp]:
    """The application under test, with nothing said in it yet."""
    yield chat.app
    chat.history.clear()


def is_own(page: Page, line: str) -> bool:
    """Whether a line is shown as one of the reader's own."""
    return f".{page.find(line).get('class')} {{" in page.find("style").text


async def test_what_one_says_everybody_reads(open_page: OpenPage) -> None:
    ada = await open_page("/?name=Ada")
    bob = await open_page("/?name=Bob")
    await ada.expect("#people li", count=2)
    ada.submit("#say-form", message="Good morning")
    for page in (ada, bob):
        await page.expect(f"{LAST} .text", text="Good morning")
    assert is_own(ada, LAST)
    assert not is_own(bob, LAST)
    await ada.expect("#message", value="")
    assert ada.focused is ada.find("#message")


async def test_two_tabs_of_one_person_are_one_person(open_page: OpenPage) -> None:
    ada, other = await open_page("/?name=Ada"), await open_page("/?name=Ada")
    await other.expect("#people li", count=1)
    ada.submit("#say-form", message="On both")
    for page in (ada, other):
        await page.expect(f"{LAST} .text", text="On both")
        assert is_own(page, LAST)


async def test_a_name_is_no_more_than_a_name(open_page: OpenPage) -> None:
    eve = await open_page("/?" + urlencode({"name": "</style>{} \\"}))
    eve.submit("#say-form", message="hi")
    await eve.expect(f"{LAST} .by b", text="</style>{} \\")
    assert is_own(eve, LAST)


async def test_html_that_somebody_types_is_text(open_page: OpenPage) -> None:
    eve = await open_page("/?name=Eve")
    eve.submit("#say-form", message="<script>alert(1)</script>")
    await eve.expect(f"{LAST} .text", text="<script>alert(1)</script>")
    assert eve.find_all("#log script") == []


async def test_an_empty_message_is_said_beside_the_field(open_page: OpenPage) -> None:
    ada = await open_page("/?name=Ada")
    ada.submit("#say-form", message="  ")
    await ada.expect("#say-form-errors *")
    ada.submit("#say-form", message="now")
    await ada.expect("#say-form-errors *", count=0)


async def test_rooms_do_not_hear_each_other(open_page: OpenPage) -> None:
    lobby = await open_page("/?name=Ada")
    garden = await open_page("/?name=Bob&room=garden")
    await assert_joined(chat.live, "garden", pages=1)
    with assert_published(chat.live, "garden", times=1):
        garden.submit("#say-form", message="hi")
        await garden.expect(LAST)
    await lobby.expect("#log li", count=0)


async def test_the_bot_answers_word_by_word_until_it_is_stopped(open_page: OpenPage) -> None:
    ada = await open_page("/?name=Ada")
    ada.submit("#say-form", message="Who are you?", by="[value=ask]")
    await ada.expect(f"{LAST} .stop")
    await ada.advance(0.35)  # four words, a tenth of a second each
    await ada.until(lambda: len(ada.find(f"{LAST} .text").text.split()) >= 3, "three words")
    ada.click(f"{LAST} .stop")
    await ada.expect(f"{LAST} .stop", count=0)
    said = ada.find(f"{LAST} .text").text
    await ada.advance(5)
    assert ada.find(f"{LAST} .text").text == said


async def test_who_was_away_is_shown_what_was_said(open_page: OpenPage) -> None:
    ada = await open_page("/?name=Ada")
    bob = await open_page("/?name=Bob")
    bob.drop()
    await assert_joined(chat.live, "lobby", pages=1)
    ada.submit("#say-form", message="Where are you?")
    bob.submit("#say-form", message="Here")  # waits until the socket is open again
    await ada.expect(LAST, text=ada.find(LAST).text if ada.find_all(LAST) else None)
    await bob.reconnect()
    await bob.expect("#log li", count=2)
    await ada.expect(f"{LAST} .text", text="Here")
    assert len(ada.find_all("#people li")) == 2


def test_a_plain_test_needs_no_event_loop(open_page: OpenPage) -> None:
    ada = open_page("/")
    ada.submit("form", name="Ada")
    ada.expect("#people li span:last-child", text="Ada")
    ada.submit("#say-form", message="hi")
    ada.expect(f"{LAST} .text", text="hi")
