"""The chat of ``examples/starlette_chat`` is whole after whatever cuts its pages off."""

from __future__ import annotations

import asyncio
import os
import re
from base64 import b64encode
from collections.abc import Coroutine, Iterator
from concurrent.futures import Future
from contextlib import AsyncExitStack, contextmanager
from pathlib import Path
from threading import Thread
from typing import Any, Final, TypeVar

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.guests import HIDE, Guests
from tests.browser.test_chat import people, say
from tests.chaos.road import Road, road_to
from tests.services.brokers import RedisServer
from tests.services.servers import KINDS, Server, serve_on

pytestmark = pytest.mark.browser

T = TypeVar("T")
ROOT: Final = Path(__file__).parents[2]

#: How long the chat waits for those who have gone, in seconds; longer than any page takes here.
GRACE: Final = 12
#: No page takes as long to come back, in milliseconds.
BACK: Final = 30_000

#: htmx 2 waits for a random part of a second, then of two, four and so on: let it be a small one.
_HURRY: Final = "Math.random = () => 0.05"

#: Write down each list of people that a page shows.
_WATCH: Final = """() => {
    const list = document.querySelector("#people")
    const names = () => [...list.querySelectorAll("li > span:last-child")].map(e => e.textContent)
    window.lists = [names().join()]
    new MutationObserver(() => window.lists.push(names().join())).observe(list, {childList: true})
}"""


@contextmanager
def loop() -> Iterator[asyncio.AbstractEventLoop]:
    """Run an event loop in a thread, as Playwright has this one's."""
    begun: Future[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = Future()

    async def live_on() -> None:
        over = asyncio.Event()
        begun.set_result((asyncio.get_running_loop(), over))
        await over.wait()

    thread = Thread(target=asyncio.run, args=(live_on(),), name="servers")
    thread.start()
    loop, over = begun.result(10)
    try:
        yield loop
    finally:
        loop.call_soon_threadsafe(over.set)
        thread.join()


class Chat:
    """The example in processes of its own, and the road to them."""

    def __init__(self, loop: asyncio.AbstractEventLoop, environment: dict[str, str]) -> None:
        self._loop = loop
        self._environment = environment
        self._held = AsyncExitStack()
        self._servers: list[Server] = []
        self.road: Road = self.run(self._held.enter_async_context(road_to([])))

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(60)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.road.port}"

    @property
    def back_door(self) -> str:
        """The address of the process itself, for those who come when the road is closed."""
        return self._servers[-1].url

    def start(self) -> None:
        """Start one more process."""
        app = "examples.starlette_chat.app:app"
        serving = serve_on(KINDS[0], app, environment=self._environment)
        self._servers.append(self.run(self._held.enter_async_context(serving)))
        self.open()

    def stop(self) -> None:
        """End the process that started first, as a deploy does."""
        self.run(self._servers.pop(0).stop())
        self.open()

    def open(self) -> None:
        """Let everybody through, to the processes in turn."""
        self.road.ports = [int(each.url.rpartition(":")[2]) for each in self._servers]

    def close(self) -> None:
        """End every connection without a word, and take no other."""
        self.road.ports = []
        self._loop.call_soon_threadsafe(self.road.cut)

    def end(self) -> None:
        self.run(self._held.aclose())


@contextmanager
def running(home: Path, **environment: str) -> Iterator[Chat]:
    database = {"DATABASE": str(home / "chat.sqlite3"), "GRACE": str(GRACE)}
    with loop() as elsewhere:
        chat = Chat(elsewhere, database | environment)
        try:
            chat.start()
            yield chat
        finally:
            chat.end()


@pytest.fixture
def chat(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Chat]:
    """One process; two that share a Redis, for tests that are marked so."""
    if getattr(request, "param", "") != "redis":
        with running(tmp_path) as chat:
            yield chat
        return
    with (
        RedisServer(tmp_path / "redis") as redis,
        running(tmp_path, HTMX_WS_BACKEND=redis.url()) as chat,
    ):
        chat.start()
        yield chat


@pytest.fixture
def guests(guests: Guests, chat: Chat) -> Iterator[Guests]:
    """Take no offence at what consoles say of servers that are away, and of who is shown already.

    The first is said by Chromium and by htmx, the second by htmx 2.
    """
    yield guests
    for page in guests.sockets:
        page.close()
    away = r"WebSocket connection to|Event$|(htmx: htmx:ws:error: )?\[object Event\]"
    already = r"htmx:oobErrorNoTarget, \t#people:not"
    meant = re.compile(f"console: ({away}|{already})")
    guests.problems[:] = [each for each in guests.problems if not meant.match(each)]


def enter(guests: Guests, chat: Chat | str, htmx: int, name: str) -> Page:
    page = guests.come(f"{chat if isinstance(chat, str) else chat.url}/?htmx={htmx}")
    page.get_by_label("Your name").fill(name)
    page.get_by_role("button", name="Enter").click()
    expect(page.locator("#htmx-ws-tab")).not_to_have_value("")  # it is live
    page.evaluate(_HURRY)
    return page


def said(page: Page) -> Locator:
    return page.locator("#log .text")


def expect_together(pages: list[Page], names: list[str]) -> None:
    for page in pages:
        expect(people(page)).to_have_text(names)
        page.evaluate(_WATCH)


def lists(page: Page) -> list[str]:
    """Give the lists of people that a page has shown, without repetitions."""
    shown: list[str] = page.evaluate("window.lists")
    return [each for n, each in enumerate(shown) if n == 0 or each != shown[n - 1]]


def test_a_tab_that_was_hidden_has_what_was_said_meanwhile(guests: Guests, chat: Chat) -> None:
    """htmx 4 closes the socket of a tab that nobody sees."""
    ada, grace = (enter(guests, chat, 4, name) for name in ("Ada", "Grace"))
    expect_together([ada, grace], ["Ada", "Grace"])
    say(ada, "I am going to look it up")
    ada.evaluate(HIDE, True)
    for text in ("Good", "It is on page seven", "Or eight"):
        say(grace, text)
    expect(said(ada)).to_have_text(["I am going to look it up"])
    ada.evaluate(HIDE, False)
    whole = ["I am going to look it up", "Good", "It is on page seven", "Or eight"]
    for page in (ada, grace):
        expect(said(page)).to_have_text(whole)
    say(ada, "Eight")
    for page in (ada, grace):
        expect(said(page)).to_have_text([*whole, "Eight"])
        assert lists(page) == ["Ada,Grace"]
    assert [len(guests.sockets[page]) for page in (ada, grace)] == [2, 1]


def test_the_bot_goes_on_while_nobody_looks(guests: Guests, chat: Chat) -> None:
    ada = enter(guests, chat, 4, "Ada")
    second = ada.context.new_page()
    second.goto(ada.url)
    for page in (ada, second):
        expect(page.locator("#htmx-ws-tab")).not_to_have_value("")
    ada.get_by_label("Message", exact=True).fill("What can you do?")
    ada.get_by_role("button", name="Ask the bot").click()
    answer = said(ada).last
    expect(answer).to_contain_text("Good")
    ada.evaluate(HIDE, True)
    say(second, "And I am here")
    expect(said(second)).to_contain_text(["What can you do?", "never comes.", "And I am here"])
    expect(second.get_by_role("button", name="Stop")).to_have_count(0)
    assert "never comes." not in answer.inner_text()
    ada.evaluate(HIDE, False)
    expect(said(ada)).to_have_text(said(second).all_inner_texts())
    expect(ada.get_by_role("button", name="Stop")).to_have_count(0)


@pytest.mark.parametrize("htmx", [1, 2, 4])
def test_a_network_that_fails_takes_nothing(guests: Guests, chat: Chat, htmx: int) -> None:
    ada, grace = (enter(guests, chat, htmx, name) for name in ("Ada", "Grace"))
    expect_together([ada, grace], ["Ada", "Grace"])
    say(ada, "Can you hear me?")
    chat.close()
    linus = enter(guests, chat.back_door, htmx, "Linus")
    say(linus, "They are both away")
    chat.open()
    for page in (ada, grace, linus):
        expect(said(page)).to_have_text(["Can you hear me?", "They are both away"], timeout=BACK)
    say(ada, "Not any more")
    for page in (ada, grace, linus):
        expect(said(page).last).to_have_text("Not any more")
        expect(said(page)).to_have_count(3)
    for page in (ada, grace):
        assert lists(page) == ["Ada,Grace", "Ada,Grace,Linus"]


@pytest.mark.parametrize("htmx", [2, 4])
def test_a_server_that_is_started_again_has_all_of_it(
    guests: Guests, chat: Chat, htmx: int
) -> None:
    """Those who come back are not missed in between; who does not is missed when it is clear."""
    ada, grace, linus = (enter(guests, chat, htmx, name) for name in ("Ada", "Grace", "Linus"))
    expect_together([ada, grace], ["Ada", "Grace", "Linus"])
    say(ada, "We shall be back in a minute")
    chat.stop()
    linus.close()
    chat.start()
    chat.close()
    mary = enter(guests, chat.back_door, htmx, "Mary")
    say(mary, "So I see")
    chat.open()
    for page in (ada, grace, mary):
        texts = ["We shall be back in a minute", "So I see"]
        expect(said(page)).to_have_text(texts, timeout=BACK)
    say(grace, "And nobody had to sign in")
    for page in (ada, grace, mary):
        expect(said(page).last).to_have_text("And nobody had to sign in")
        expect(said(page)).to_have_count(3)
        expect(people(page)).to_have_text(["Ada", "Grace", "Mary"], timeout=2_000 * GRACE)
    for page in (ada, grace):
        assert all(each.startswith("Ada,Grace") for each in lists(page)), lists(page)


@pytest.mark.parametrize("chat", ["redis"], indirect=True)
@pytest.mark.parametrize("htmx", [2, 4])
def test_two_processes_are_one_chat_and_either_may_go(
    guests: Guests, chat: Chat, htmx: int
) -> None:
    ada, grace = (enter(guests, chat, htmx, name) for name in ("Ada", "Grace"))
    expect_together([ada, grace], ["Ada", "Grace"])
    say(ada, "Where are you?")
    say(grace, "In the other process, perhaps")
    chat.stop()
    chat.close()
    linus = enter(guests, chat.back_door, htmx, "Linus")
    say(linus, "One of them has gone")
    chat.open()
    texts = ["Where are you?", "In the other process, perhaps", "One of them has gone"]
    for page in (ada, grace, linus):
        expect(said(page)).to_have_text(texts, timeout=BACK)
    say(grace, "So what?")
    for page in (ada, grace, linus):
        expect(said(page)).to_have_text([*texts, "So what?"])
        expect(people(page)).to_have_text(["Ada", "Grace", "Linus"])
    for page in (ada, grace):
        assert lists(page) == ["Ada,Grace", "Ada,Grace,Linus"]


# --- the README's pictures -------------------------------------------------------------

_CROP: Final = """nav, .me, .by, #say-form, .chat main > h2 { display: none !important }
    #log { gap: 0.5rem !important; padding: 1rem !important } li { align-items: center }"""
_SCENE: Final = """<!doctype html><style>
  body { margin: 0; padding: 12px; width: 336px; background: #dfe3ec; color: #1b2233;
         font: 14px system-ui, "Noto Sans", sans-serif }
  h1 { margin: 0 2px 10px; font-size: 15px }
  section { margin-bottom: 12px; border-radius: 10px; overflow: hidden; background: #f0f2f7 }
  header { display: flex; gap: 4px; padding: 6px 8px 0; background: #c3cad8 }
  header b { margin-left: auto }
  i { padding: 4px 12px; border-radius: 8px 8px 0 0; font-style: normal; color: #5a657d }
  i.open { background: #f0f2f7; color: inherit }
  img, div { display: block; width: 336px; height: 284px }
  div { box-sizing: border-box; padding: 20px; color: #5a657d; line-height: 1.7 }
</style><h1>{title}</h1>{windows}"""
_WINDOW: Final = "<section><header>{tabs}<b>{name}</b></header>{shown}</section>"
_TEA: Final = (
    '<i># lobby</i><i class="open">Tea</i>',
    "<div>How long should tea steep?<br>White tea: 2 minutes<br>Green tea: 3 minutes</div>",
)


def picture(guests: Guests, title: str, windows: dict[str, tuple[str, str]]) -> bytes:
    """Draw people's browsers: of each the tabs, and what it shows."""
    drawn = (_WINDOW.format(name=name, tabs=tabs, shown=it) for name, (tabs, it) in windows.items())
    page = next(iter(guests.sockets)).context.new_page()
    page.set_content(_SCENE.replace("{title}", title).replace("{windows}", "".join(drawn)))
    bits = page.locator("body").screenshot()
    page.close()
    return bits


def chat_of(page: Page) -> tuple[str, str]:
    bits = page.screenshot(animations="disabled", style=_CROP)
    shown = f'<img src="data:image/png;base64,{b64encode(bits).decode()}">'
    return '<i class="open"># lobby</i>', shown


def test_a_tab_that_was_hidden_for_the_pictures(guests: Guests, chat: Chat) -> None:
    """The README's pictures: UPDATE_SCREENSHOTS=1 writes them, every run shows that it can."""
    ada, grace = (enter(guests, chat, 4, name) for name in ("Ada", "Grace"))
    expect_together([ada, grace], ["Ada", "Grace"])
    say(ada, "Shall I make tea?")
    say(grace, "Yes! How long?")
    for page in (ada, grace):
        expect(said(page)).to_have_count(2)
        page.set_viewport_size({"width": 336, "height": 284})
    both = {"Ada": chat_of(ada), "Grace": chat_of(grace)}
    pictures = [picture(guests, "1. Ada and Grace talk", both)]
    ada.evaluate(HIDE, True)
    say(grace, "There is cake, too")
    say(grace, "Ada?")
    both = {"Ada": _TEA, "Grace": chat_of(grace)}
    pictures += [picture(guests, "2. Ada looks it up", both)]
    ada.evaluate(HIDE, False)
    expect(said(ada)).to_have_count(4)
    both = {"Ada": chat_of(ada), "Grace": chat_of(grace)}
    pictures += [picture(guests, "3. She is back, and has missed nothing", both)]
    for number, bits in enumerate(pictures, 1):
        assert 10_000 < len(bits) < 60_000
        if os.environ.get("UPDATE_SCREENSHOTS"):
            (ROOT / "docs" / "images" / f"resume_{number}.png").write_bytes(bits)
