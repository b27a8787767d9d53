"""Broken applications, and what a beginner reads when a test of theirs fails.

The messages are kept in ``tests/data/golden``: ``GOLDEN=write pytest`` writes them anew, to be
read before they are committed.
"""

from __future__ import annotations

import os
import re
from collections.abc import Awaitable, Callable
from typing import Any, Final

import pytest

from htmx_ws import Connection, HtmxWS, append, html
from htmx_ws.testing import Page
from htmx_ws.types import ASGIApp, Receive, Scope, Send
from tests.unit.test_page_swaps import DATA

GOLDEN: Final = DATA / "golden"
Told = Callable[[Page], Awaitable[Any]]

live = HtmxWS()
PAGE: Final = (
    f'<div id="app" {live.connect_attrs("/chat")}><ul id="log"><li>hello</li></ul>'
    f'<table><tbody id="rows"></tbody></table><form id="say" {live.send_attrs()}>'
    '<input name="msg"><button>Send</button></form></div>'
)
chat = live.endpoint("/chat")


@chat.on_connect
async def joined(conn: Connection) -> None:
    await conn.join("secret plans")  # whoever it is


@chat.on_message
async def say(msg: str) -> Any:
    match msg:
        case "missing id":
            return html("<li>{}</li>", msg)
        case "stray text":
            return f"{msg} is what you said"
        case "row without wrapper":
            return [html('<p id="note">one more</p>'), "<tr><td>row</td></tr>"]
        case "wrong id":
            return append("#lgo", html("<li>{}</li>", msg))
        case "raises":
            return {"a": 1}["b"]
        case _:
            return append("#log", f"<li>{msg}</li>")


def sends(text: str) -> ASGIApp:
    """An application of another library, which sends what it likes."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":
            await receive()
            await send({"type": "websocket.accept"})
            await receive()
            await send({"type": "websocket.send", "text": text})
            await receive()

    return app


def says(msg: str) -> Told:
    async def told(page: Page) -> None:
        page.submit("#say", msg=msg)
        await page.expect("#log li:last-child", text=msg, timeout=0.2)

    return told


async def expects_to_be_refused(page: Page) -> None:
    await page.expect_close(4401, timeout=0.05)


BROKEN: Final[dict[str, tuple[ASGIApp, str, Told]]] = {
    "missing id": (live, "4.0.1", says("missing id")),
    "stray text": (live, "4.0.1", says("stray text")),
    "row without wrapper": (live, "4.0.1", says("row without wrapper")),
    "wrong id": (live, "4.0.1", says("wrong id")),
    "handler that raises": (live, "2.0.11", says("raises")),
    "f-string injection": (live, "4.0.1", says("<b>hi</b>")),
    "missing authorisation": (live, "4.0.1", expects_to_be_refused),
    "another library, missing id": (sends("<li>hi</li>"), "2.0.11", says("hi")),
    "another library, no oob": (sends('<ul id="log"><li>hi</li></ul>'), "4.0.1", says("hi")),
    "another library, stray text": (sends("hi"), "4.0.1", says("hi")),
    "another library, row without wrapper": (
        sends(
            '<p id="x" hx-swap-oob="true">1</p><tr hx-swap-oob="beforeend:#rows"><td>2</td></tr>'
        ),
        "4.0.1",
        says("hi"),
    ),
}


@pytest.mark.parametrize("name", BROKEN)
async def test_a_broken_application_fails_with_words_that_help(name: str) -> None:
    app, htmx, told = BROKEN[name]
    with pytest.raises(AssertionError) as failed:
        async with Page(app, html=PAGE, htmx=htmx, timeout=2) as page:
            await told(page)
    said = re.sub(r"line \d+", "line N", str(failed.value)) + "\n"
    file = GOLDEN / f"{name.replace(', ', '_').replace(' ', '_')}.txt"
    if os.environ.get("GOLDEN") == "write":
        file.write_text(said)
    assert said == file.read_text()
