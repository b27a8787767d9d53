"""htmx 4 at work in a tab: which elements connect and send, and when."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any, Final
from urllib.parse import urljoin, urlsplit

from ..browser.dom import Element
from ..browser.tab import Event, Link, Tab
from . import hcon
from .lookup4 import attribute, attribute_value, find_all
from .send4 import frame_of
from .swap4 import Swaps4
from .triggers import Trigger, listen, read_triggers

__all__ = ["Htmx4"]

_CONNECT: Final = r"[hx-ws\:connect],[data-hx-ws\:connect]"
_SEND: Final = r"[hx-ws\:send],[data-hx-ws\:send]"
_POWERED: Final = "data-htmx-powered"


class Htmx4(Swaps4):
    """One page with htmx 4."""

    #: How many frames wait for a socket to open.
    QUEUE: Final = 100
    OPENED: Final = "htmx:ws:after:connection"
    CLOSED: Final = "htmx:ws:close"
    #: Whether it closes the socket of a hidden page.
    HIDES: Final = True
    #: What the server sees when the page goes.
    GONE: Final = 1000

    def __init__(self, tab: Tab, version: str) -> None:
        super().__init__(tab)
        self.version = version
        self.retry_codes: tuple[int, ...] = (1001, 1005, 1006, 1011, 1012, 1013, 1014)

    def start(self) -> None:
        """Prepare the page, as htmx does when it is loaded."""
        self.tab.run(lambda: self.process(self.tab.document.body))

    def delay(self, attempt: int) -> float:
        """Give the seconds until a socket is opened again, after so many attempts."""
        base = min(0.5 * 2.0**attempt, 60.0)
        return base * (1 + (random.random() * 2 - 1) * 0.3)

    # --- preparing elements --------------------------------------------------------------

    def process(self, element: Element) -> None:
        if not element.is_connected or element.closest("[hx-ignore],[data-hx-ignore]") is not None:
            return
        found = element.select(f"{_CONNECT},{_SEND},[ws-connect],[ws-send]")
        for each in [element, *found]:
            self._prepare(each)

    def _prepare(self, element: Element) -> None:
        # Its console warns of these; they are ours, so that htmx 2 reads the page, too.
        if "ws-connect" in element.attrs:
            element.attrs.setdefault("data-hx-ws:connect", element.attrs["ws-connect"])
        if "ws-send" in element.attrs:
            element.attrs.setdefault("data-hx-ws:send", "")
        sends = attribute_value(element, "hx-ws:send")
        url = attribute_value(element, "hx-ws:connect")
        if url is not None:
            self._power(element)
            if url and not element.life.get("connects"):
                element.life["connects"] = True
                self._on(
                    element,
                    attribute_value(element, "hx-trigger") or "load",
                    lambda event: self._connect(element, url),
                )
        if sends is not None:
            self._power(element)
            if not element.life.get("sends"):
                element.life["sends"] = True
                given = attribute_value(element, "hx-trigger")
                self._on(
                    element,
                    given or _default_trigger(element),
                    lambda event: self._send(element, event),
                )

    def _power(self, element: Element) -> None:
        element.life["powered"] = True
        element.attrs[_POWERED] = "true"

    def _on(self, element: Element, triggers: str, act: Callable[[Event], None]) -> None:
        for trigger in read_triggers(triggers):
            self._listen(element, trigger, act)

    def _listen(self, element: Element, trigger: Trigger, act: Callable[[Event], None]) -> None:
        ends: list[Any] = element.life.setdefault("ends", [])
        if trigger.event in ("load", "revealed", "intersect"):
            if trigger.delay:
                self.tab.later(trigger.delay, lambda: act(Event("load", element)))
            else:
                act(Event("load", element))
        elif trigger.every:
            ends.append(self.tab.repeat(trigger.every, lambda: act(Event("every", element))))
        else:
            if trigger.origin == "outside":
                origins: Any = [self.tab.document]
            elif trigger.origin and trigger.origin != "self":
                origins = find_all(self.tab, element, trigger.origin)
            else:
                origins = [element]
            ends += listen(self.tab, element, trigger, origins, act, is_old=False)

    def clean_up(self, element: Element) -> None:
        for each in element.itself_and_descendants():
            if each is not element and _POWERED not in each.attrs:
                continue
            if not each.life.get("powered"):
                continue
            link: Link | None = each.life.pop("link", None)
            if link is not None:
                link.close()
            for end in each.life.pop("ends", ()):
                end()
            each.attrs.pop(_POWERED, None)

    # --- sockets and senders ---------------------------------------------------------------

    def _connect(self, element: Element, url: str) -> None:
        if element.life.get("link") is None:
            element.life["link"] = self.tab.connect(element, _websocket_url(self.tab.url, url))

    def _send(self, element: Element, event: Event) -> None:
        if event.type == "submit" and element.tag == "form":
            event.is_prevented = True
        if event.type == "click" and _cancels(element):
            event.is_prevented = True
        owner = element.closest(_CONNECT)
        url = attribute(owner, "hx-ws:connect") if owner is not None else None
        link: Link | None = owner.life.get("link") if owner is not None else None
        if not url or link is None:
            why = "Connection not open" if url else "No WebSocket connection found for element"
            self.tab.console("error", f"htmx: htmx:ws:error: {why}")
            return
        link.send(frame_of(self.tab, element, event.submitter), element)

    def settings(self, element: Element) -> dict[str, Any]:
        """Give what ``hx-config`` says of the element's socket."""
        given = hcon.parse(attribute_value(element, "hx-config")).get("ws")
        return given if isinstance(given, dict) else {}


def _cancels(element: Element) -> bool:
    button = element.closest("button,input[type='submit'],input[type='image']")
    if (
        button is not None
        and button.closest("form") is not None
        and button.get("type", "submit") in ("submit", "image")
    ):
        return True
    link = element.closest("a[href]")
    return link is not None and not (
        link.attrs["href"].startswith("#") and len(link.attrs["href"]) > 1
    )


def _default_trigger(element: Element) -> str:
    if element.tag == "form":
        return "submit"
    field = "input:not([type=button]):not([type=submit]),select,textarea"
    return "change" if element.matches(field) else "click"


def _websocket_url(page: str, url: str) -> str:
    parts = urlsplit(urljoin(page, url))
    scheme = {"http": "ws", "https": "wss"}.get(parts.scheme, parts.scheme)
    return parts._replace(scheme=scheme).geturl()
