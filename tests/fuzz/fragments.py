"""Content and where it goes, given to ``serialise``.

What is taken must be whole at its place: each message, read as each htmx does, is made of
elements that say where they go, and of nothing else; what was in the content is in the messages.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import Any, ClassVar, Final

from htmx_ws import (
    FragmentError,
    after,
    append,
    before,
    morph,
    prepend,
    remove,
    replace,
    serialise,
    update,
)
from htmx_ws.wire.once import make_once, takes_cursor
from htmx_ws.wire.serialise import Message

from . import markup, page
from .kind import Broken, Kind
from .selectors import PLAIN
from .words import word

__all__ = ["Fragments"]

_FILLS: Final[dict[str, tuple[str, Callable[[str, object], Any]]]] = {
    "update": ("innerHTML", update),
    "append": ("beforeend", append),
    "prepend": ("afterbegin", prepend),
    "before": ("beforebegin", before),
    "after": ("afterend", after),
}
_NO_HTML: Final[list[Any]] = [5, b"<p>", {"a": 1}, True, object, [5], ["<p id=x></p>", None, 7]]


@dataclass(frozen=True)
class Content:
    """HTML, what is done with it, and a target; for ``plain`` it may be the default one."""

    how: str
    target: str
    html: Any
    swap: str = "innerHTML"
    #: It must be taken, and not only rightly if it is.
    is_plain: bool = False


class Fragments(Kind[Content]):
    """Content for the serialiser."""

    name: ClassVar[str] = "fragment"
    share: ClassVar[int] = 1_000

    def make(self, random: Random) -> Content:
        how = random.choice(
            (*_FILLS, "update", "replace", "replace", "own", "own", "morph", "plain")
        )
        target = random.choice(PLAIN) if random.random() < 0.9 else word(random)
        html: Any = markup.document(random)
        chance = random.random()
        if chance < 0.3:
            html = markup.well_formed(random)
        elif chance < 0.32:
            html = random.choice(_NO_HTML)
        elif chance < 0.37:
            html = [html, None, [markup.document(random)], ()]
        if how == "plain":
            target = "" if random.random() < 0.5 else target
        if random.random() < 0.02:
            how = "remove"
        swap = random.choice(
            ("innerHTML", "beforeend", "append", "outerHTML", "morph", "delete", "x")
        )
        is_plain = chance < 0.3 and (how in _FILLS or how == "own") and target in PLAIN
        return Content(how, target, html, swap, is_plain)

    async def check(self, given: Content) -> None:
        try:
            messages = _serialise(given)
        except FragmentError:
            if given.is_plain:
                raise Broken("what is well formed is refused", given.html) from None
            return
        except TypeError as error:
            if "is not HTML" in str(error) and not isinstance(given.html, str):
                return
            raise
        for message in messages:
            _check_message(message)
        if isinstance(given.html, str):
            _check_whole(given, messages)


def _serialise(given: Content) -> tuple[Message, ...]:
    if given.how in _FILLS:
        return serialise(_FILLS[given.how][1](given.target, given.html))
    if given.how == "plain":
        return serialise(given.html, given.target or None, given.swap)
    if given.how == "remove":
        return serialise(remove(given.target))
    whole = morph if given.how == "morph" else replace
    return serialise(whole(given.html) if given.how == "own" else whole(given.target, given.html))


_PARTS: Final = re.compile("<(?:caption|col|tbody|td|tfoot|th|thead|tr)", re.IGNORECASE)
_CURSOR: Final = '<i hx-swap-oob="outerHTML:#cursor"></i>'


def _check_message(message: Message) -> None:
    for text in (message.text, *(message.variants or {}).values()):
        if not page.marked(text):
            raise Broken("a message has nothing in it", text)
        if takes_cursor(message) and not _is_finished(text):
            raise Broken("a position cannot be added to a message that takes one", text)
    meant, once = page.marked(message.text), page.marked(make_once(message).text)
    if [top._replace(oob="") for top in meant] != [top._replace(oob="") for top in once]:
        raise Broken("a message that is applied once is another", meant, once)


def _is_finished(html: str) -> bool:
    """Whether what follows HTML is behind it, and not in what it left open."""
    cursor = page.Top("i", "outerHTML:#cursor", {}, "")
    before = page.tops(page.as_fragment(html))
    return page.tops(page.as_fragment(html + _CURSOR)) == [*before, cursor]


def _check_whole(given: Content, messages: tuple[Message, ...]) -> None:
    """Hold what is sent against what the content is by itself."""
    meant = page.tops(page.as_fragment(given.html))
    if given.how in _FILLS:
        (message,) = messages
        (top,) = page.marked(message.text)
        if not (top.oob or "").startswith(_FILLS[given.how][0] + ":"):
            raise Broken("a fragment has another style", top)
        # Not by its HTML, which parsers need not read as they wrote it.
        inside = page.tops(page.inside(message.text))
        if _is_comparable(given.html, top) and _shape(inside) != _shape(meant):
            raise Broken("what is inside a fragment is not what was given", inside, meant)
    elif given.how in ("own", "replace") or (given.how == "plain" and not given.target):
        sent = [top for message in messages for top in page.marked(message.text)]
        if _shape(sent) != _shape(meant):
            raise Broken("elements are not sent as they were given", sent, meant)
        for one, other in zip(sent, meant, strict=True):
            if one.attributes != _without_mark(other):
                raise Broken("attributes are not sent as they were given", one, other)


#: HTML that begins with an element, behind comments and space at most.
_BEGINS: Final = re.compile(
    r"[ \t\n\f\r]*(?:<!--(?:-?>|.*?--!?>)[ \t\n\f\r]*)*<[a-zA-Z]", re.DOTALL
)


def _is_comparable(html: str, wrapper: page.Top) -> bool:
    """Whether content reads inside its wrapper as it does by itself.

    What is left open ends with its wrapper, and may take its end tag for its own; the parts of an
    svg or select are others outside it; and text before parts of a table has no place for both.
    """
    begins = _BEGINS.match(html) is not None or _PARTS.search(html) is None
    return begins and wrapper.tag not in ("svg", "select") and _is_finished(html)


def _shape(found: list[page.Top]) -> list[tuple[str, str]]:
    shape: list[tuple[str, str]] = []
    for top in found:
        # A </p> or </br> without a start makes an empty one, but not at the start of a template.
        if (top.tag, top.inside) in (("p", ""), ("br", "")):
            continue
        before = shape.pop()[1] if top.tag == "#text" and shape and shape[-1][0] == "#text" else ""
        shape.append((top.tag, before + top.inside))
    return shape


def _without_mark(top: page.Top) -> dict[str, str | None]:
    attributes = {**top.attributes}
    if top.oob is None:
        attributes.pop("data-hx-swap-oob", None)
    return attributes
