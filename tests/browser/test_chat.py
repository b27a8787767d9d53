"""The chat of ``examples/plain_asgi``, between people in browsers of their own."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Final, Protocol
from urllib.parse import urlencode

import pytest
from playwright.sync_api import Locator, Page, expect

from examples.plain_asgi import chat
from htmx_ws.testing import publications
from htmx_ws.types import ASGIApp
from tests.browser.guests import Guests

pytestmark = pytest.mark.browser

ROOT: Final = Path(__file__).parents[2]
EVIL: Final = "<img src=x onerror=\"document.title='hacked'\">"


@pytest.fixture(scope="module")
def url(serve: Callable[[ASGIApp], str]) -> str:
    return serve(chat.app)


class Enter(Protocol):
    def __call__(self, name: str, room: str = ...) -> Page: ...


@pytest.fixture(params=[1, 2, 4], ids="htmx {}".format)
def enter(request: pytest.FixtureRequest, guests: Guests, url: str) -> Enter:
    """Come into a room under a name, and wait until one is among those who are here."""

    def enter(name: str, room: str = "lobby") -> Page:
        query = urlencode({"name": name, "room": room, "htmx": request.param})
        page = guests.come(f"{url}/?{query}")
        expect(people(page).filter(has_text=re.compile(f"^{re.escape(name)}$"))).to_be_visible()
        return page

    return enter


def people(page: Page) -> Locator:
    """The names under "Who is here"."""
    return page.locator("#people li > span:last-child")


def last(page: Page) -> Locator:
    return page.locator("#log > li:last-child")


def say(page: Page, text: str) -> None:
    """Type a message and press Enter; the field is empty again when it has been sent."""
    page.get_by_label("Message", exact=True).fill(text)
    page.keyboard.press("Enter")
    expect(page.locator("#message")).to_have_value("")


def ask(page: Page, text: str) -> Locator:
    """Ask the bot; gives the bubble of its answer, which has begun."""
    page.get_by_label("Message", exact=True).fill(text)
    page.get_by_role("button", name="Ask the bot").click()
    answer = last(page).locator(".text")
    expect(last(page)).to_contain_text("Bot")
    expect(answer).not_to_be_empty()
    return answer


def test_a_message_is_on_both_pages_and_the_field_is_ready_for_the_next(
    enter: Enter, guests: Guests
) -> None:
    ada, grace = enter("Ada"), enter("Grace")
    say(ada, "Good morning")
    for page, side in ((ada, "end"), (grace, "start")):
        expect(last(page).locator(".text")).to_have_text("Good morning")
        expect(last(page)).to_have_css("justify-self", side)
        expect(last(page).locator("b")).to_have_text("Ada")
        assert len(last(page).locator("time").inner_text()) == len("12:34")
    expect(ada.locator("#message")).to_be_focused()
    ada.keyboard.type("Still me")  # without a click
    ada.keyboard.press("Enter")
    expect(last(grace).locator(".text")).to_have_text("Still me")
    assert [len(guests.sockets[page]) for page in (ada, grace)] == [1, 1]


def test_a_room_hears_nothing_of_another(enter: Enter) -> None:
    ada, grace = enter("Ada", "garden"), enter("Grace", "kitchen")
    say(ada, "Only for the garden")
    say(grace, "Only for the kitchen")
    expect(last(ada).locator(".text")).to_have_text("Only for the garden")
    expect(last(grace).locator(".text")).to_have_text("Only for the kitchen")
    expect(people(ada)).to_have_count(1)


def test_who_comes_later_sees_what_was_said(enter: Enter) -> None:
    say(enter("Ada"), "Before you came")
    expect(last(enter("Grace")).locator(".text")).to_have_text("Before you came")


def test_who_is_here_follows_who_comes_and_goes_once_each(
    enter: Enter,
) -> None:
    cleo, dan = enter("Cleo"), enter("Dan")
    for page in (cleo, dan):
        expect(people(page)).to_have_text(["Cleo", "Dan"])
    again = enter("Dan")
    with publications(chat.live) as told:
        dan.close()
        again.reload()
        expect(people(again)).to_have_text(["Cleo", "Dan"])
        say(cleo, "Still two")
        assert [each.room for each in told if "people" in each.messages[0]] == []
        again.close()
        expect(people(cleo)).to_have_text(["Cleo"])
        enter("Eli")
        expect(people(cleo)).to_have_text(["Cleo", "Eli"])
    assert [each.room for each in told if "people" in each.messages[0]] == ["lobby", "lobby"]


def test_an_empty_message_is_an_error_beside_the_field_until_the_next_valid_one(
    enter: Enter,
) -> None:
    ada, grace = enter("Ada"), enter("Grace")
    errors = ada.locator("#say-form-errors")
    say(ada, "Something to compare with")
    say(ada, "")
    expect(errors).to_contain_text("message")
    expect(errors).to_contain_text("at least 1 character")
    expect(grace.locator("#say-form-errors")).to_be_empty()
    say(ada, "Now it says something")
    expect(errors).to_be_empty()
    expect(last(grace).locator(".text")).to_have_text("Now it says something")
    ada.fill("#message", "x" * 501)
    ada.click("button[value=say]")
    expect(errors).to_contain_text("at most 500 characters")
    expect(ada.locator("#message")).to_have_value("x" * 501)


def test_the_bot_answers_piece_by_piece_until_it_is_stopped(enter: Enter) -> None:
    ada = enter("Ada", "kitchen")
    answer = ask(ada, "What can you do?")
    states = [answer.inner_text()]
    while len(states) < 3:
        expect(answer).not_to_have_text(states[-1], use_inner_text=True)
        states.append(answer.inner_text())
        assert states[-1].startswith(states[-2].rstrip())
    say(ada, "The room goes on meanwhile")
    expect(last(ada).locator(".text")).to_have_text("The room goes on meanwhile")
    answer = ada.locator("#log > .bot .text").last
    *_, page = (page for page in chat.live.members("kitchen") if page.identity == "Ada")
    assert page.work
    ada.get_by_role("button", name="Stop").click()
    expect(ada.get_by_role("button", name="Stop")).to_have_count(0)
    assert not page.work
    stopped = " ".join(answer.inner_text().split())
    assert any(whole.startswith(stopped) and whole != stopped for whole in chat.ANSWERS)
    # It is there again, as far as it came, after the page was loaded anew.
    ada.reload()
    expect(ada.locator("#log > .bot .text").last).to_have_text(stopped)


def test_the_bot_finishes_what_nobody_stops_and_only_who_asked_sees_it(
    enter: Enter, monkeypatch: pytest.MonkeyPatch
) -> None:
    ada, grace = enter("Ada", "garden"), enter("Grace", "garden")
    say(grace, "Ada, ask the bot")
    monkeypatch.setattr(chat, "answers", iter(["Just four short words"]))
    answer = ask(ada, "And now?")
    expect(answer).to_have_text("Just four short words")
    expect(last(ada)).to_contain_text("only you see this")
    expect(ada.get_by_role("button", name="Stop")).to_have_count(0)
    expect(last(grace).locator(".text")).to_have_text("Ada, ask the bot")


def test_what_people_write_arrives_as_text(enter: Enter) -> None:
    ada, eve = enter("Ada"), enter("<b>Eve</b>")
    say(eve, EVIL)
    for page in (ada, eve):
        expect(last(page).locator(".text")).to_have_text(EVIL)
        expect(last(page).locator(".by b")).to_have_text("<b>Eve</b>")
        expect(page.locator("img")).to_have_count(0)
        expect(page).to_have_title("# lobby")
    eve.reload()
    expect(last(eve).locator(".text")).to_have_text(EVIL)
    expect(eve.locator("img")).to_have_count(0)


def test_one_comes_in_by_the_front_door(guests: Guests, url: str) -> None:
    page = guests.come(f"{url}/?htmx=2")
    page.get_by_label("Your name").fill("Ada")
    page.get_by_role("button", name="Enter").click()
    expect(people(page)).to_have_text(["Ada"])
    page.get_by_role("link", name="# garden").click()
    expect(page).to_have_title("# garden")
    expect(people(page)).to_have_text(["Ada"])
    expect(page.locator("small")).to_have_text("htmx 2")


@pytest.mark.parametrize("enter", [4], indirect=True, ids=["htmx 4"])
def test_a_conversation_for_the_picture(
    enter: Enter, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The README's picture: UPDATE_SCREENSHOTS=1 writes it, every run shows that it can."""
    chat.history.clear()
    monkeypatch.setattr(chat, "answers", iter(chat.ANSWERS))
    ada = enter("Ada")
    grace = enter("Grace")
    enter("Linus")
    expect(people(ada)).to_have_count(3)
    say(ada, "Good morning! Is anybody here yet?")
    say(grace, "Morning, Ada. I have just made tea.")
    say(grace, "Did you see that this page has no JavaScript of its own?")
    say(ada, "I did. And <b>this</b> arrives as text.")
    answer = ask(ada, "What can you do, bot?")
    expect(answer).to_contain_text("sent as")
    ada.mouse.move(0, 0)
    picture = ada.screenshot(path=tmp_path / "chat.png", animations="disabled", caret="initial")
    assert 20_000 < len(picture) < 300_000
    if os.environ.get("UPDATE_SCREENSHOTS"):
        (ROOT / "docs" / "images" / "chat.png").write_bytes(picture)
