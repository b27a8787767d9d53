"""The words for what should happen to a page: ``append("#log", html)`` and its siblings.

A fragment is data: HTML, the selector it is for, and a swap style. All of htmx's intents are
that, even a redirect, so one class serves them all and the serialiser knows no intent. The
styles are htmx's own names, which are the DOM's.
"""

from __future__ import annotations

import json
import re
from html import escape
from typing import Any, Final

from ..errors import FragmentError
from .content import HTML, render

__all__ = [
    "Fragment",
    "after",
    "append",
    "before",
    "data_only",
    "morph",
    "prepend",
    "redirect",
    "refresh",
    "remove",
    "replace",
    "title",
    "trigger",
    "update",
]


class Fragment:
    """Content and where it goes: a ``target`` selector (None: its elements' own ids), a ``style``.

    ``style`` is one of outerHTML, innerHTML, beforeend, afterbegin, beforebegin, afterend,
    delete, morph, and data for what is not HTML.
    """

    __slots__ = ("content", "style", "target")

    def __init__(self, style: str, target: str | None, content: object) -> None:
        self.style: str = style
        self.target: str | None = target
        self.content: object = content

    @property
    def html(self) -> str:
        """The content as HTML; raises ``TypeError`` when it is none."""
        return render(self.content)

    def __repr__(self) -> str:
        return f"Fragment({self.style!r}, {self.target!r}, {self.content!r})"

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Fragment):
            return NotImplemented
        return (self.style, self.target, self.html) == (other.style, other.target, other.html)

    def __hash__(self) -> int:
        return hash((self.style, self.target, self.html))


def update(target: str, content: object) -> Fragment:
    """Put content inside the target, in place of what is there; empty content clears it."""
    return Fragment("innerHTML", target, content)


def append(target: str, content: object) -> Fragment:
    """Put content inside the target, after what is there: a chat's new line, a table's row."""
    return Fragment("beforeend", target, content)


def prepend(target: str, content: object) -> Fragment:
    """Put content inside the target, before what is there."""
    return Fragment("afterbegin", target, content)


def before(target: str, content: object) -> Fragment:
    """Put content before the target, as its sibling."""
    return Fragment("beforebegin", target, content)


def after(target: str, content: object) -> Fragment:
    """Put content after the target, as its sibling."""
    return Fragment("afterend", target, content)


def remove(target: str) -> Fragment:
    """Take the target out of the page: every element that the selector matches."""
    return Fragment("delete", target, HTML())


_UNSET: Final = object()


def replace(target: object, content: object = _UNSET) -> Fragment:
    """Put one element in the place of the target: ``replace("#x", '<p id="x">new</p>')``.

    ``replace(content)`` takes the place of the elements that have the content's own ids, as
    plain HTML does when it is sent.
    """
    return _whole("outerHTML", target, content)


def morph(target: object, content: object = _UNSET) -> Fragment:
    """Update the target as ``update`` does, keeping focus and what is typed, where htmx can.

    htmx 4 morphs; htmx 1.9 and 2 put the content in by innerHTML. Content that is one element
    with the target's own id stands for the target itself, which ``morph(content)`` says
    shorter: htmx 4 morphs it, htmx 1.9 and 2 replace it.
    """
    return _whole("morph", target, content)


def _whole(style: str, target: object, content: object) -> Fragment:
    if content is _UNSET:
        return Fragment(style, None, target)
    return Fragment(style, target, content)  # type: ignore[arg-type]  # serialise refuses it


def title(text: str) -> Fragment:
    """Set the title of the page, given as text: it is escaped here."""
    return Fragment("innerHTML", "head>title", HTML(escape(text)))


_SCHEME: Final = re.compile(r"(?!https?:)[a-z][a-z0-9+.-]*:", re.ASCII | re.IGNORECASE)


def redirect(url: str) -> Fragment:
    """Send the page to another address: http, https, or relative to this one.

    Raises ``FragmentError`` for any other scheme, since ``javascript:`` would be a script.
    """
    # Browsers drop these wherever they stand, so "java\\nscript:" is a scheme to them.
    plain = re.sub(r"[\t\n\r]", "", url).strip("".join(map(chr, range(33))))
    if _SCHEME.match(plain):
        raise FragmentError(f"Cannot redirect to {url!r}: only http, https and relative URLs.")
    if plain[:1] in ("'", '"'):  # to a refresh, the quotes around a URL
        plain = f"%{ord(plain[0]):X}{plain[1:]}"
    return _once(f'<meta http-equiv="refresh" content="0;url={escape(plain)}">')


def refresh() -> Fragment:
    """Load the page anew."""
    return _once('<meta http-equiv="refresh" content="0">')


def trigger(event: str, detail: Any = None, *, nonce: str | None = None) -> Fragment:
    """Fire an event on the page's body, for ``hx-trigger="my-event from:body"`` or a listener.

    ``detail`` is any JSON value. The event travels as a script that removes itself: give the
    page's CSP ``nonce`` where it has one.
    """
    call = (
        f"document.body.dispatchEvent(new CustomEvent({_script_json(event)},"
        f"{{detail:{_script_json(detail)},bubbles:true}}));document.currentScript.remove()"
    )
    attribute = f' nonce="{escape(nonce)}"' if nonce else ""
    return _once(f"<script{attribute}>{call}</script>")


def data_only(channel: str, payload: Any = None) -> Fragment:
    """Send data that changes nothing by itself, for a script that listens to the socket.

    The page's listener (``htmx:wsBeforeMessage`` on htmx 1.9 and 2,
    ``htmx:ws:before:message:incoming`` on 4) gets ``{"channel": channel, "data": payload}``.
    """
    return Fragment("data", None, HTML(_script_json({"channel": channel, "data": payload})))


def _once(element: str) -> Fragment:
    return Fragment("beforeend", "body", HTML(element))


def _script_json(value: Any) -> str:
    # No "<" may stand in a script or in JSON that an old htmx parses as HTML.
    text = json.dumps(value, separators=(",", ":"), allow_nan=False)
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")
