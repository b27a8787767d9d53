"""The chat of FastHTML's documentation, its handlers as they stand there, on our sockets.

Hooks are plain functions that keep ``send``; the handler awaits the ``send`` of everybody and
returns components. What is ours is the application that they are registered on, and the
attributes of the page, which make it run on htmx 4 as well.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from queue import Queue
from typing import Any

import pytest
from fasthtml.common import Button, Div, FastHTML, Form, Input, Li, NotStr, Ul
from playwright.sync_api import Page, expect

from htmx_ws import HtmxWS, scripts
from htmx_ws.types import ASGIApp
from tests.browser.guests import Guests, with_files

pytestmark = pytest.mark.browser

live = HtmxWS()
app = FastHTML(default_hdrs=False, secret_key="of a test")
msgs: list[str] = []
users: dict[str, Callable[[object], Awaitable[bool]]] = {}
gone: Queue[str] = Queue()


def mk_input() -> Any:
    return Input(id="msg", name="msg", autofocus=True, autocomplete="off")


@app.get("/")  # type: ignore[untyped-decorator]  # FastHTML's
def home(htmx: int) -> Any:
    return NotStr(scripts(htmx, static=f"/static/htmx-{htmx}")), Div(
        Ul(*[Li(m) for m in msgs], id="msg-list"),
        Div(id="notifications"),
        Form(mk_input(), Button("Send"), id="form", **live.send_attrs()),
        **live.connect_attrs("/ws"),
    )


def on_conn(ws: Any, send: Callable[[object], Awaitable[bool]]) -> None:
    users[ws.id] = send


def on_disconn(ws: Any) -> None:
    users.pop(ws.id, None)
    gone.put(ws.id)


@live.ws("/ws", conn=on_conn, disconn=on_disconn)
async def ws(msg: str, send: Callable[[object], Awaitable[bool]]) -> Any:
    await send(Div(f"Hello {msg}", id="notifications"))
    msgs.append(msg)
    for user in list(users.values()):
        await user(Ul(*[Li(m) for m in msgs], id="msg-list"))
    return Div(f"Goodbye {msg}", id="notifications"), mk_input()


@pytest.fixture(scope="module")
def url(serve: Callable[[ASGIApp], str]) -> str:
    return serve(with_files(live.wrap(app)))


@pytest.fixture(autouse=True)
def silence() -> Iterator[None]:
    yield
    while users:
        gone.get(timeout=5)
    msgs.clear()


@pytest.mark.parametrize("htmx", [2, 4], ids="htmx {}".format)
def test_everybody_gets_the_components(guests: Guests, url: str, htmx: int) -> None:
    pages = [guests.come(f"{url}/?htmx={htmx}") for _ in range(3)]

    def say(page: Page, text: str) -> None:
        page.fill("#msg", text)
        page.keyboard.press("Enter")
        expect(page.locator("#notifications")).to_have_text(f"Goodbye {text}")
        expect(page.locator("#msg")).to_have_value("")
        expect(page.locator("#msg")).to_be_focused()

    for page in pages:
        say(page, f"from <{pages.index(page)}>")
    for page in pages:
        expect(page.locator("#msg-list > li")).to_have_text(["from <0>", "from <1>", "from <2>"])
        assert len(guests.sockets[page]) == 1
    assert len(users) == 3
    pages.pop().close()
    while len(users) > 2:
        gone.get(timeout=5)
    assert len(users) == 2
    say(pages[0], "still here")
    expect(pages[1].locator("#msg-list > li").last).to_have_text("still here")
