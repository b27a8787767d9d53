"""The chat of ``examples/starlette_chat``: its people have a name in a session."""

from __future__ import annotations

import os
import re
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Final, Protocol

import pytest
from playwright.sync_api import Page, expect

from htmx_ws.types import ASGIApp
from tests.browser.guests import Guests
from tests.browser.test_chat import EVIL, ask, last, people, say

pytestmark = pytest.mark.browser

ROOT: Final = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def chat(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ModuleType]:
    """The example, with a file of its own, and less patience with those who have gone."""
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("DATABASE", str(tmp_path_factory.mktemp("chat") / "chat.sqlite3"))
        environment.setenv("GRACE", "1")
        yield import_module("examples.starlette_chat.app")


@pytest.fixture(scope="module")
def url(chat: ModuleType, serve: Callable[[ASGIApp], str]) -> str:
    return serve(chat.app)


@pytest.fixture(autouse=True)
def silence(chat: ModuleType) -> Iterator[None]:
    yield
    with closing(sqlite3.connect(os.environ["DATABASE"])) as store, store:
        store.execute("delete from lines")


class Enter(Protocol):
    def __call__(self, name: str) -> Page: ...


@pytest.fixture(params=[1, 2, 4], ids="htmx {}".format)
def enter(request: pytest.FixtureRequest, guests: Guests, url: str) -> Enter:
    """Come in under a name, and wait until one is among those who are here."""

    def enter(name: str) -> Page:
        page = guests.come(f"{url}/?htmx={request.param}")
        page.get_by_label("Your name").fill(name)
        page.get_by_role("button", name="Enter").click()
        itself = re.compile(f"^{re.escape(name)}$")
        expect(people(page).filter(has_text=itself).first).to_be_visible()
        return page

    return enter


def expect_side(page: Page, side: str) -> None:
    """Expect the last line at the side where a reader's own are, or where those of others are."""
    expect(last(page)).to_have_css("justify-self", {"mine": "end", "theirs": "start"}[side])


def test_two_people_talk_and_what_they_write_arrives_as_text(enter: Enter, guests: Guests) -> None:
    ada, eve = enter("Ada"), enter("<b>Eve</b>")
    for page in (ada, eve):
        expect(people(page)).to_have_text(["<b>Eve</b>", "Ada"])
    say(ada, "Good morning")
    for page, side in ((ada, "mine"), (eve, "theirs")):
        expect(last(page).locator(".text")).to_have_text("Good morning")
        expect_side(page, side)
        expect(last(page).locator("b")).to_have_text("Ada")
    expect(ada.locator("#message")).to_be_focused()
    say(ada, "")
    expect(ada.locator("#say-form-errors")).to_contain_text("at least 1 character")
    expect(eve.locator("#say-form-errors")).to_be_empty()
    say(eve, EVIL)
    for page in (ada, eve):
        expect(last(page).locator(".text")).to_have_text(EVIL)
        expect(last(page).locator("b")).to_have_text("<b>Eve</b>")
        expect(page.locator("img")).to_have_count(0)
        expect(page).to_have_title("# lobby")
    expect(ada.locator("#log > li")).to_have_count(2)
    assert [len(guests.sockets[page]) for page in (ada, eve)] == [1, 1]
    eve.get_by_role("link", name="# garden").click()
    expect(people(ada)).to_have_text(["Ada"])
    expect(people(eve)).to_have_text(["<b>Eve</b>"])
    say(eve, "Only for the garden")
    say(ada, "Only for the lobby")
    expect(eve.locator("#log .text")).to_have_text(["Only for the garden"])


def test_the_bot_answers_word_by_word_until_it_is_stopped_and_for_one_alone(
    enter: Enter, chat: ModuleType
) -> None:
    ada, grace = enter("Ada"), enter("Grace")
    answer = ask(ada, "What can you do?")
    said = answer.inner_text()
    expect(answer).not_to_have_text(said, use_inner_text=True)
    ada.get_by_role("button", name="Stop").click()
    expect(ada.get_by_role("button", name="Stop")).to_have_count(0)
    stopped = " ".join(answer.inner_text().split())
    assert stopped.startswith(said.strip())
    assert any(whole.startswith(stopped) and whole != stopped for whole in chat.ANSWERS)
    say(grace, "Does the bot speak to you?")
    expect(grace.locator("#log > li")).to_have_count(1)
    ada.reload()  # it is there again, as far as it came
    expect(ada.locator("#log .text")).to_have_text(
        ["What can you do?", stopped, "Does the bot speak to you?"]
    )


@pytest.mark.parametrize("enter", [2, 4], indirect=True, ids=["htmx 2", "htmx 4"])
def test_a_name_is_the_sessions_until_one_signs_out(enter: Enter, url: str) -> None:
    ada, other = enter("Ada"), enter("Ada")
    say(ada, "We have the same name")
    for page, side in ((ada, "mine"), (other, "theirs")):
        expect_side(page, side)
    second = ada.context.new_page()
    second.goto(f"{url}/rooms/lobby")
    expect_side(second, "mine")
    expect(people(second)).to_have_text(["Ada", "Ada"])
    assert "Ada" not in second.url
    second.get_by_role("button", name="Sign out").click()
    for page in (second, ada):
        page.bring_to_front()  # a hidden page of htmx 4 has no socket, and learns of it now
        expect(page.get_by_label("Your name")).to_be_visible()
    expect(people(other)).to_have_text(["Ada"])
    ada.goto(f"{url}/rooms/garden")
    expect(ada.get_by_label("Your name")).to_be_visible()


@pytest.mark.parametrize("enter", [4], indirect=True, ids=["htmx 4"])
def test_a_page_whose_session_has_gone_comes_back_to_the_entrance(
    enter: Enter, chat: ModuleType
) -> None:
    ada = enter("Ada")
    say(ada, "I am here")  # by the socket, while an Ada of before may still be shown as here
    ada.context.clear_cookies()
    chat.live.disconnect(room="room:lobby", code=1012)
    expect(ada.get_by_label("Your name")).to_be_visible()


@pytest.mark.parametrize("enter", [4], indirect=True, ids=["htmx 4"])
def test_a_conversation_for_the_picture(
    enter: Enter, chat: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The README's picture: UPDATE_SCREENSHOTS=1 writes it, every run shows that it can."""
    monkeypatch.setattr(chat, "answers", iter(chat.ANSWERS))
    monkeypatch.setattr(chat, "seconds_per_word", 0.05)
    ada, grace = enter("Ada"), enter("Grace")
    enter("Linus")
    expect(people(ada)).to_have_count(3)
    say(ada, "Good morning! Is anybody here yet?")
    say(grace, "Morning, Ada. I have just made tea.")
    say(grace, "Did you see that this page has no JavaScript of its own?")
    say(ada, "I did. And <b>this</b> arrives as text.")
    answer = ask(ada, "What can you do, bot?")
    expect(answer).to_contain_text("each of these")
    monkeypatch.setattr(chat, "seconds_per_word", 3)  # hold still
    ada.mouse.move(0, 0)
    picture = ada.screenshot(path=tmp_path / "chat.png", animations="disabled", caret="initial")
    assert 20_000 < len(picture) < 250_000
    if os.environ.get("UPDATE_SCREENSHOTS"):
        (ROOT / "docs" / "images" / "starlette_chat.png").write_bytes(picture)
