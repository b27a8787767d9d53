"""What an element sends: each client's frames against those that Chromium sent."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, Final

import pytest

from htmx_ws.testing import clients
from htmx_ws.testing.browser import gestures
from htmx_ws.testing.browser.dom import Element
from htmx_ws.testing.browser.tab import Tab
from tests.unit.test_page_swaps import CLIENTS, DATA

ROWS: Final[list[dict[str, Any]]] = json.loads((DATA / "frames.json").read_text())


class Line:
    """A socket that is open at once."""

    def __init__(self) -> None:
        self.sent: list[str] = []

    def send(self, text: str, sender: Element) -> None:
        self.sent.append(text)

    def close(self) -> None: ...


class Visitor:
    """Does in a tab what a recording did in a browser."""

    def __init__(self, page: str, version: str) -> None:
        self.is_4 = version.startswith("4")
        self.line = Line()
        html = f"<!doctype html><html><head><title>T</title></head>{self.with_attributes(page)}"
        self.tab = Tab(html, "http://app.test/chat", lambda element, url: self.line)
        self.client = clients.start(version, self.tab)
        self.client.start()

    def with_attributes(self, html: str) -> str:
        connect = 'hx-ws:connect="/ws"' if self.is_4 else 'hx-ext="ws" ws-connect="/ws"'
        send = "hx-ws:send" if self.is_4 else "ws-send"
        return html.replace("{{CONNECT}}", connect).replace("{{SEND}}", send)

    def __call__(self, selector: str) -> Element:
        found = self.tab.document.select_one(selector)
        assert found is not None, selector
        return found

    def click(self, *selectors: str) -> None:
        for selector in selectors:
            gestures.click(self.tab, self(selector))

    def receive(self, message: str) -> None:
        app: Element = self("#app")
        self.client.receive(app, self.with_attributes(message))


def choose_files(v: Visitor) -> None:
    v("#up").files, v("#ups").files = ["a.txt"], ["b.txt", "c.txt"]
    v.click("#go")


def type_and_leave(v: Visitor) -> None:
    gestures.fill(v.tab, v("#i"), "abc")
    gestures.press(v.tab, v("#i"), "Tab")


def arrive_and_click(v: Visitor) -> None:
    form = "<form id=f {{SEND}}><input name=a value=1><button id=go>go</button></form>"
    v.receive(f'<div id="x" hx-swap-oob="true">{form}</div>')
    v.click("#go")


ACTIONS: Final[dict[str, Callable[[Visitor], object]]] = {
    "file input, 1 file; F05c multiple": choose_files,
    "input change": type_and_leave,
    "hx-target with / without id": lambda v: v.click("#go", "#go2", "#go3"),
    "button with send inside form": lambda v: v.click("#go", "#go2"),
    "enter key submit, implicit button": lambda v: gestures.press(v.tab, v("#i"), "Enter"),
    "form.requestSubmit() no submitter": lambda v: gestures.request_submit(v.tab, v("#f")),
    "two quick clicks": lambda v: v.click("#go", "#go"),
    "hx-trigger=load sender (before open => queue?)": lambda v: None,
    "sender content arriving over the socket": arrive_and_click,
}


@pytest.mark.parametrize("version", CLIENTS)
@pytest.mark.parametrize("row", ROWS, ids=lambda row: str(row["case"]))
def test_elements_send_what_they_sent_in_chromium(row: dict[str, Any], version: str) -> None:
    want = next(o["frames"] for o in row["sent"] if CLIENTS[version] in o["clients"])
    visitor = Visitor(row["page"], version)
    if row["case"] in ACTIONS:
        ACTIONS[row["case"]](visitor)
    else:
        visitor.click(row["action"].removeprefix("click "))
    assert visitor.line.sent == want
