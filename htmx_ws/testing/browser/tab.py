"""What a browser holds for one page, less the network: the tree, the events, the console.

The clients (``htmx2``, ``htmx4``) act on a ``Tab`` and do no I/O, so their rules can be held
against recordings of browsers one message at a time. No JavaScript runs here. What a script
would do is known for the few that this package sends (an event, a redirect, a reload, a
script that removes itself); any other is listed in ``scripts``.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, Final, Protocol
from urllib.parse import urljoin

from .controls import is_focusable
from .dom import Branch, Document, Element, Node
from .parse import parse_document
from .selectors import InvalidSelector

__all__ = ["Event", "Link", "NeedsJavaScript", "Tab", "Uncaught"]


class Uncaught(Exception):
    """An exception that the client's JavaScript would throw, with the browser's words."""


class NeedsJavaScript(Exception):
    """What was asked depends on JavaScript of the page, which does not run in a test."""


class Event:
    """An event on its way up from ``target``."""

    def __init__(
        self,
        type: str,
        target: Branch,
        *,
        submitter: Element | None = None,
        detail: Any = None,
        key: str = "",
        bubbles: bool = True,
    ) -> None:
        self.type: str = type
        self.target: Branch = target
        self.submitter: Element | None = submitter
        self.detail: Any = detail
        self.key: str = key
        self.bubbles: bool = bubbles
        self.is_prevented: bool = False
        self.is_stopped: bool = False
        self.handled_for: list[Element] = []


Listener = Callable[[Event], None]

_STRING: Final = r"""["'`]([^"'`]*)["'`]"""
_DISPATCH: Final = re.compile(rf"document\.body\.dispatchEvent\(\s*new CustomEvent\(\s*{_STRING}")
_LOCATION: Final = re.compile(
    rf"location(?:\.href)?\s*=\s*{_STRING}|location\.(?:assign|replace)\(\s*{_STRING}"
    r"|location\.reload\("
)


class Link(Protocol):
    """A socket of the page, as its client holds it."""

    def send(self, text: str, sender: Element) -> None:
        """Send a frame, now or when the socket is open."""

    def close(self) -> None:
        """Close it for good."""


class Tab:
    """One page as a browser holds it. ``connect`` opens a socket for an element.

    ``errors`` is what the console says; ``missing`` the selectors that a message named and the
    page had not, of which most clients say nothing; ``unreadable`` those of a message that no
    browser can read, which is lost; ``wiped`` the elements whose content a
    message replaced though it named no target; ``log`` what happened, for people.
    """

    def __init__(
        self, html: str, url: str, connect: Callable[[Element, str], Link] | None = None
    ) -> None:
        self.url: str = url
        self.document: Document = parse_document(html, scripting=True)
        self.connect: Callable[[Element, str], Link | None] = connect or (lambda element, url: None)
        self.later: Callable[[float, Callable[[], object]], Callable[[], None]] = _never
        self.repeat: Callable[[float, Callable[[], object]], Callable[[], None]] = _never
        self.window: Branch = Branch()
        self.errors: list[str] = []
        self.missing: list[str] = []
        self.unreadable: list[str] = []
        self.wiped: list[Element] = []
        self.log: list[str] = []
        self.scripts: list[str] = []
        self.events: list[Event] = []
        self.goes_to: str | None = None
        self.typed: tuple[int, int] | None = None  # the selection in the focused field
        self.changed: Element | None = None  # the field that tells of its change when it is left
        for element in self.document.descendants():
            if element.tag == "script":
                element.life["ran"] = True
        first = next(filter(is_focusable, self.document.select("[autofocus]")), None)
        self.focus(first)

    def console(self, kind: str, text: str) -> None:
        """Take note of what the console would say: kind is error, warning or pageerror."""
        self.errors.append(f"{kind}: {text}")
        self.log.append(f"console {kind}: {text}")

    def note(self, text: str) -> None:
        """Take note of what happened."""
        self.log.append(text)

    def note_unreadable(self, error: Exception) -> None:
        """Take note of what a message was lost by, if that was a selector."""
        if isinstance(error, InvalidSelector):
            self.unreadable.append(error.selector)

    # --- focus ---------------------------------------------------------------------------

    @property
    def focused(self) -> Element | None:
        """The element that has the focus; None for the body."""
        focused = self.document.focused
        return focused if focused is not None and focused.is_connected else None

    def focus_if_it_can(self, element: Element, selection: tuple[int, int] | None = None) -> None:
        """Give an element the focus if it takes it, as a script's ``focus()`` does."""
        if is_focusable(element):
            self.focus(element, selection)

    def focus(self, element: Element | None, selection: tuple[int, int] | None = None) -> None:
        """Give an element the focus, or none."""
        arrives = element is not None and element is not self.focused
        self.document.focused = element
        self.typed = selection
        if arrives and element is not None:
            self.dispatch(Event("focus", element, bubbles=False))
            self.dispatch(Event("focusin", element))

    def blur(self) -> None:
        """Leave the field that has the focus."""
        left, self.changed = self.changed, None
        focused = self.focused
        if left is not None and left.is_connected:
            self.dispatch(Event("change", left))
        if focused is not None:
            self.dispatch(Event("blur", focused, bubbles=False))
            self.dispatch(Event("focusout", focused))
        self.focus(None)

    # --- events --------------------------------------------------------------------------

    def listen(self, node: Branch, type: str, listener: Listener) -> Callable[[], None]:
        """Call a listener for each such event there; gives what ends it."""
        entry = (type, listener)
        node.listeners.append(entry)

        def end() -> None:
            if entry in node.listeners:
                node.listeners.remove(entry)

        return end

    def dispatch(self, event: Event) -> bool:
        """Send an event up the page; False when its default was prevented."""
        self.events.append(event)
        for node in self._path(event.target) if event.bubbles else (event.target,):
            for type, listener in list(node.listeners):
                if type == event.type:
                    self.run(partial(listener, event))
            if event.is_stopped:
                break
        return not event.is_prevented

    def run(self, act: Callable[[], object]) -> None:
        """Do what a script would; the console tells of what it throws."""
        try:
            act()
        except (InvalidSelector, Uncaught) as error:
            self.console("pageerror", str(error))

    def _path(self, target: Branch) -> Iterator[Branch]:
        node: Branch | None = target
        while node is not None:
            yield node
            if isinstance(node, Document):
                yield self.window
            node = node.parent

    # --- what the browser does by itself ---------------------------------------------------

    def arrived(self, *nodes: Node) -> None:
        """Do what a browser does with what was put into the page: run scripts, refresh."""
        for node in nodes:
            if isinstance(node, Element) and node.is_connected:
                for element in list(node.itself_and_descendants()):
                    if element.tag == "script" and not element.life.get("ran"):
                        self._run(element)
                    elif element.tag == "meta":
                        self._refresh(element)

    def _refresh(self, meta: Element) -> None:
        if meta.get("http-equiv", "").lower() != "refresh":
            return
        found = re.match(
            r"\s*\d+(?:\.\d*)?\s*(?:[;,]\s*(?:url\s*=\s*)?(.*))?$", meta.get("content", ""), re.I
        )
        if found is not None:
            self.navigate((found[1] or "").strip().strip("\"'"))

    def navigate(self, url: str) -> None:
        """Take note of where the page goes to now."""
        self.goes_to = urljoin(self.url, url) if url else self.url
        self.note(f"the page goes to {self.goes_to}")

    def _run(self, script: Element) -> None:
        script.life["ran"] = True
        if not re.fullmatch(
            r"|module|(text|application)/(java|ecma)script", script.get("type", "")
        ):
            return
        code = script.text
        self.scripts.append(code)
        for found in _DISPATCH.finditer(code):
            self._event(found)
        for found in _LOCATION.finditer(code):
            self.navigate(found[1] or found[2] or "")
        if "document.currentScript.remove()" in code:
            script.detach()

    def _event(self, found: re.Match[str]) -> None:
        detail = None
        if given := re.match(
            r"\s*,\s*\{\s*\"?detail\"?\s*:\s*", code := found.string[found.end() :]
        ):
            try:
                detail = json.JSONDecoder().raw_decode(code, given.end())[0]
            except ValueError:
                self.note("the detail of an event is no JSON, and is left out")
        self.note(f"a script fires the event {found[1]!r}")
        self.dispatch(Event(found[1], self.document.body, detail=detail))


def _never(seconds: float, act: Callable[[], object]) -> Callable[[], None]:
    """Have no time pass: what is to wait waits for ever."""
    return lambda: None
