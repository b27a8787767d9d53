"""The chat of ``examples/fasthtml_chat``: FastHTML's components on the sockets of htmx-ws."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import pytest
from playwright.sync_api import Locator, Page, expect

from examples.fasthtml_chat import chat
from htmx_ws.types import ASGIApp
from tests.browser.guests import Guests
from tests.browser.test_chat import EVIL, people

pytestmark = pytest.mark.browser

ROOT: Final = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def url(serve: Callable[[ASGIApp], str]) -> str:
    return serve(chat.app)


@pytest.fixture(autouse=True)
def silence() -> Iterator[None]:
    yield
    chat.msgs.clear()


Enter = Callable[[str], Page]


@pytest.fixture(params=[2, 4], ids="htmx {}".format)
def enter(request: pytest.FixtureRequest, guests: Guests, url: str) -> Enter:
    """Come in under a name, and wait until one is among those who are here."""

    def enter(name: str) -> Page:
        page = guests.come(f"{url}/?htmx={request.param}")
        page.get_by_label("Your name").fill(name)
        page.get_by_role("button", name="Enter").click()
        expect(people(page).get_by_text(name, exact=True)).to_be_visible()
        return page

    return enter


def last(page: Page) -> Locator:
    return page.locator("#msg-list > li:last-child")


def say(page: Page, text: str) -> None:
    page.get_by_label("Message", exact=True).fill(text)
    page.get_by_role("button", name="Send").click()
    expect(page.locator("#msg")).to_have_value("")


def test_two_people_talk_and_what_they_write_arrives_as_text(enter: Enter, guests: Guests) -> None:
    ada, eve = enter("Ada"), enter("<b>Eve</b>")
    for page in (ada, eve):
        expect(people(page)).to_have_text(["<b>Eve</b>", "Ada"])
    say(ada, "Good morning")
    for page, side in ((ada, "end"), (eve, "start")):
        expect(last(page).locator(".chat-bubble")).to_have_text("Good morning")
        expect(last(page)).to_have_css("justify-self", side)
    expect(ada.locator("#msg")).to_be_focused()
    say(ada, "")
    expect(ada.locator("#form-errors")).to_contain_text("at least 1 character")
    expect(eve.locator("#form-errors")).to_be_empty()
    say(eve, EVIL)
    for page in (ada, eve):
        expect(last(page).locator(".chat-bubble")).to_have_text(EVIL)
        expect(last(page).locator("b")).to_have_text("<b>Eve</b>")
        expect(page.locator("img")).to_have_count(0)
        expect(page).to_have_title("Chat")
    expect(ada.locator("#msg-list > li")).to_have_count(2)
    assert [len(guests.sockets[page]) for page in (ada, eve)] == [1, 1]
    ada.reload()  # the name is the session's, and nothing that was said is lost
    expect(ada.locator(".chat-bubble").first).to_have_text("Good morning")
    expect(ada.locator("#msg-list > li").first).to_have_css("justify-self", "end")
    ada.get_by_role("button", name="Sign out").click()
    expect(ada.get_by_label("Your name")).to_be_visible()
    expect(people(eve)).to_have_text(["<b>Eve</b>"])


@pytest.mark.parametrize("enter", [4], indirect=True, ids=["htmx 4"])
def test_a_page_whose_session_has_gone_comes_back_to_the_entrance(enter: Enter) -> None:
    ada = enter("Ada")
    say(ada, "I am here")  # by the socket
    ada.context.clear_cookies()
    chat.live.disconnect(room="chat", code=1012)
    expect(ada.get_by_label("Your name")).to_be_visible()


@pytest.mark.parametrize("enter", [4], indirect=True, ids=["htmx 4"])
def test_a_conversation_for_the_picture(enter: Enter, tmp_path: Path) -> None:
    """The README's picture: UPDATE_SCREENSHOTS=1 writes it, every run shows that it can."""
    ada, grace = enter("Ada"), enter("Grace")
    enter("Linus")
    expect(people(ada)).to_have_count(3)
    ada.set_viewport_size({"width": 1000, "height": 620})
    say(grace, "Every bubble here is an FT component.")
    say(ada, "Ul, Li, Div: the same ones as on the page?")
    say(grace, "The same functions. The page is made of them, and the socket sends them.")
    say(ada, "And what if I write <b>HTML</b>?")
    say(grace, "Then it arrives as text.")
    expect(last(ada)).to_contain_text("as text")
    ada.mouse.move(0, 0)
    picture = ada.screenshot(path=tmp_path / "chat.png", animations="disabled", caret="initial")
    assert 20_000 < len(picture) < 250_000
    if os.environ.get("UPDATE_SCREENSHOTS"):
        (ROOT / "docs" / "images" / "fasthtml_chat.png").write_bytes(picture)
