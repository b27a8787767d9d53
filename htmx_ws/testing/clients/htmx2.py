"""htmx 1.9 and 2 at work in a tab: which elements connect and send, and when.

The extension prepares everything inside an element at each element that htmx prepares with
``hx-ext="ws"`` on it or above. That is why markup with the extension further up opens two
sockets, and it is followed here step by step.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable
from functools import partial
from typing import Any, Final
from urllib.parse import urljoin, urlsplit

from ..browser.controls import form_of
from ..browser.dom import Branch, Element
from ..browser.selectors import InvalidSelector
from ..browser.tab import Event, Link, Tab, Uncaught
from .lookup2 import attribute, find_all, nothing
from .send2 import frame_of
from .swap2 import HABITS, Swaps2
from .triggers import Trigger, listen
from .triggers2 import parse_triggers

__all__ = ["Htmx2"]

#: What gives nothing, and not an empty list, in 1.9.
_RELATIVE: Final = r"(closest|find) |next|previous"
_DISABLED: Final = "[hx-disable],[data-hx-disable]"
_PREPARED: Final = (
    "form,[type='submit'],[hx-ext],[data-hx-ext],[hx-trigger],[data-hx-trigger],"
    + ",".join(
        f"[{data}hx-{verb}]"
        for verb in ("get", "post", "put", "delete", "patch")
        for data in ("", "data-")
    )
)


class Htmx2(Swaps2):
    """One page with htmx 1.9 or 2."""

    #: A message that waits for the socket waits for ever, and none is too many.
    QUEUE: Final = None
    OPENED: Final = "htmx:wsOpen"
    CLOSED: Final = "htmx:wsClose"
    #: Whether it closes the socket of a hidden page.
    HIDES: Final = False
    #: What the server sees when the page goes.
    GONE: Final = 1001

    def __init__(self, tab: Tab, version: str) -> None:
        super().__init__(tab, HABITS[version])
        self.version = version
        self.retry_codes: tuple[int, ...] = self.habits.retry_codes
        self._seen: list[Element] = []

    def start(self) -> None:
        """Prepare the page, as htmx does when it is loaded."""
        self.tab.run(lambda: self.process(self.tab.document.body))

    def delay(self, attempt: int) -> float:
        """Give the seconds until a socket is opened again, after so many attempts."""
        return random.random() * 2.0 ** min(attempt, 6)

    def settings(self, element: Element) -> dict[str, Any]:
        """Give what the markup says of the element's socket: nothing, in this generation."""
        return {}

    # --- preparing elements --------------------------------------------------------------

    def process(self, element: Element) -> None:
        if element.closest(_DISABLED) is not None:
            self.clean_up(element)
            return
        waiting: list[Element] = []
        for each in [element, *element.select(_PREPARED)]:
            if self.habits.wipes_on_init:
                if self._is_new(each):
                    self._init(each)
            elif self._is_new(each):
                waiting.append(each)
        for each in waiting:
            self._init(each)

    def _is_new(self, element: Element) -> bool:
        if element.closest(_DISABLED) is not None:
            return False
        now = {name: value for name, value in element.attrs.items() if value}
        if element.life.get("prepared") == now:
            return False
        self._forget(element)
        element.life["prepared"] = now
        return True

    def _forget(self, element: Element) -> None:
        link: Link | None = element.life.get("link")
        if link is not None and self.habits.table_contexts:
            link.close()
        for end in element.life.get("ends", ()):
            end()
        element.life.clear()

    def _init(self, element: Element) -> None:
        try:
            if self._has_extension(element):
                for each in _those_with(element, "ws-connect"):
                    self._connect(each)
                for each in _those_with(element, "ws-send"):
                    self._prepare_sender(each)
        except (InvalidSelector, Uncaught) as error:
            name = "SyntaxError" if isinstance(error, InvalidSelector) else "TypeError"
            self.tab.console("error", f"{name}: {error}")
        # htmx itself listens, too, without doing anything, and once more sees what is in sight.
        for trigger in self._triggers(element):
            self._origins(element, trigger)
            if trigger.event == "intersect" and not trigger.once and "sees" in element.life:
                element.life["sees"](Event("intersect", element))
        if element.tag == "form" or (element.get("type") == "submit" and "form" in element.attrs):
            for type in ("click", "focusin", "focusout"):
                self._keep_end(element, self.tab.listen(element, type, self._remember_button))

    def _keep_end(self, element: Element, end: object) -> None:
        element.life.setdefault("ends", []).append(end)

    def _has_extension(self, element: Element) -> bool:
        ignored: set[str] = set()
        for each in element.itself_and_ancestors():
            for name in map(str.strip, (attribute(each, "hx-ext") or "").split(",")):
                if name.startswith("ignore:"):
                    ignored.add(name[7:])
                elif name == "ws" and "ws" not in ignored:
                    return True
        return False

    def _remember_button(self, event: Event) -> None:
        target = event.target
        button = (
            target.closest("button,input[type='submit']") if isinstance(target, Element) else None
        )
        form = (form_of(button) or button.closest("form")) if button is not None else None
        if form is not None:
            form.life["button"] = None if event.type == "focusout" else button

    # --- sockets -------------------------------------------------------------------------

    def _connect(self, element: Element) -> None:
        if not element.is_connected:
            return
        url = attribute(element, "ws-connect") or _of_old_attribute(element)
        if not url:
            return
        element.life["link"] = self.tab.connect(element, _websocket_url(self.tab.url, url))

    def clean_up(self, element: Element) -> None:
        for each in element.itself_and_descendants():
            link: Link | None = each.life.get("link")
            if link is not None:
                link.close()
            self._forget(each)

    # --- senders -------------------------------------------------------------------------

    def _prepare_sender(self, element: Element) -> None:
        old = attribute(element, "hx-ws")
        if old and old != "send":
            return
        around = element.itself_and_ancestors()
        socket = next((each for each in around if each.life.get("link") is not None), None)
        triggers = self._triggers(element, self._fault)
        for trigger in triggers or [Trigger(_default_trigger(element))]:
            self._listen(element, socket, trigger)

    def _triggers(
        self, element: Element, fault: Callable[[], None] = lambda: None
    ) -> list[Trigger]:
        given = attribute(element, "hx-trigger") or ""
        return parse_triggers(given, fault, strict=self.habits.lists_selects) if given else []

    def _origins(self, element: Element, trigger: Trigger) -> list[Branch]:
        if not trigger.origin:
            return [element]
        found = find_all(self.tab, element, trigger.origin)
        if not found and self.habits.lists_selects and re.match(_RELATIVE, trigger.origin):
            what = nothing(trigger.origin)
            raise Uncaught(f"Cannot read properties of {what} (reading 'addEventListener')")
        return found

    def _fault(self) -> None:
        self.tab.console("error", "htmx:syntax:error")

    def _listen(self, element: Element, socket: Element | None, trigger: Trigger) -> None:
        def send(event: Event) -> None:
            if not any(each is element for each in event.handled_for):
                event.handled_for.append(element)
                self._send(element, socket, event)

        def load() -> None:
            if not element.life.get("loaded"):
                element.life["loaded"] = True
                send(Event("load", element))

        if trigger.event == "revealed":
            if "data-hx-revealed" not in element.attrs:
                element.attrs["data-hx-revealed"] = "true"
                send(Event("revealed", element))
        elif trigger.event == "load" and trigger.delay:
            self.tab.later(trigger.delay, partial(self.tab.run, load))
        elif trigger.event == "load":
            load()
        elif trigger.event == "intersect":  # everything is in sight
            if not trigger.once or all(each is not element for each in self._seen):
                self._seen.append(element)
                element.life["sees"] = send
                send(Event("intersect", element))
        elif trigger.event.startswith("sse:") and self.habits.table_contexts:
            self.tab.console("error", "htmx:noSSESourceError")
        elif trigger.every:
            self._keep_end(
                element, self.tab.repeat(trigger.every, lambda: send(Event("every", element)))
            )
        else:
            origins = self._origins(element, trigger)
            if self.habits.form_by_owner and trigger.event == "click":
                # What decides whether a click is cancelled asks where it was heard.
                others = [each for each in origins if not isinstance(each, Element)]
                for each in others:
                    self._keep_end(element, self.tab.listen(each, "click", _fail_to_cancel))
                origins = [each for each in origins if isinstance(each, Element)]
            for end in listen(
                self.tab,
                element,
                trigger,
                origins,
                send,
                is_old=True,
                by_place=self.habits.lists_selects,
            ):
                self._keep_end(element, end)

    def _send(self, element: Element, socket: Element | None, event: Event) -> None:
        if socket is None:
            raise Uncaught("Cannot read properties of null (reading 'getRootNode')")
        if not socket.is_connected:
            if self.habits.wipes_on_init:
                raise Uncaught("Cannot read properties of undefined (reading 'publicInterface')")
            return
        link: Link = socket.life["link"]
        if event.type in ("submit", "click") and _cancels(element, event):
            event.is_prevented = True
        frame = frame_of(self.tab, self.habits, element)
        if frame is not None:
            link.send(frame, element)


def _fail_to_cancel(event: Event) -> None:
    raise Uncaught("elt.closest is not a function")


def _cancels(element: Element, event: Event) -> bool:
    if element.tag == "form":
        return event.type == "submit"
    button = element.closest("input[type='submit'],button")
    if button is not None and button.closest("form") is not None:
        return True
    link = element.closest("a[href]")
    return link is not None and not (
        link.get("href", "").startswith("#") and len(link.attrs["href"]) > 1
    )


def _default_trigger(element: Element) -> str:
    if element.tag == "form":
        return "submit"
    if element.tag == "input" and element.get("type") in ("button", "submit"):
        return "click"
    return "change" if element.tag in ("input", "textarea", "select") else "click"


def _those_with(element: Element, name: str) -> list[Element]:
    own = (
        [element]
        if any(each in element.attrs for each in (name, f"data-{name}", "hx-ws", "data-hx-ws"))
        else []
    )
    return [*own, *element.select(f"[{name}],[data-{name}],[data-hx-ws],[hx-ws]")]


def _of_old_attribute(element: Element) -> str | None:
    for part in (attribute(element, "hx-ws") or "").split():
        word, colon, url = part.partition(":")
        if word == "connect" and colon:
            return url
    return None


def _websocket_url(page: str, url: str) -> str:
    """Give the address of a socket as this htmx, and then the browser, makes it."""
    parts = urlsplit(urljoin(page, url))
    scheme = {"http": "ws", "https": "wss"}.get(parts.scheme, parts.scheme)
    return parts._replace(scheme=scheme).geturl()
