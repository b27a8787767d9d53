"""The chat, tested by its pages: people with names in their sessions, each a visitor's own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from examples.starlette_chat import app as chat
from htmx_ws.testing import Page
from htmx_ws.testing.plugin import OpenPage
from htmx_ws.types import ASGIApp

LAST = "#log li:last-child"


@pytest.fixture
def htmx_app(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ASGIApp]:
    """The application under test, with a file in which nothing is said yet."""
    monkeypatch.setenv("DATABASE", str(tmp_path / "chat.sqlite3"))
    chat.store.cache_clear()
    yield chat.app
    chat.store().close()
    chat.store.cache_clear()


async def enter(open_page: OpenPage, name: str) -> Page:
    """Come in by the form, as people do."""
    page = await open_page("/")
    page.submit("form", name=name)
    await page.expect("#people li span:last-child", text=name)
    return page


def is_own(page: Page, line: str) -> bool:
    """Whether a line is shown as one of the reader's own."""
    return f'[data-author="{page.find(line).get("data-author")}"]' in page.find("style").text


async def test_people_come_in_and_talk(open_page: OpenPage) -> None:
    ada, eve = await enter(open_page, "Ada"), await enter(open_page, "<b>Eve</b>")
    assert ada.url == "http://testserver/rooms/lobby"
    await ada.expect("#people li", count=2)
    ada.submit("#say-form", message="Good morning")
    for page in (ada, eve):
        await page.expect(f"{LAST} .text", text="Good morning")
    assert is_own(ada, LAST)
    assert not is_own(eve, LAST)


async def test_without_a_name_there_is_only_the_entrance(open_page: OpenPage) -> None:
    page = await open_page("/rooms/lobby")
    await page.expect("h1", text="Come in")
    assert page.wires == []


async def test_two_tabs_of_one_person_are_one_person(open_page: OpenPage) -> None:
    ada = await enter(open_page, "Ada")
    other = await open_page("/rooms/garden", browser=ada.browser)
    await other.expect("#people li", count=1)
    other.submit(".me")
    await other.expect("h1", text="Come in")
    await ada.expect("h1", text="Come in")  # sent there over its socket


async def test_the_bot_may_be_stopped(open_page: OpenPage) -> None:
    ada = await enter(open_page, "Ada")
    ada.submit("#say-form", message="Who are you?", by="[value=ask]")
    await ada.expect(f"{LAST}[data-author=bot] .stop")
    await ada.advance(0.25)
    ada.click(f"{LAST} .stop")
    await ada.expect(f"{LAST} .stop", count=0)


async def test_a_page_that_was_hidden_has_missed_nothing(open_page: OpenPage) -> None:
    """htmx 4 closes the socket of a hidden page; htmx 2 keeps it."""
    ada, bob = await enter(open_page, "Ada"), await enter(open_page, "Bob")
    bob.hide()
    for text in ("Are you there?", "No?"):
        ada.submit("#say-form", message=text)
        await ada.expect(f"{LAST} .text", text=text)
    await bob.show()
    await bob.expect(f"{LAST} .text", text="No?")
    assert [each.text for each in bob.find_all("#log .text")] == ["Are you there?", "No?"]
